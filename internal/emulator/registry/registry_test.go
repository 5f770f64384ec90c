package registry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/emulator/registry"
)

type events struct {
	mu  sync.Mutex
	all [][]byte
}

func (e *events) add(event []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) list() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

func start(t *testing.T, o registry.Options) (*registry.Registry, *events) {
	t.Helper()
	e := &events{}
	o.Raise = e.add
	r, err := registry.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, e
}

func TestAPushRaisesTheEventThatTheProductReads(t *testing.T) {
	for _, schema := range []registry.Schema{registry.EventGrid, registry.CloudEvents} {
		r, events := start(t, registry.Options{Schema: schema})
		digest, err := r.Push(t.Context(), "team/shop", "1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		all := events.list()
		if len(all) != 1 {
			t.Fatalf("%s: %d events of one push", schema, len(all))
		}
		p, err := push.Decode(all[0])
		if err != nil || p.Registry != r.Host() || p.Repository != "team/shop" || p.Image.Digest != digest || p.Image.Tag != "1.2.3" || time.Since(p.Image.PushedAt) > time.Minute {
			t.Errorf("%s: read %+v, error %v", schema, p, err)
		}
	}
}

// TestOneReleaseRaisesSeveralEventsOfWhichOneCounts pushes a multi-arch image with its artifacts.
func TestOneReleaseRaisesSeveralEventsOfWhichOneCounts(t *testing.T) {
	r, events := start(t, registry.Options{})
	digest, err := r.PushIndex(t.Context(), "shop", "2.0.0", 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PushSignature(t.Context(), "shop", digest); err != nil {
		t.Fatal(err)
	}
	var admitted []string
	for _, event := range events.list() {
		if p, err := push.Decode(event); err == nil {
			admitted = append(admitted, p.Image.Tag+" "+p.Image.Digest)
		}
	}
	if len(events.list()) != 5 || !slices.Equal(admitted, []string{"2.0.0 " + digest}) {
		t.Errorf("%d events, admitted %v", len(events.list()), admitted)
	}
}

func TestAFurtherTagIsAFurtherEventOfTheSameDigest(t *testing.T) {
	r, events := start(t, registry.Options{})
	digest, err := r.PushOCI(t.Context(), "shop", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Retag(t.Context(), "shop", "1.0.0", "latest"); err != nil {
		t.Fatal(err)
	}
	all := events.list()
	p, err := push.Decode(all[len(all)-1])
	if err != nil || len(all) != 2 || p.Image.Digest != digest || p.Image.Tag != "latest" {
		t.Errorf("%d events, the last is %+v, error %v", len(all), p, err)
	}
}

// receiver answers deliveries with the given statuses, then with 202.
func receiver(t *testing.T, statuses ...int) (string, *events) {
	got := &events{}
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.add(fmt.Appendf(nil, "%s %s %s", r.Header.Get("aeg-event-type"), r.Header.Get("aeg-delivery-count"), body))
		mu.Lock()
		defer mu.Unlock()
		status := http.StatusAccepted
		if len(statuses) > 0 {
			status, statuses = statuses[0], statuses[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/runtime/webhooks/eventgrid?functionName=image-pushed&code=k", got
}

func TestAFailedDeliveryIsTriedAgain(t *testing.T) {
	url, got := receiver(t, 500, 503, 404)
	s := registry.NewSender(registry.SenderOptions{URL: url, Scale: 100_000})
	s.Send([]byte(`{"id":"1"}`))
	s.Wait()
	want := []string{`Notification 0 [{"id":"1"}]`, `Notification 1 [{"id":"1"}]`, `Notification 2 [{"id":"1"}]`, `Notification 3 [{"id":"1"}]`}
	if strs := texts(got); !slices.Equal(strs, want) || s.Delivered() != 1 {
		t.Errorf("deliveries %q", strs)
	}
}

func texts(e *events) []string {
	var list []string
	for _, b := range e.list() {
		list = append(list, string(b))
	}
	return list
}

func TestUndeliverableEventsAreDeadLettered(t *testing.T) {
	always := slices.Repeat([]int{500}, 40)
	tests := []struct {
		name, reason string
		statuses     []int
		attempts     int
	}{
		{"bad request", "Undeliverable", []int{400}, 1},
		{"too large", "Undeliverable", []int{500, 413}, 2},
		{"a day", "TimeToLiveExceeded", always, 11},
		{"three attempts", "MaxDeliveryAttemptsExceeded", always, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url, _ := receiver(t, test.statuses...)
			o := registry.SenderOptions{URL: url, Scale: 1e6}
			if test.reason == "MaxDeliveryAttemptsExceeded" {
				o.MaxAttempts = 3
			}
			s := registry.NewSender(o)
			s.Send([]byte(`{"id":"1"}`))
			s.Wait()
			dead := s.DeadLetters()
			if len(dead) != 1 || dead[0].Reason != test.reason || dead[0].Attempts != test.attempts || string(dead[0].Event) != `{"id":"1"}` {
				t.Errorf("dead letters %+v", dead)
			}
		})
	}
}

func TestEventsCanComeTwiceAndOutOfOrder(t *testing.T) {
	url, got := receiver(t)
	s := registry.NewSender(registry.SenderOptions{URL: url, Copies: 2, Shuffle: 100 * time.Millisecond, Seed: 7})
	for i := range 20 {
		s.Send(fmt.Appendf(nil, `{"specversion":"1.0","id":"%d"}`, i))
	}
	s.Wait()
	var ids []string
	for _, text := range texts(got) {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(text[strings.Index(text, "{"):]), &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		ids = append(ids, e.ID)
	}
	sorted := slices.IsSortedFunc(ids, func(a, b string) int { return len(a)*100 - len(b)*100 + strings.Compare(a, b) })
	if len(ids) != 40 || sorted {
		t.Errorf("delivered %d, in order %v", len(ids), sorted)
	}
}

func TestCloseGivesUpWaitingEvents(t *testing.T) {
	url, _ := receiver(t, slices.Repeat([]int{500}, 40)...)
	s := registry.NewSender(registry.SenderOptions{URL: url})
	s.Send([]byte(`{}`))
	s.Close() // the next attempt would be in 10 s
	if len(s.DeadLetters()) != 0 {
		t.Error("what was given up at the end was dead-lettered")
	}
}
