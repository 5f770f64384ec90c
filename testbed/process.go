package testbed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// launcher starts processes from one operating system thread that lives as
// long as the launcher: the kernel kills them when that thread ends, so none
// outlives this process, however it dies.
type launcher struct {
	requests chan func()
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range l.requests {
			f()
		}
	}()
	return l
}

func (l *launcher) close() { close(l.requests) }

// process is one running program with its log file.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	gone chan struct{} // closed when the program has ended
}

// start runs the program with its output appended to dir/name.log.
func (l *launcher) start(dir, name, path string, args ...string) (*process, error) {
	logPath := filepath.Join(dir, name+".log")
	out, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = dieWithParent()
	started := make(chan error, 1)
	l.requests <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: logPath, gone: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

// stop kills the program and returns when it is gone, so that its port is free.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.gone
}

// waitFor polls ready until it reports no error. It gives up, with the last
// lines of the program's log, when the program ends or ctx does.
func (p *process) waitFor(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.gone:
			return fmt.Errorf("%s ended while starting (%v); its last lines:\n%s", p.name, p.cmd.ProcessState, p.lastLines())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%v): %w; its last lines:\n%s", p.name, err, context.Cause(ctx), p.lastLines())
		case <-tick.C:
		}
	}
}

func (p *process) lastLines() []byte {
	const keep = 15
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Appendf(nil, "(no log: %v)", err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-keep):], []byte("\n"))
}
