package intake_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// many is a file with n apps that watch the rule agw-5xx, app-00 and so on.
func many(n int) string {
	var b strings.Builder
	b.WriteString("apps:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: app-%02[1]d
    image: {registry: shopacr.azurecr.io, repository: team/app-%02[1]d, tags: "glob:*"}
    colors:
      blue:  {cluster: "context:a", namespace: app-%02[1]d, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: app-%02[1]d, deployment: green, selector: {color: green}}
    gateway: {service: app}
    alerts: [{rule: "agw-*"}]
`, i)
	}
	return b.String()
}

// stopped is a store that does not answer for the apps that are named, until release.
type stopped struct {
	engine.Store
	healthy string
	deaf    bool // to the end of its context
	release chan struct{}
}

func (s stopped) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	if app == s.healthy && ctx.Err() == nil {
		return s.Store.Accept(ctx, app, e)
	}
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-s.release:
		return false, context.DeadlineExceeded
	}
}

// TestNoAppsStorageKeepsTheAlertOfAnotherWaiting: forty apps watch a rule, or more than are stored at
// the same time, and the storage answers for the last one only.
func TestNoAppsStorageKeepsTheAlertOfAnotherWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		apps int
		deaf bool
	}{
		"hangs":                                    {40, false},
		"hangs and hears no deadline":              {40, true},
		"hangs for many":                           {200, false},
		"hangs for many and hears no deadline":     {200, true},
		"hangs for too many and hears no deadline": {1000, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, app := make(chan struct{}), fmt.Sprintf("app-%02d", c.apps-1)
				w := newEnv(t, changes{file: many(c.apps), store: func(s engine.Store) engine.Store { return stopped{s, app, c.deaf, release} }})
				began := time.Now()
				rec, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
				if took := time.Since(began); took >= 5*time.Second || rec.Code != http.StatusServiceUnavailable {
					t.Errorf("%d after %s", rec.Code, took)
				}
				last := a.Apps[len(a.Apps)-1]
				if reached := c.apps <= 200; reached && (last.Result != "accepted" || len(w.inbox(app))+w.state(app).Facts == 0) {
					t.Errorf("%+v", last)
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}

// counting is a store that takes a while, and counts how many of its calls go on at the same time.
type counting struct {
	engine.Store
	accepts, loads *atMost
}

type atMost struct{ now, most atomic.Int32 }

func (c *atMost) during() (leave func()) {
	n := c.now.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	time.Sleep(10 * time.Millisecond)
	return func() { c.now.Add(-1) }
}

func (c counting) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	defer c.accepts.during()()
	return c.Store.Accept(ctx, app, e)
}

func (c counting) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	defer c.loads.during()()
	return c.Store.Load(ctx, app)
}

// TestAnAlertOfManyAppsHasABound: of requests and workers at the same time, and of what is logged.
func TestAnAlertOfManyAppsHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepts, loads := &atMost{}, &atMost{}
		w := newEnv(t, changes{file: many(1000), store: func(s engine.Store) engine.Store { return counting{s, accepts, loads} }})
		rec, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
		if rec.Code != http.StatusAccepted || len(a.Apps) != 1000 || slices.ContainsFunc(a.Apps, func(a api.AlertOfApp) bool { return a.Result != "accepted" }) {
			t.Errorf("%d, %d apps", rec.Code, len(a.Apps))
		}
		if accepts.most.Load() > 64 || loads.most.Load() > 16 {
			t.Errorf("%d entries are written and %d records read at the same time", accepts.most.Load(), loads.most.Load())
		}
		line := w.log.String()
		if len(line) > 10_000 || !strings.Contains(line, "apps=1000") || !strings.Contains(line, "app.app-00=") {
			t.Errorf("%d bytes are logged: %.300s", len(line), line)
		}
		synctest.Wait()
	})
}

// TestALaterDeliveryReachesOtherApps: the storage takes an alert for a part of the apps in time.
func TestALaterDeliveryReachesOtherApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newEnv(t, changes{file: many(1000), store: func(s engine.Store) engine.Store { return unhurried{s} }})
		accepted := map[string]bool{}
		for range 4 {
			_, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
			for _, a := range a.Apps {
				if a.Result == "accepted" {
					accepted[a.App] = true
				}
			}
			w.mu.Lock()
			w.clock = w.clock.Add(500 * time.Millisecond)
			w.mu.Unlock()
			synctest.Wait()
		}
		if len(accepted) != 1000 {
			t.Errorf("%d of 1000 apps have the alert after 4 deliveries", len(accepted))
		}
	})
}

// unhurried is a store that takes a while for each entry, known or not.
type unhurried struct{ engine.Store }

func (s unhurried) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	time.Sleep(350 * time.Millisecond)
	return s.Store.Accept(ctx, app, e)
}

// TestTheFailuresOfManyAppsAreLoggedShortly names apps that could not keep the alert first.
func TestTheFailuresOfManyAppsAreLoggedShortly(t *testing.T) {
	w := newEnv(t, changes{file: many(1000), store: func(s engine.Store) engine.Store { return refusing{s, "app-999"} }})
	rec, _ := w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
	if line := w.log.String(); rec.Code != http.StatusServiceUnavailable || !strings.Contains(line, `app.app-999="not kept`) || strings.Contains(line, "app.app-500=") {
		t.Errorf("%d %.300s", rec.Code, line)
	}
	w = newEnv(t, changes{file: many(1000), store: func(s engine.Store) engine.Store { return refusing{s, "app-"} }})
	rec, _ = w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
	if line := w.log.String(); rec.Code != http.StatusServiceUnavailable || len(line) > 20_000 || !strings.Contains(line, "and 980 more") {
		t.Errorf("%d, %d bytes are logged: %.300s", rec.Code, len(line), line)
	}
}

// refusing is a store that accepts nothing for the apps whose names begin so.
type refusing struct {
	engine.Store
	apps string
}

func (s refusing) Accept(ctx context.Context, app string, e engine.Entry) (bool, error) {
	if strings.HasPrefix(app, s.apps) {
		return false, errors.New("the server is busy")
	}
	return s.Store.Accept(ctx, app, e)
}

// TestAPanicIsUnavailable: an action group repeats 503 and no other failure, and a panic on
// a goroutine would end the process.
func TestAPanicIsUnavailable(t *testing.T) {
	w := newEnv(t, changes{hook: func(call string, after bool) error {
		if call == "accept" {
			panic("index out of range")
		}
		return nil
	}})
	rec, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}.Activity())
	if rec.Code != http.StatusServiceUnavailable || len(a.Apps) != 2 || a.Apps[0].Result != "not kept: the storage does not answer as it should" {
		t.Errorf("%d %+v", rec.Code, a)
	}
	if !strings.Contains(w.log.String(), "index out of range") || !strings.Contains(w.log.String(), "bound_test.go") {
		t.Errorf("its place is not in the log:\n%s", w.log)
	}
	if _, err := w.intake.ImagePushed(t.Context(), push("team/shop", "1.2.3", w.now())); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("a push: %v", err)
	}
}

// TestAStepThatPanicsLeavesTheAlertKept: the first steps after it are not the alert's.
func TestAStepThatPanicsLeavesTheAlertKept(t *testing.T) {
	w := newEnv(t, changes{gateway: func(g engine.Gateway) engine.Gateway { return panics{g} }})
	rec := httptest.NewRecorder()
	w.intake.Alerts().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/alerts", strings.NewReader(string(actiongroup.Alert{ID: id("1"), Rule: "shop-5xx"}.Metric("shop-green", 1, 0)))))
	if rec.Code != http.StatusAccepted || len(w.inbox("shop")) != 1 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if err := w.intakeTick(); err != nil {
		t.Errorf("the tick: %v", err)
	}
}

func (w *env) intakeTick() error {
	_, err := w.intake.ClockTick(w.t.Context(), nil)
	return err
}

// panics is a gateway of an adapter with a mistake.
type panics struct{ engine.Gateway }

func (panics) Live(context.Context) (engine.Reading, error) { panic("nil map") }

// asked counts the questions to a registry.
type asked struct {
	engine.Registry
	times *atomic.Int32
}

func (a asked) Resolve(ctx context.Context, ref string) (release.Image, error) {
	a.times.Add(1)
	return a.Registry.Resolve(ctx, ref)
}

// TestAPushForManyAppsAsksTheRegistryOnce: registries limit the requests of a minute.
func TestAPushForManyAppsAsksTheRegistryOnce(t *testing.T) {
	var times atomic.Int32
	images := fake.NewRegistry(time.Now)
	w := newEnv(t, changes{file: sharing(many(300)), registry: asked{images, &times}})
	images.Push(release.Image{Tag: "1.2.3", Digest: digest, PushedAt: w.now()})
	lines, err := w.intake.ImagePushed(t.Context(), push("team/app", "1.2.3", w.now()))
	if err != nil || times.Load() != 1 {
		t.Errorf("the registry is asked %d times: %v %v", times.Load(), lines, err)
	}
	if len(lines) > 21 || len(w.log.String()) > 10_000 || !strings.Contains(lines[len(lines)-1], "and 280 more apps") {
		t.Errorf("%d lines, %d bytes are logged", len(lines), len(w.log.String()))
	}
	for _, app := range []string{"app-00", "app-299"} {
		if len(w.inbox(app)) != 1 {
			t.Errorf("%s does not have the push", app)
		}
	}
}

// sharing is a file whose apps are all released from one repository.
func sharing(file string) string {
	return regexp.MustCompile("team/app-[0-9]+").ReplaceAllString(file, "team/app")
}

// TestWhatBecameOfAPushIsLoggedBeforeWhoDropsIt: of many apps of a repository each has tags of its own.
func TestWhatBecameOfAPushIsLoggedBeforeWhoDropsIt(t *testing.T) {
	images := fake.NewRegistry(time.Now)
	tags := 0
	file := regexp.MustCompile("glob:").ReplaceAllStringFunc(sharing(many(40)), func(string) string {
		tags++
		return fmt.Sprintf("glob:%d-", tags)
	})
	w := newEnv(t, changes{file: file, registry: images})
	images.Push(release.Image{Tag: "40-1", Digest: digest, PushedAt: w.now()})
	lines, err := w.intake.ImagePushed(t.Context(), push("team/app", "40-1", w.now()))
	if err != nil || len(lines) > 21 || !strings.Contains(lines[0], "app-39: accepted") {
		t.Errorf("%v, %d lines: %.200s", err, len(lines), lines)
	}
}

// TestTheFailuresOfAPushForManyAppsAreShort names apps that could not keep it first.
func TestTheFailuresOfAPushForManyAppsAreShort(t *testing.T) {
	for apps, want := range map[string]string{"app-": "and 980 more", "app-999": "app-999: not kept"} {
		images := fake.NewRegistry(time.Now)
		w := newEnv(t, changes{file: sharing(many(1000)), registry: images, store: func(s engine.Store) engine.Store { return refusing{s, apps} }})
		images.Push(release.Image{Tag: "1.2.3", Digest: digest, PushedAt: w.now()})
		_, err := w.intake.ImagePushed(t.Context(), push("team/app", "1.2.3", w.now()))
		if text := fmt.Sprint(err); err == nil || len(text) > 20_000 || !strings.Contains(text, want) {
			t.Errorf("%s: %d bytes: %.300s", apps, len(text), text)
		}
	}
}
