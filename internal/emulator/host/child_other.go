//go:build !linux

package host

import (
	"errors"
	"os"
	"syscall"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

func freeze(*os.Process) error { return errors.ErrUnsupported }

func thaw(*os.Process) error { return errors.ErrUnsupported }

// signalOf is SIGKILL, the only signal that this package sends here.
func signalOf(*os.ProcessState) int { return 9 }
