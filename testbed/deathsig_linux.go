package testbed

import "syscall"

// dieWithParent has the kernel kill the process when the thread that started
// it ends, which is also what happens when this process is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
