package appgateway_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

// requests counts what Azure Resource Manager was asked by a method.
func (w *env) requests(method string) (n int) {
	for _, r := range w.arm.Requests() {
		if r.Method == method {
			n++
		}
	}
	return n
}

func TestTheAppsOfAGatewayReadItOnceInARound(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	var apps []*appgateway.Gateway
	for n := range 50 {
		if n == 25 { // as another line of the configuration may have it
			w.options.ID = strings.ToUpper(w.options.ID[:30]) + w.options.ID[30:]
		}
		apps = append(apps, w.open())
	}
	for n := range 2 {
		ctx, before := round.With(t.Context()), w.requests(http.MethodGet)
		var all sync.WaitGroup
		for _, g := range apps {
			all.Go(func() {
				if r, err := g.Live(ctx); err != nil || r.Live != release.Blue {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		all.Wait()
		if reads := w.requests(http.MethodGet) - before; reads != 1 {
			t.Errorf("%d apps read their gateway %d times in round %d", len(apps), reads, n)
		}
	}
}

// A round that looks must not keep a write from its own conditions, whoever calls it there.
func TestASwitchReadsTheGatewayItselfInARoundToo(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	ctx := round.With(t.Context())
	if _, err := w.Live(ctx); err != nil {
		t.Fatal(err)
	}
	w.rival("")
	before := w.requests(http.MethodGet)
	if _, err := w.Switch(ctx, release.Green, 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("the gateway points elsewhere since, and a switch begins: %v", err)
	}
	if _, err := w.Health(ctx, release.Blue); err != nil {
		t.Error(err)
	}
	if _, err := w.Preflight(ctx); err != nil {
		t.Error(err)
	}
	if reads := w.requests(http.MethodGet) - before; reads < 3 {
		t.Errorf("a switch, a check and a preflight read the gateway %d times", reads)
	}
}
