package access_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/kube/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// wall lets bytes through to a server until it is raised; connections made later are let through.
type wall struct {
	net.Listener
	to string

	mu      sync.Mutex
	dropped []*atomic.Bool
}

func raise(t *testing.T, to string) *wall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wall{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			dropped := &atomic.Bool{}
			w.mu.Lock()
			w.dropped = append(w.dropped, dropped)
			w.mu.Unlock()
			t.Cleanup(func() { in.Close(); out.Close() })
			go pass(out, in, dropped)
			go pass(in, out, dropped)
		}
	}()
	return w
}

// pass copies what comes, and swallows it once it is dropped.
func pass(to, from net.Conn, dropped *atomic.Bool) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if dropped.Load() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// drop makes all connections dead: what is sent is lost, and no end of a connection is reported.
func (w *wall) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.dropped {
		d.Store(true)
	}
}

// TestADeadConnectionIsGivenUpSoon: the addresses of a cluster may be moved, and a firewall
// may lose what it knows of a connection, without a word to either side.
func TestADeadConnectionIsGivenUpSoon(t *testing.T) {
	t.Parallel()
	watching := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s over %s", r.URL, r.Proto)
		}
		if r.URL.Query().Get("watch") != "" {
			w.Header().Set("Content-Type", "application/json")
			w.(http.Flusher).Flush()
			close(watching)
			<-r.Context().Done()
			return
		}
		nothing(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	w := raise(t, s.Listener.Addr().String())
	c := access.New("blue", func(context.Context) (*rest.Config, error) {
		route := config(s)
		route.Host = "https://" + w.Addr().String()
		return route, nil
	})
	if err := list(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	watch, err := c.Client().CoreV1().Pods("podinfo").Watch(t.Context(), metav1.ListOptions{Watch: true})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	<-watching
	w.drop()
	const bound = 14 * time.Second // a try, and the ping of a connection, on a busy machine
	began := time.Now()
	for err = list(t.Context(), c); err != nil && time.Since(began) < time.Minute; err = list(t.Context(), c) {
		t.Logf("after %s: %v", time.Since(began).Round(time.Second), err)
	}
	if took := time.Since(began); took > bound {
		t.Errorf("the cluster is reached again after %s", took.Round(time.Second))
	}
	select {
	case <-watch.ResultChan():
	case <-time.After(bound):
		t.Errorf("the watch goes on over a dead connection for more than %s", time.Since(began).Round(time.Second))
	}
}
