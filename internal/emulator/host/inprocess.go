package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// here is a handler that runs in this process, behind a listener like any other.
type here struct {
	front  net.Listener
	server *http.Server
}

func serveHere(handler http.Handler) (*here, error) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the handler: %w", err)
	}
	return &here{front: front, server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}}, nil
}

func (w *here) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { w.server.Close() })
	defer stop()
	_ = w.server.Serve(w.front) // it ends by Close only
}

func (w *here) await(context.Context) error { return nil }

// recycle leaves the handler alone: a goroutine cannot be killed.
func (w *here) recycle() {}

var errHere = errors.New("the handler runs in this process")

// Kill ends the handler with SIGKILL; the host starts it again. Two such ends within
// Times.Strikes are forgiven, the third stops the host.
func (h *Host) Kill() error { return h.signal((*os.Process).Kill) }

// Freeze stops the handler with SIGSTOP: its connections stay open and nothing answers.
func (h *Host) Freeze() error { return h.signal(freeze) }

// Thaw continues a frozen handler.
func (h *Host) Thaw() error { return h.signal(thaw) }

// PID is the handler's process id; 0 when it runs in this process or not yet.
func (h *Host) PID() int {
	pid := 0
	_ = h.signal(func(p *os.Process) error { pid = p.Pid; return nil }) // no process, no id
	return pid
}

func (h *Host) signal(do func(*os.Process) error) error {
	p, ok := h.worker.(*process)
	if !ok {
		return errHere
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("the handler was not started yet")
	}
	return do(p.cmd.Process)
}
