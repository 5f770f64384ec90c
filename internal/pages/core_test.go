package pages_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"
	"bluegreen/internal/pages"
	"bluegreen/internal/release"
)

// core is an engine in memory, in which the real core decides and time stands still unless a
// test moves it.
type core struct {
	mu      sync.Mutex
	now     time.Time
	apps    map[string]*story
	entries map[string]engine.Entry // by app and id
	views   atomic.Int64            // how many were read
}

// story is an app whose past is given by events.
type story struct {
	core   *core
	size   int32
	policy release.Policy
	state  release.State
	facts  []release.Fact // oldest first
}

func newCore(now time.Time) *core {
	return &core{now: now, apps: map[string]*story{}, entries: map[string]engine.Entry{}}
}

// handler is the pages on the real API of these apps, for holders of rightKey.
func (c *core) handler() http.Handler {
	return pages.New(pages.Options{
		API: console.New(console.Options{Engine: c, Now: c.clock, Keys: access.Admin}), Now: c.clock,
		Verify: func(_ context.Context, key string, _ bool) (bool, error) { return key == rightKey, nil },
	})
}

func (c *core) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// version is an image of a tag, with a digest that looks like one.
func version(tag string) release.Image {
	sum := sha256.Sum256([]byte(tag))
	return release.Image{Tag: tag, Digest: "sha256:" + hex.EncodeToString(sum[:])}
}

// app takes an app over, some time ago, with an image live on blue.
func (c *core) app(name, live string, size int32, ago time.Duration) *story {
	a := &story{core: c, size: size, policy: release.Policy{
		First: release.Blue, Bake: 15 * time.Minute, ProbeEvery: 15 * time.Second, ProbeMisses: 3, RolloutTimeout: 10 * time.Minute, VerifyTimeout: 5 * time.Minute,
		SwitchTimeout: 10 * time.Minute, RollbackWindow: 24 * time.Hour, RetireAfter: 30 * time.Minute, ReleaseTimeout: 24 * time.Hour, Failover: release.FailoverManual,
		Standby: release.StandbyPolicy{Size: release.StandbyReady},
	}}
	c.apps[name] = a
	a.state.App = name
	seen := a.runs(version(live), size)
	a.happens(ago, release.Looked{Live: release.Blue, Blue: &seen, Green: &release.Observed{Replicas: []int32{0}}})
	return a
}

func (a *story) runs(i release.Image, ready int32) release.Observed {
	if i.IsZero() {
		return release.Observed{Replicas: []int32{0}, ReadyOf: []int32{0}}
	}
	o := release.Observed{Image: i, Replicas: []int32{a.size}, Ready: ready, ReadyOf: []int32{ready}}
	if ready == a.size {
		o.Needed = o.Replicas
	}
	return o
}

// happens lets an event reach the core, some time ago.
func (a *story) happens(ago time.Duration, event release.Event) {
	s, facts := release.Next(a.state, event, a.policy, a.core.now.Add(-ago))
	a.state, a.facts = s, append(a.facts, facts...)
}

func (a *story) push(ago time.Duration, tag string) *story {
	i := version(tag)
	i.PushedAt = a.core.now.Add(-ago)
	a.happens(ago, release.ImagePushed{Image: i})
	r := a.state.Release
	a.happens(ago-time.Second, release.DeployCleared{Release: r.ID, Color: r.To})
	return a
}

func (a *story) rollout(ago time.Duration, status release.Rollout, ready int32, detail string) *story {
	r := a.state.Release
	a.happens(ago, release.RolloutObserved{Release: r.ID, Color: r.To, Status: status, Seen: a.runs(r.Image, ready), Detail: detail})
	return a
}

func (a *story) checked(ago time.Duration) *story {
	r := a.state.Release
	seen := a.runs(r.Image, a.size)
	a.happens(ago, release.ChecksObserved{Release: r.ID, Color: r.To, Verdict: release.Passed, Seen: &seen})
	return a
}

func (a *story) routed(ago time.Duration) *story {
	r := a.state.Release
	to := r.To
	if r.Phase == release.Returning {
		to = r.From
	}
	a.happens(ago+8*time.Second, release.RouteObserved{Release: r.ID, To: to, Status: release.Underway, Operation: "https://management.azure.com/subscriptions/0/operations/4c1d6f0e?t=638&c=MII&s=signature"})
	a.happens(ago, release.RouteObserved{Release: r.ID, To: to, Status: release.Confirmed, Live: to})
	return a
}

// live brings a pushed release to live traffic; the switch is over that long ago.
func (a *story) live(ago time.Duration, tag string) *story {
	return a.push(ago+2*time.Minute, tag).rollout(ago+50*time.Second, release.Complete, a.size, "").checked(ago + 42*time.Second).routed(ago)
}

func (a *story) probed(ago time.Duration) *story {
	r := a.state.Release
	live, target := a.runs(a.state.Serving.Image, a.size), a.runs(a.state.Serving.Previous.Image, a.size)
	a.happens(ago, release.Probed{Release: r.ID, Live: &live, Target: &target, Checks: release.Passed})
	return a
}

// done completes a bake that has lasted long enough by then, and looks at both colors.
func (a *story) done(ago, seen time.Duration) *story {
	for at := ago + a.policy.Bake; at >= ago && a.state.Release.Phase == release.Baking; at -= a.policy.ProbeEvery {
		a.probed(at)
	}
	return a.seen(seen)
}

func (a *story) seen(ago time.Duration) *story {
	s := a.state
	blue, green := a.runs(s.Blue.Image(), s.Blue.Observed.Ready), a.runs(s.Green.Image(), s.Green.Observed.Ready)
	a.happens(ago, release.Looked{Live: s.Serving.Color, Blue: &blue, Green: &green})
	return a
}

func (a *story) command(ago time.Duration, c release.Command, why string) *story {
	a.happens(ago, release.Commanded{Command: c, By: release.Actor{Proven: "7", Name: "ana@contoso.com"}, Why: why})
	return a
}

func (c *core) Apps() []string { return slices.Sorted(maps.Keys(c.apps)) }

func (c *core) ConfigProblems(string) []string { return nil }

func (c *core) ConfigHeld(string) []string { return nil }

func (c *core) View(_ context.Context, name string) (engine.View, error) {
	c.views.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.apps[name]
	if !ok {
		return engine.View{}, engine.ErrNotFound
	}
	return engine.View{App: name, State: a.state, Policy: a.policy, Status: release.StatusOf(a.state, a.policy, c.now)}, nil
}

func (c *core) Views(ctx context.Context, apps []string) (views []engine.View, errs []error) {
	for _, app := range apps {
		view, err := c.View(ctx, app)
		views, errs = append(views, view), append(errs, err)
	}
	return views, errs
}

func (c *core) History(_ context.Context, name string, limit, before int) (list []release.Fact, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range slices.Backward(c.apps[name].facts) {
		if (before == 0 || f.Number < before) && len(list) < limit {
			list = append(list, f)
		}
	}
	return list, nil
}

func (c *core) Command(_ context.Context, name string, command release.Commanded, key string) (engine.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := engine.CommandEntry(key, command, c.now)
	if old, ok := c.entries[name+" "+entry.ID]; ok {
		return old, nil
	}
	a := c.apps[name]
	before := len(a.facts)
	a.happens(0, command)
	entry.Decision = release.DecisionOf(command, a.facts[before:])
	c.entries[name+" "+entry.ID] = entry
	return entry, nil
}

func (c *core) Accepted(_ context.Context, name, id string) (engine.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries[name+" "+id]
	if !ok {
		return entry, engine.ErrNotFound
	}
	return entry, nil
}

func (c *core) Resolve(_ context.Context, _, ref string) (release.Image, error) {
	return version(ref), nil
}

func (c *core) Examine(context.Context, string) ([]engine.Examined, error) { return nil, nil }

func (c *core) LastTick(context.Context) (time.Time, error) { return time.Now(), nil }
