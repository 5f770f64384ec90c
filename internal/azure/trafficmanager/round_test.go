package trafficmanager_test

import (
	"net/http"
	"sync"
	"testing"

	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/release"
	"bluegreen/internal/round"
)

func (w *env) reads() (n int) {
	for _, r := range w.arm.Requests() {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

func TestTheLooksOfARoundReadAProfileOnceAndASwitchReadsItItself(t *testing.T) {
	w := newEnv(t, 1)
	apps := []*trafficmanager.Gateway{w.open(), w.open(), w.open()}
	ctx, before := round.With(t.Context()), w.reads()
	var all sync.WaitGroup
	for _, g := range apps {
		all.Go(func() {
			if r, err := g.Live(ctx); err != nil || r.Live != release.Blue {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if n := w.reads() - before; n != 1 {
		t.Errorf("%d looks read the profile %d times in one round", len(apps), n)
	}
	before = w.reads()
	op, err := w.Switch(ctx, release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Poll(ctx, op.Token); err != nil {
		t.Error(err)
	}
	if n := w.reads() - before; n != 2 {
		t.Errorf("a switch and a poll read the profile %d times", n)
	}
}
