//go:build !linux

package testbed

import "syscall"

// dieWithParent has no equivalent here; reserveNetwork refuses to start
// anything on such a system, so nothing can be left behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
