package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// pollEvery is the interval of polls for a starting handler.
const pollEvery = 25 * time.Millisecond

// errOver is why a call of a handler that will not be started again fails.
var errOver = errors.New("the host has ended")

// process runs the executable, one at a time, on a port that stays the same.
type process struct {
	h    *Host
	port int

	mu       sync.Mutex
	cmd      *exec.Cmd
	ready    chan struct{} // closed once the handler answers; a new one after a restart
	recycled chan struct{} // asks for a restart
	strikes  int
	struck   time.Time
}

func (h *Host) startWorker() error {
	h.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}}
	if h.settings.forward {
		h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if h.o.Handler != nil {
		w, err := serveHere(h.o.Handler)
		if err != nil {
			return err
		}
		h.base, h.worker = "http://"+w.front.Addr().String(), w
		return nil
	}
	if _, err := exec.LookPath(h.settings.executable); err != nil {
		return fmt.Errorf("the handler cannot be run (is its run bit set?): %w", err)
	}
	port := h.settings.port
	if port == 0 {
		var err error
		if port, err = freePort(); err != nil {
			return err
		}
	}
	p := &process{h: h, port: port, ready: make(chan struct{}), recycled: make(chan struct{}, 1)}
	h.base, h.worker = fmt.Sprintf("http://127.0.0.1:%d", port), p
	return nil
}

// freePort picks a port below the ephemeral range: no process listens on it while the handler
// restarts.
func freePort() (int, error) {
	for range 100 {
		port := 15000 + rand.IntN(17000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("find a free port for the handler: 100 tries failed")
}

// run keeps the handler alive by the host's rules for exits. It stays on its thread,
// because the kernel kills the handler when the thread that started it ends: so no
// handler outlives this process.
func (p *process) run(ctx context.Context) {
	runtime.LockOSThread()
	for ctx.Err() == nil {
		child, last, err := p.spawn()
		if err != nil {
			p.h.cancel(fmt.Errorf("start the handler: %w", err))
			return
		}
		free, reason := p.watch(ctx, child, last)
		if ctx.Err() != nil {
			return
		}
		if !free && p.strike() {
			p.h.cancel(fmt.Errorf("exceeded the handler's restart count: it ended 3 times, last: %s", reason))
			return
		}
		p.h.log.Warn("the handler is started again", "category", "Host", "reason", reason)
		p.h.restarted()
	}
}

// spawn starts one process and the poll for its readiness.
func (p *process) spawn() (*child, *tail, error) {
	s := p.h.settings
	last := &tail{}
	cmd := exec.Command(s.executable)
	env := p.environment()
	for _, arg := range s.arguments {
		// An unset variable becomes empty.
		cmd.Args = append(cmd.Args, strings.Fields(percent.ReplaceAllString(env.expand(arg), ""))...)
	}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Dir = s.workingDirectory
	stdout, stderr := p.h.console(false, nil), p.h.console(true, last)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second // for grandchildren that hold the pipes
	p.h.client.CloseIdleConnections()
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	c := &child{cmd: cmd, gone: make(chan struct{}), mute: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the process state has the result
		stdout.flush()
		stderr.flush()
		close(c.gone)
	}()
	p.mu.Lock()
	p.cmd = cmd
	select {
	case <-p.ready:
		p.ready = make(chan struct{})
	default: // waiters of the last start continue to wait
	}
	ready := p.ready
	p.mu.Unlock()
	go p.poll(c, ready)
	return c, last, nil
}

// child is one life of the handler.
type child struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
	mute chan struct{} // closed when it did not listen in time
}

func (p *process) environment() environment {
	env := environment{}
	for k, v := range p.h.env {
		env[k] = v
	}
	id := guid()
	root := p.h.o.Root
	env["FUNCTIONS_CUSTOMHANDLER_PORT"] = fmt.Sprint(p.port)
	env["FUNCTIONS_HTTPWORKER_PORT"] = fmt.Sprint(p.port)
	env["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"] = id
	env["FUNCTIONS_HTTPWORKER_ID"] = id
	env["FUNCTIONS_APP_ROOT_PATH"] = root
	env["WEBSITE_HOSTNAME"] = strings.TrimPrefix(p.h.url, "http://") // the platform's, and that of the core tools
	return env
}

// poll asks for / until anything answers. A handler that ended with a crash has its
// successor asked instead; one that ended with 0 is asked in vain until time is up.
func (p *process) poll(c *child, ready chan struct{}) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: p.h.settings.initTimeout}
	for range max(1, p.h.settings.initTimeout/pollEvery) {
		if resp, err := client.Get(p.h.base + "/"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // any answer will do
			resp.Body.Close()
			p.answered(ready)
			return
		}
		select {
		case <-p.h.ctx.Done():
			return
		case <-c.gone:
			if c.cmd.ProcessState.ExitCode() != 0 {
				return
			}
		default:
		}
		time.Sleep(pollEvery)
	}
	close(c.mute)
}

// answered releases the waiters. The polls of two processes may share a channel.
func (p *process) answered(ready chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-ready:
	default:
		close(ready)
	}
}

// watch waits until the handler has to be restarted, and returns the reason and whether the
// restart is free (not counted as a crash). It then kills a running process without SIGTERM,
// as the real host does.
func (p *process) watch(ctx context.Context, c *child, last *tail) (free bool, reason string) {
	defer func() {
		_ = c.cmd.Process.Kill() // it may be gone already
		<-c.gone
	}()
	gone := c.gone
	for {
		select {
		case <-ctx.Done():
			return true, "the host ended"
		case <-p.recycled:
			return true, "a function ran into its timeout"
		case <-c.mute:
			return false, fmt.Sprintf("it did not listen within %v", p.h.settings.initTimeout)
		case <-gone:
		}
		switch code := exitCode(c.cmd.ProcessState); code {
		case 0:
			p.h.log.Error("the handler ended with exit code 0: the host never starts it again, every further call fails", "category", "Host")
			gone = nil // dead, and the host believes that it runs
		case 200:
			return true, "it asked for it by exit code 200"
		default:
			return false, fmt.Sprintf("exit code %d, last errors: %s", code, last)
		}
	}
}

// exitCode is the shell's for a process that a signal ended, as .NET reports it.
func exitCode(s *os.ProcessState) int {
	if code := s.ExitCode(); code >= 0 {
		return code
	}
	return 128 + signalOf(s)
}

// strike counts a crash, and reports whether it was the third in a row, each within the window
// after the one before.
func (p *process) strike() bool {
	if time.Since(p.struck) > p.h.o.Times.Strikes {
		p.strikes = 0
	}
	p.struck = time.Now()
	p.strikes++
	return p.strikes >= 3
}

// await waits as long as the host does for a handler that is starting; then the host stops.
func (p *process) await(ctx context.Context) error {
	p.mu.Lock()
	ready := p.ready
	p.mu.Unlock()
	patience := time.NewTimer(4 * p.h.settings.initTimeout)
	defer patience.Stop()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.h.ctx.Done():
		return errors.Join(errOver, p.h.cause())
	case <-patience.C:
		err := errors.New("the handler did not listen in time: the host stops")
		p.h.cancel(err)
		return err
	}
}

func (p *process) recycle() {
	select {
	case p.recycled <- struct{}{}:
	default: // asked already
	}
}
