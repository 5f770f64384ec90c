package access_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// server answers each request as an API server that has one version.
func server(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	return s
}

func nothing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}`)
}

func config(s *httptest.Server) *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

func list(ctx context.Context, c *access.Cluster) error {
	_, err := c.Client().CoreV1().Pods("podinfo").List(ctx, metav1.ListOptions{})
	return c.Explain(err)
}

func TestManyRequestsAskOnceHowToReachTheCluster(t *testing.T) {
	var agent atomic.Value
	s := server(t, func(w http.ResponseWriter, r *http.Request) { agent.Store(r.UserAgent()); nothing(w, r) })
	var asked atomic.Int32
	c := access.New("blue", func(context.Context) (*rest.Config, error) {
		asked.Add(1)
		time.Sleep(20 * time.Millisecond) // so that all the others come meanwhile
		return config(s), nil
	})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := list(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 || agent.Load() != "bluegreen" {
		t.Errorf("asked %d times, the user agent is %q", asked.Load(), agent.Load())
	}
}

func TestANewAddressIsFollowed(t *testing.T) {
	old, moved := server(t, nothing), server(t, nothing)
	var at atomic.Pointer[httptest.Server]
	at.Store(old)
	c := access.New("blue", func(context.Context) (*rest.Config, error) { return config(at.Load()), nil })
	if err := list(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	at.Store(moved)
	old.CloseClientConnections()
	old.Close()
	if err := list(t.Context(), c); err != nil {
		t.Errorf("after the move: %v", err)
	}
}

func TestANewAuthorityIsLearned(t *testing.T) {
	s := server(t, nothing)
	var asked atomic.Int32
	c := access.New("blue", func(context.Context) (*rest.Config, error) {
		route := config(s)
		if asked.Add(1) == 1 {
			route.CAData = nil // trusts the authorities of the machine, which do not include this server
		}
		return route, nil
	})
	if err := list(t.Context(), c); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times, error %v", asked.Load(), err)
	}
}

func TestAClusterThatIsAwayIsNotAskedForWithEachRequest(t *testing.T) {
	s := server(t, nothing)
	route := config(s)
	s.Close()
	var asked atomic.Int32
	c := access.New("blue", func(context.Context) (*rest.Config, error) {
		if asked.Add(1) > 1 {
			return nil, fmt.Errorf("%w: cluster blue is stopped", engine.ErrDenied)
		}
		return route, nil
	})
	for range 5 {
		err := list(t.Context(), c)
		if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "is stopped") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error is %v", err)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestAFailedLookupOfAClusterIsRepeatedNextTime(t *testing.T) {
	s := server(t, nothing)
	var asked atomic.Int32
	c := access.New("blue", func(context.Context) (*rest.Config, error) {
		if asked.Add(1) == 1 {
			return nil, errors.New("the network is cut")
		}
		return config(s), nil
	})
	if err := list(t.Context(), c); err == nil || err.Error() != "the API server of cluster blue does not answer: the network is cut" {
		t.Errorf("error is %v", err)
	}
	if err := list(t.Context(), c); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestCredentialsThatAreNotAcceptedAreReportedAsTheCause(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`)
	})
	c := access.New("blue", func(context.Context) (*rest.Config, error) { return config(s), nil })
	if err := list(t.Context(), c); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "does not accept the identity's token") {
		t.Errorf("error is %v", err)
	}
}

func TestAKubeconfigContextIsReached(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/k8s/blue/api/v1/namespaces/podinfo/pods" || r.Header.Get("Authorization") != "Bearer of-blue" {
			t.Errorf("path %s, authorization %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		nothing(w, r)
	})
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"green",
		"clusters":[{"name":"blue","cluster":{"server":"%s/k8s/blue","insecure-skip-tls-verify":true}},{"name":"green","cluster":{"server":"https://192.0.2.1"}}],
		"users":[{"name":"u","user":{"token":"of-blue"}}],
		"contexts":[{"name":"blue","context":{"cluster":"blue","user":"u"}},{"name":"green","context":{"cluster":"green","user":"u"}}]}`, s.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := list(t.Context(), access.New("blue", access.Kubeconfig(file, "blue"))); err != nil {
		t.Error(err)
	}
	err := list(t.Context(), access.New("red", access.Kubeconfig(file, "red")))
	if err == nil || !strings.Contains(err.Error(), `read context "red" of the kubeconfig`) {
		t.Errorf("error of an unknown context: %v", err)
	}
}

func TestARequestEndsAndAWatchGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a request may")
	}
	silent := make(chan struct{})
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			<-silent
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		time.Sleep(12 * time.Second) // longer than a request may take
		fmt.Fprint(w, `{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"late"}}}`+"\n")
	})
	defer close(silent)
	c := access.New("blue", func(context.Context) (*rest.Config, error) { return config(s), nil })
	events, err := c.Client().CoreV1().Pods("podinfo").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	began := time.Now()
	err = list(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "no answer within 10s") || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	select {
	case e, open := <-events.ResultChan():
		if !open || e.Type != "ADDED" {
			t.Errorf("the watch gave %v, open %v", e, open)
		}
	case <-time.After(30 * time.Second):
		t.Error("the watch gave nothing")
	}
}
