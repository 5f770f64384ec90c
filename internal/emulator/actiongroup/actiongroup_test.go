package actiongroup_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"bluegreen/internal/emulator/actiongroup"
)

// receiver answers with the statuses given, then with the last of them for ever.
func receiver(t *testing.T, statuses ...int) (string, *atomic.Int32) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		n := int(calls.Add(1))
		w.WriteHeader(statuses[min(n, len(statuses))-1])
	}))
	t.Cleanup(s.Close)
	return s.URL, &calls
}

func TestOnlyTransientFailuresAreRetried(t *testing.T) {
	tests := []struct {
		name      string
		statuses  []int
		attempts  int
		delivered bool
	}{
		{"taken", []int{202}, 1, true},
		{"taken at the third attempt", []int{503, 429, 200}, 3, true},
		{"internal error", []int{500}, 1, false},
		{"bad gateway", []int{502}, 1, false},
		{"bad request", []int{400}, 1, false},
		{"unavailable", []int{503}, 6, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url, calls := receiver(t, test.statuses...)
			g := actiongroup.New(actiongroup.Options{URL: url, Scale: 5000})
			o, err := g.Send(t.Context(), actiongroup.Alert{Rule: "r"}.Metric("pool-green", 57, 20))
			if err != nil || o.Attempts != test.attempts || int(calls.Load()) != test.attempts || o.Delivered() != test.delivered {
				t.Errorf("%+v after %d calls, error %v", o, calls.Load(), err)
			}
		})
	}
}

func TestAFailedReceiverIsNotCalledForAWhile(t *testing.T) {
	url, calls := receiver(t, 503)
	g := actiongroup.New(actiongroup.Options{URL: url, Scale: 5000})
	if _, err := g.Send(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	o, err := g.Send(t.Context(), []byte(`{}`))
	if err != nil || o.Attempts != 0 || calls.Load() != 6 {
		t.Errorf("%+v after %d calls, error %v", o, calls.Load(), err)
	}
}

func TestAReceiverThatCannotBeReachedIsTriedAgain(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	o, err := actiongroup.New(actiongroup.Options{URL: s.URL, Scale: 5000}).Send(t.Context(), []byte(`{}`))
	if err != nil || o.Attempts != 6 || o.Status != 0 {
		t.Errorf("%+v, error %v", o, err)
	}
}
