package testbed

import "syscall"

// dieWithParent makes the kernel kill the process when the thread that started
// it ends, also when this process is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
