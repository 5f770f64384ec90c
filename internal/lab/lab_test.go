package lab_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/lab"
	"bluegreen/internal/release"
)

func TestEveryStepOfTheDemoIsSeenInTheDataPlane(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for _, gateway := range lab.Gateways {
		t.Run(gateway, func(t *testing.T) { playsTheDemo(t, gateway) })
	}
}

func playsTheDemo(t *testing.T, gateway string) {
	s, err := lab.Start(t.Context(), lab.Options{Root: "../..", Bake: 4 * time.Second, Retire: 4 * time.Second, Users: 100, Gateway: gateway})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var watched strings.Builder
	watching, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Watch(watching, &watched); close(done) }()
	var shown strings.Builder
	err = s.Demo(t.Context(), &shown)
	stop()
	<-done
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, shown.String(), watched.String())
	}
	for _, line := range []string{"release 1 is completed", "2.1.0", "automation is on hold", "release 4 is baking", "is put on the standby blue", "traffic is on the standby blue"} {
		if !strings.Contains(watched.String(), line) {
			t.Errorf("%q was not printed:\n%s", line, watched.String())
		}
	}
}

func TestTheLabSaysWhatIsWrongWithAPush(t *testing.T) {
	s, err := lab.Start(t.Context(), lab.Options{Root: "../.."})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for tag, flaw := range map[string]string{"latest": "", "2.0.0": "rotten"} {
		if err := s.Push(t.Context(), tag, flaw); err == nil || !strings.Contains(err.Error(), "not") {
			t.Errorf("%s %s: %v", tag, flaw, err)
		}
	}
	if _, err := lab.Start(t.Context(), lab.Options{Root: "../..", Gateway: "frontdoor"}); err == nil || !strings.Contains(err.Error(), "appgateway or trafficmanager") {
		t.Errorf("a gateway that there is not: %v", err)
	}
	if _, err := lab.Start(t.Context(), lab.Options{Root: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "make run") {
		t.Errorf("in another folder: %v", err)
	}
}

// TestAFailingVerifyCheckKeepsAReleaseFromGoingLive: the lab's app makes the checks of its
// configuration, as a deployed one does.
func TestAFailingVerifyCheckKeepsAReleaseFromGoingLive(t *testing.T) {
	s, err := lab.Start(t.Context(), lab.Options{Root: "../.."})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Push(t.Context(), "2.0.0", "smoke"); err != nil {
		t.Fatal(err)
	}
	ended := func() bool {
		a, err := s.Client().App(t.Context(), lab.App)
		if err != nil || a.Release == nil || a.Release.Phase.Active() {
			return false
		}
		if a.Release.Phase != release.Failed || !strings.Contains(a.Release.Cause, "checks did not pass") {
			t.Errorf("release 1 is %s: %s", a.Release.Phase, a.Release.Cause)
		}
		return true
	}
	for deadline := time.Now().Add(time.Minute); !ended(); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(s.Address())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("X-Color"); got != "blue" || time.Now().After(deadline) {
			t.Fatalf("users are answered by %s, and the release goes on", got)
		}
	}
}
