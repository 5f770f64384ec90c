package access

import (
	"context"
	"testing"

	"k8s.io/client-go/rest"
)

// TestARequestThatLookedBeforeAnotherAskedDoesNotAskAgain holds a second request between its
// look at the cached route and its turn to ask, until the first request has its answer.
func TestARequestThatLookedBeforeAnotherAskedDoesNotAskAgain(t *testing.T) {
	asked := 0
	c := &transport{config: func(context.Context) (*rest.Config, error) {
		asked++
		return &rest.Config{Host: "https://192.0.2.1"}, nil
	}}
	second := func(failed *route) func() (*route, error) {
		if _, _, known := c.known(failed); known {
			t.Fatal("the second request need not ask")
		}
		return func() (*route, error) { return c.join(t.Context(), failed) }
	}

	var failed *route
	for n, what := range []string{"the first route", "another route after the first one failed"} {
		goOn := second(failed)
		learned, err := c.find(t.Context(), failed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := goOn()
		if err != nil || got != learned {
			t.Errorf("%s: the second request does not use what the first one learned, error %v", what, err)
		}
		if asked != n+1 {
			t.Errorf("%s: asked for %d times in all, want %d", what, asked, n+1)
		}
		failed = learned
	}
}
