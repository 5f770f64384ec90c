package functions_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/functions"
)

// pipes is a listener whose connections are in memory, so that time can be virtual.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	c, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.conns) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// exchange sends a request as it is written, and returns the answer.
func exchange(t *testing.T, request string) *http.Response {
	t.Helper()
	calls := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/refused":
			w.WriteHeader(http.StatusUnauthorized)
		case "/api/slow":
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusRequestTimeout)
				return
			}
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	})
	b := functions.Binding{Name: "f", Data: "x", Run: func(context.Context, json.RawMessage) ([]string, error) { return nil, nil }}
	server := &http.Server{Handler: functions.Handler([]functions.Binding{b}, calls, slog.New(slog.DiscardHandler))}
	listener := &pipes{conns: make(chan net.Conn, 1)}
	go server.Serve(listener)
	near, far := net.Pipe()
	listener.conns <- far
	defer func() { near.Close(); server.Close() }()
	if err := near.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(near, request)
	resp, err := http.ReadResponse(bufio.NewReader(near), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return resp
}

// TestABodyThatStopsHalfWayIsAnswered on every kind of route, also before anyone has signed in.
func TestABodyThatStopsHalfWayIsAnswered(t *testing.T) {
	for path, want := range map[string]int{"/f": 200, "/": 200, "/other": 404, "/api/refused": 401, "/api/slow": 408} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				resp := exchange(t, "POST "+path+" HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"a\": ")
				if took := time.Since(began); resp.StatusCode != want || took > 15*time.Second {
					t.Errorf("answered %d after %s, want %d", resp.StatusCode, took, want)
				}
			})
		})
	}
}

// TestADeadlineOfTheBodyDoesNotCancelWork that takes longer than a body may.
func TestADeadlineOfTheBodyDoesNotCancelWork(t *testing.T) {
	for name, request := range map[string]string{
		"with a body":    "POST /api/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n{\"a\": ",
		"without a body": "GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if resp := exchange(t, request); resp.StatusCode != http.StatusOK {
					t.Errorf("answered %d", resp.StatusCode)
				}
			})
		})
	}
}
