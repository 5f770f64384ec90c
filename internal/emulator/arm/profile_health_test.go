package arm_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
)

func (b *backend) answers(status int) {
	b.set(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status); fmt.Fprint(w, status) })
}

func (w *tmEnv) becomes(name, status string) {
	w.t.Helper()
	eventually(w.t, name+" is "+status, func() bool { return w.status(name) == status })
}

func (w *tmEnv) profileIs(want string) {
	w.t.Helper()
	if got := properties(w.p.Document())["monitorConfig"].(map[string]any)["profileMonitorStatus"]; got != want {
		w.t.Errorf("the profile is %v, want %s", got, want)
	}
}

func TestTheHealthOfEndpointsIsThatOfProbes(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.becomes("blue", "Online")
	w.becomes("green", "Disabled")
	w.profileIs("Online")
	w.blue.answers(http.StatusServiceUnavailable)
	w.becomes("blue", "Degraded")
	w.profileIs("Degraded")
	w.blue.answers(http.StatusNoContent)
	w.becomes("blue", "Online")
}

func TestAProbeFollowsTheMonitorSettings(t *testing.T) {
	var seen atomic.Value
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{ProbePath: "/ready?deep=1", ProbeHost: "pod.example.com"})
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {
		seen.Store(r.Host + " " + r.URL.RequestURI() + " " + r.Header.Get("X-Probe"))
		rw.WriteHeader(http.StatusTeapot)
	})
	w.becomes("blue", "Degraded")
	if got := seen.Load(); got != "pod.example.com /ready?deep=1 " {
		t.Errorf("it asked %q", got)
	}
	w.rival(func(doc map[string]any) {
		monitor := properties(doc)["monitorConfig"].(map[string]any)
		monitor["expectedStatusCodeRanges"] = []any{map[string]any{"min": 418, "max": 418}}
		endpointOf(doc, "blue")["customHeaders"] = []any{map[string]any{"name": "Host", "value": "blue.example.com"}, map[string]any{"name": "X-Probe", "value": "7"}}
	})
	w.p.Release() // before, the monitor of old is asked for, too
	w.becomes("blue", "Online")
	eventually(t, "the probe has the configured host, path and header", func() bool { return seen.Load() == "blue.example.com /ready?deep=1 7" })
}

func TestAnEndpointWithoutAnExpectedCodeNeeds200(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.blue.answers(http.StatusNoContent)
	w.rival(func(doc map[string]any) {
		delete(properties(doc)["monitorConfig"].(map[string]any), "expectedStatusCodeRanges")
	})
	w.becomes("blue", "Degraded")
}

func TestFailuresAreToleratedInTheirNumber(t *testing.T) {
	var probes atomic.Int32
	release := make(chan struct{}, 100)
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{Tolerated: 2})
	w.becomes("blue", "Online")
	w.blue.set(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		probes.Add(1)
		rw.WriteHeader(http.StatusBadGateway)
	})
	for n := int32(1); n <= 2; n++ {
		release <- struct{}{}
		eventually(t, "a probe", func() bool { return probes.Load() == n })
	}
	if got := w.status("blue"); got != "Online" {
		t.Errorf("after two failures it is %s", got)
	}
	close(release)
	w.becomes("blue", "Degraded")
}

func TestAnUncheckedEndpointIsAnswered(t *testing.T) {
	hold := make(chan struct{})
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.grn.set(func(rw http.ResponseWriter, r *http.Request) { <-hold; io.WriteString(rw, "green") })
	w.rival(enable("green"))
	w.p.Release()
	w.becomes("green", "CheckingEndpoint")
	w.profileIs("CheckingEndpoints")
	w.leads("127.11.0.2")
	close(hold)
	w.becomes("green", "Online")
}

func TestUsersGoToTheNextHealthyEndpointAndBack(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{Endpoints: []arm.Endpoint{
		{Name: "spare", Target: greenName, Priority: 7}, {Name: "blue", Target: blueName, Priority: 3},
	}})
	w.becomes("blue", "Online")
	w.becomes("spare", "Online")
	w.leads("127.11.0.1")
	w.blue.answers(http.StatusInternalServerError)
	w.becomes("blue", "Degraded")
	w.leads("127.11.0.2")
	w.blue.answers(http.StatusOK)
	w.becomes("blue", "Online")
	w.leads("127.11.0.1")
	answers := w.p.Answers()
	if answers["blue"] != 2 || answers["spare"] != 1 {
		t.Errorf("the answers led to %v", answers)
	}
}

func TestWhereNoEndpointIsHealthyAllAreAnswered(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.rival(enable("blue", "green"))
	w.p.Release()
	w.blue.answers(http.StatusInternalServerError)
	w.grn.answers(http.StatusInternalServerError)
	w.becomes("blue", "Degraded")
	w.becomes("green", "Degraded")
	w.leads("127.11.0.1", "127.11.0.2")
}

func TestADisabledEndpointIsNeitherAnsweredNorProbed(t *testing.T) {
	var probed atomic.Int32
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.grn.set(func(http.ResponseWriter, *http.Request) { probed.Add(1) })
	w.rival(enable())
	w.p.Release()
	w.leads()
	w.profileIs("Inactive")
	if n := w.p.Answers()[""]; n != 1 {
		t.Errorf("%d answers led nowhere, want 1", n)
	}
	w.rival(enable("blue"))
	w.rival(func(doc map[string]any) { properties(doc)["profileStatus"] = "Disabled" })
	w.p.Release()
	w.leads()
	w.becomes("blue", "Inactive")
	w.profileIs("Disabled")
	if probed.Load() != 0 {
		t.Error("a disabled endpoint was probed")
	}
}

func TestAnEndpointThatAlwaysServesIsNotProbed(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.blue.answers(http.StatusInternalServerError)
	w.becomes("blue", "Degraded")
	w.rival(func(doc map[string]any) { endpointOf(doc, "blue")["alwaysServe"] = "Enabled" })
	w.p.Release()
	w.becomes("blue", "Unmonitored")
	w.profileIs("Online")
	if got := w.p.Serving(); !slices.Equal(got, []string{"blue"}) {
		t.Errorf("served by %v", got)
	}
}

func TestAMonitorCanAskForAConnectionOnly(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{Protocol: "TCP"})
	w.blue.answers(http.StatusInternalServerError)
	w.becomes("blue", "Online")
	w.blue.server.Close()
	w.becomes("blue", "Degraded")
}

func TestHealthCountsWhileWritesAreHeldBack(t *testing.T) {
	w := newProfileEnv(t, arm.Options{Propagation: time.Millisecond}, arm.ProfileFixture{})
	w.rival(enable("blue", "green"))
	w.p.Release()
	w.p.Hold()
	w.rival(enable("green"))
	w.leads("127.11.0.1") // the name servers still know blue
	w.blue.answers(http.StatusInternalServerError)
	eventually(t, "DNS leads away from a sick endpoint", func() bool { return slices.Equal(w.lookup(), []string{"127.11.0.2"}) })
}
