package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"k8s.io/client-go/rest"
)

func TestTheServiceKeepsTheContractOfAGateway(t *testing.T) {
	contract.Gateway(t, func(t *testing.T) contract.Traffic {
		w := newWorld(t, map[string]string{"color": "blue", "generation": "old"})
		for color, labels := range map[release.Color]map[string]string{
			release.Blue: {"color": "blue", "generation": "old"}, release.Green: {"color": "green"},
		} {
			w.cluster.Deploy(t, testbed.DeploymentSpec{Namespace: w.namespace, Name: string(color), Image: w.image(color), Replicas: 1, Labels: labels})
		}
		for _, c := range []release.Color{release.Blue, release.Green} {
			w.cluster.WaitAvailable(t, w.namespace, string(c), 1)
		}
		wire := &wire{world: w, next: map[contract.Trouble]int{}}
		o := w.options()
		o.Cluster = access.New("testbed", wire.config)
		return contract.Traffic{
			Gateway:   service.New(o),
			Again:     func() engine.Gateway { return service.New(o) },
			Effective: w.answering(),
			Settle:    func() {},
			Rival:     w.rival,
			Trouble:   wire.set,
			Sicken:    func(c release.Color) { w.cluster.Behave(w.image(c), testbed.NeverReady()) },
			Fences:    true,
		}
	})
}

func (w *world) image(c release.Color) string {
	return fmt.Sprintf("shop.example/%s/%s:1", w.namespace, c)
}

// rival writes as a person with kubectl does.
func (w *world) rival(to release.Color) {
	w.t.Helper()
	w.patch(map[release.Color]string{
		release.Blue:  `{"spec":{"selector":{"color":"blue","generation":"old"}}}`,
		release.Green: `{"spec":{"selector":{"color":"green","generation":null}}}`,
		"":            `{"spec":{"selector":{"color":"red","generation":null}}}`,
	}[to])
}

// answering asks who answers through an ingress to the Service.
func (w *world) answering() func() release.Color {
	w.t.Helper()
	in, err := w.cluster.Ingress(w.t.Context(), w.namespace, "podinfo", testbed.IngressOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(in.Close)
	return func() release.Color {
		resp, err := http.Get(in.URL())
		if err != nil {
			return ""
		}
		resp.Body.Close()
		return release.Color(resp.Header.Get("X-Color"))
	}
}

// wire is the way to the API server, on which writes meet trouble.
type wire struct {
	*world
	over http.RoundTripper
	mu   sync.Mutex
	next map[contract.Trouble]int // how many writes it still comes over
}

func (w *wire) config(context.Context) (*rest.Config, error) {
	config := w.cluster.AdminConfig()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { w.over = next; return w })
	return config, nil
}

func (w *wire) set(trouble contract.Trouble) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next[trouble] = 1
	if trouble == contract.Occupied {
		w.next[trouble] = 5 // somebody writes between each read and its write
	}
	return trouble != contract.FailsLater
}

func (w *wire) comes(trouble contract.Trouble) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next[trouble]--
	return w.next[trouble] >= 0
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch {
		return w.over.RoundTrip(r)
	}
	switch {
	case w.comes(contract.Unsent):
		return nil, errors.New("connection reset")
	case w.comes(contract.Unheard):
		resp, err := w.over.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return nil, errors.Join(errors.New("connection reset"), err)
	case w.comes(contract.Occupied):
		w.patch(fmt.Sprintf(`{"metadata":{"annotations":{"note":"%p"}}}`, r))
	case w.comes(contract.Forbidden):
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+w.cluster.Token(testbed.DefaultUser))
	}
	return w.over.RoundTrip(r)
}
