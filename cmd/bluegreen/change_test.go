package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// later runs a command line beside the test.
func (s *site) later(ctx context.Context, args ...string) <-chan ran {
	done := make(chan ran, 1)
	go func() { done <- s.in(ctx, nil, args...) }()
	return done
}

// A worker that holds the app keeps commands from being decided, and no command is taken for
// accepted that is then refused.
func TestACommandWaitsForItsDecisionWhileTheAppIsBusy(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	free := s.holds()
	refused, accepted := s.later(t.Context(), "switch", "shop", "--to", "blue"), s.later(t.Context(), "pause", "shop")
	select {
	case r := <-refused:
		free()
		t.Fatalf("decided while a worker holds the app: %+v", r)
	case r := <-accepted:
		free()
		t.Fatalf("decided while a worker holds the app: %+v", r)
	case <-time.After(200 * time.Millisecond):
	}
	free()
	s.expects(<-refused, 1, "already live on blue", "is accepted and not decided yet, a worker is busy with the app")
	s.expects(<-accepted, 0, "pause is done: paused")
}

func TestACommandThatIsNotDecidedIsNotKnown(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	free := s.holds()
	s.expects(s.run("pause", "shop", "--timeout", "150ms", "--idempotency-key", "k"), 3, "stopped waiting after 150ms: it is accepted and not decided yet", "--idempotency-key k asks again")
	ctx, interrupt := context.WithCancel(t.Context())
	r := s.later(ctx, "deploy", "shop", "--image", "2.0", "--wait", "--idempotency-key", "d")
	time.AfterFunc(100*time.Millisecond, interrupt)
	s.expects(<-r, 3, "interrupted: its outcome is not known", "--idempotency-key d --wait=completed asks again")
	free()
	s.expects(s.run("pause", "shop", "--idempotency-key", "k"), 0, "pause is done")
}

// A release that is switched and then rolled back is no success for who waits for its end.
func TestWaitingDoesNotPassOnAReleaseThatRollsBack(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	r := s.later(t.Context(), "deploy", "shop", "--image", "2.0", "--wait", "--idempotency-key", "k")
	s.until("baking until", "status", "shop")
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=switched", "--idempotency-key", "k"), 0, "deploy has moved traffic to green; the bake still runs, and may return it")
	select {
	case r := <-r:
		t.Fatalf("done before the bake has ended: %+v", r)
	default:
	}
	s.expects(s.run("rollback", "shop", "--wait"), 0, "traffic is on blue")
	s.expects(<-r, 1, "deploy failed, see the history of shop") // it may know that while traffic still returns
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=switched", "--idempotency-key", "k"), 1, "deploy failed", "on hold after a rollback")
}

func TestWaitingEndsWithTheBake(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	r := s.later(t.Context(), "deploy", "shop", "--image", "2.0", "--wait")
	s.until("baking until", "status", "shop")
	s.expects(s.run("promote", "shop", "--wait"), 0, "shop: promote is done, traffic is on green: ")
	s.expects(<-r, 0, "shop: deploy is done, traffic is on green: release 1: 2.0")
}

func TestWaitingForASupersededReleaseFails(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Never: "pods are starting", Status: release.Progressing})
	r := s.later(t.Context(), "deploy", "shop", "--image", "2.0", "--wait")
	s.until("Deploying 2.0", "status", "shop")
	s.expects(s.run("deploy", "shop", "--image", "3.0"), 0, "goes to green")
	s.expects(<-r, 1, "deploy failed")
}

// The platform ends requests after 230 s, and restarts the app: the command line asks again under
// the same key, and sends no second command.
func TestWaitingGoesOnWhileTheHandlerIsDown(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Never: "pods are starting", Status: release.Progressing})
	for name, down := range map[string]http.HandlerFunc{
		"gone":       func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"too long":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"starting":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"no storage": func(w http.ResponseWriter, r *http.Request) { api.WriteError(w, r, context.DeadlineExceeded) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			r := s.later(ctx, "deploy", "shop", "--image", "2.0", "--wait", "--idempotency-key", "k")
			s.until("Deploying 2.0", "status", "shop")
			time.Sleep(50 * time.Millisecond) // it is accepted
			s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { asked.Add(1); down(w, q) }))
			for deadline := time.Now().Add(20 * time.Second); asked.Load() < 8; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("not asked again")
				}
			}
			s.front.Store(http.HandlerFunc(nil))
			interrupt()
			s.expects(<-r, 3, "cannot ask, trying again: ", "interrupted: its outcome is not known")
		})
	}
	s.cluster.Behave("2.0", fake.Behaviour{Ready: time.Millisecond})
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=switched", "--idempotency-key", "k"), 0, "has moved traffic to green")
	var h api.History
	r := s.run("history", "shop", "--kind", "release-started", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &h); err != nil || len(h.Facts) != 1 {
		t.Errorf("%v %s", err, r.out)
	}
}

func TestAHandlerThatNeverAnsweredIsNotKnown(t *testing.T) {
	s := newSite(t)
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait"), 3, "whether it was accepted is not known, repeating it with --idempotency-key")
	s.expects(s.run("status"), 3, "503")
	s.expects(s.run("history", "shop"), 3, "503")
}

func TestWaitNamesWhatIsWaitedFor(t *testing.T) {
	s := newSite(t)
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=baked"), 2, `invalid argument "baked" for "--wait" flag: use completed or switched`)
	if r := s.run("deploy", "shop", "--image", "2.0", "--wait", "switched"); r.code != 2 || !strings.Contains(r.err, "deploy takes APP: given are 2 of 1; write --wait=switched") {
		t.Errorf("%+v", r)
	}
}

// What a resume lets go is shown before it does.
func TestAResumeIsAnnounced(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.run("pause", "shop", "--why", "audit")
	r := s.run("resume", "shop", "--by", "bob")
	s.expects(r, 0, "resume is done: resumed")
	if !strings.Contains(r.err, "resume shop:\n  1. resumed") || !strings.Contains(r.err, "the pause ends, which lasted") || !strings.Contains(r.err, "audit") {
		t.Errorf("%+v", r)
	}
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.console.ServeHTTP(w, q)
	}))
	s.run("pause", "shop")
	s.expects(s.run("resume", "shop"), 0, "what it lets go cannot be shown: the host answered 401", "resume is done")
}

func TestAPlanSaysWhatAReleaseWouldDo(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.expects(s.run("plan", "shop", "2.0"), 0, "a release of 2.0 to shop:\n  1. release 1: 2.0 (222222222222) goes to green", "green gets 2.0 (222222222222) with 3 pods", "  It will not move traffic before that")
	s.expects(s.run("plan", "shop", "1.0"), 0, "would be refused: 1.0 (111111111111) is already live on blue")
	s.expects(s.run("plan", "shop", "9.9"), 1, "has no 9.9")
	var p api.Plan
	if r := s.run("plan", "shop", "2.0", "-o", "json"); json.Unmarshal([]byte(r.out), &p) != nil || len(p.Will) < 3 {
		t.Errorf("%+v", r)
	}
	if h := s.run("history", "shop", "--kind", "release-started"); !strings.Contains(h.out, "nothing of this is in the history") {
		t.Errorf("a plan has begun a release: %s", h.out)
	}
}
