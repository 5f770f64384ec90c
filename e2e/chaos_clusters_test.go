package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

const (
	stillApp = "still" // has users and no release: what it loses is the baseline
	freshApp = "fresh" // has no version at first; its first release is bad at once
)

// refuseWrites makes a cluster refuse every write of the app's identity for some seconds.
func (c *chaos) refuseWrites(ctx context.Context, r *rand.Rand, color release.Color) {
	w := c.webs[stillApp]
	from := time.Now()
	thaw, err := c.clusterOf(color).ReadOnly(c.t.Context(), testbed.DefaultUser, w.spaces[color], stillApp)
	if err != nil {
		c.t.Errorf("make %s read-only: %v", color, err)
		return
	}
	goOn(ctx, 3*time.Second+time.Duration(r.IntN(4000))*time.Millisecond)
	thaw()
	c.state.Lock()
	c.refusals = append(c.refusals, span{what: string(color), from: from, to: time.Now()})
	c.state.Unlock()
	for _, app := range c.busy {
		if a := c.view(app); a.Release != nil && a.Release.Phase == release.Returning && a.Trouble != nil {
			c.command(ctx, r, app, release.Rollback) // ends the rest after a refusal
		}
	}
}

func (c *chaos) command(ctx context.Context, r *rand.Rand, app string, what release.Command) {
	key := api.NewKey()
	for ok := true; ok && ctx.Err() == nil; ok = goOn(ctx, 500*time.Millisecond) {
		if _, err := c.client(c.up(r)).Command(ctx, app, what, api.Request{By: "on call", Why: "writes are allowed again"}, key); err == nil {
			return
		}
	}
}

// weaken makes all pods but one of a rollback target not ready, for some seconds of the bake,
// every other time with an alert: the return then waits for them.
func (c *chaos) weaken(ctx context.Context, r *rand.Rand) {
	for goOn(ctx, 4*time.Second+time.Duration(r.IntN(3000))*time.Millisecond) {
		a, ok := c.inPhase(ctx, r, release.Baking)
		if !ok || a.RollbackTarget == nil {
			continue
		}
		target := *a.RollbackTarget
		c.clusterOf(target.Color).Behave(target.Image.Digest, testbed.PartlyReady())
		c.state.Lock()
		c.weak++
		alert := c.weak%2 == 0
		c.state.Unlock()
		if alert {
			c.fireAt(ctx, r, a.Name, a.Release.To)
		}
		goOn(ctx, 3*time.Second)
		c.clusterOf(target.Color).Behave(target.Image.Digest, testbed.Healthy())
	}
}

// inPhase finds a busy app behind the gateway with a release in a phase, and no drift.
func (c *chaos) inPhase(ctx context.Context, r *rand.Rand, p release.Phase) (api.App, bool) {
	names := c.busy[:chaosWebs]
	first := r.IntN(len(names))
	for try := 0; try < 400 && goOn(ctx, 20*time.Millisecond); try++ {
		a, err := c.client(c.up(r)).App(ctx, names[(first+try)%len(names)])
		if err == nil && a.Release != nil && a.Release.Phase == p && a.Release.From != "" && a.Drift == nil {
			return a, true
		}
	}
	return api.App{}, false
}

// firstRelease releases to an app that has no version yet: an image that passes all checks but
// answers its users with errors at once, and then a good one, which has to go live.
func (c *chaos) firstRelease(ctx context.Context, r *rand.Rand) {
	began := time.Now()
	bad := c.pushFresh(r, "1.1.0", testbed.ServerErrors())
	a, ended := c.untilFresh(ctx, r, func(a api.App) bool { return a.Release != nil && !a.Release.Phase.Active() })
	if !ended {
		c.t.Errorf("%s: the first release, of %s, has not ended: %s", freshApp, bad, a.Status.String())
		return
	}
	c.t.Logf("%s: the first release ended after %s: %s", freshApp, time.Since(began).Round(time.Second), a.Status.String())
	began = time.Now()
	good := c.pushFresh(r, "1.2.0", testbed.Healthy())
	a, ended = c.untilFresh(ctx, r, func(a api.App) bool {
		return a.Release.Image.Digest == good && (a.Release.Phase == release.Baking || a.Release.Phase == release.Completed)
	})
	if !ended {
		c.t.Errorf("%s: the good image is not live: %s", freshApp, a.Status.String())
		return
	}
	c.t.Logf("%s: the good image is live %s after its push", freshApp, time.Since(began).Round(time.Second))
	c.state.Lock()
	defer c.state.Unlock()
	c.webs[freshApp].from = time.Now()
}

// pushFresh pushes an image of the app, with its behaviour on both clusters.
func (c *chaos) pushFresh(r *rand.Rand, tag string, b testbed.Behaviour) string {
	image := release.Image{Tag: tag, Digest: c.push("team/"+freshApp, tag)}
	c.blue.Behave(image.Digest, b)
	c.green.Behave(image.Digest, b)
	c.state.Lock()
	c.pushes = append(c.pushes, pushed{app: freshApp, image: image})
	c.state.Unlock()
	c.send(r)
	return image.Digest
}

// untilFresh waits for longer than the lease of a killed worker lasts.
func (c *chaos) untilFresh(ctx context.Context, r *rand.Rand, met func(api.App) bool) (last api.App, ok bool) {
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		a, err := c.client(c.up(r)).App(context.WithoutCancel(ctx), freshApp)
		if err != nil {
			continue
		}
		if last = a; met(a) {
			return a, true
		}
	}
	return last, false
}

// losses counts the requests of an app's users that failed although nothing foreign was in effect, and
// apart from them those that failed where the way to its pods was not known.
func (c *chaos) losses(w *web) (lost, unknown, all int) {
	for _, answer := range w.users.answers() {
		if answer.at.Before(w.from) || w.rivaled(answer.at) {
			continue
		}
		all++
		if answer.failed != "" && c.withoutEndpoints(w, answer.at) {
			unknown++
			continue
		}
		if answer.failed != "" {
			lost++
		}
	}
	return lost, unknown, all
}

// withoutEndpoints reports whether the pods of an app had just been replaced when the API server of
// their cluster went away: its controllers then could not write the new EndpointSlices, and nothing
// that forwards requests in the cluster learns of the new pods until they can.
func (c *chaos) withoutEndpoints(w *web, at time.Time) bool {
	const again = 10 * time.Second // until the controllers have their watches back
	return slices.ContainsFunc(c.outages, func(o outage) bool {
		return o.from.Before(at) && at.Before(o.to.Add(again)) &&
			len(c.watched.between(c.placeOf(w.name, o.color), at.Add(-again), at.Add(time.Second))) > 0
	})
}

// baseline logs what the same faults and load have cost with and without releases.
func (c *chaos) baseline() {
	var text []string
	base, _, of := c.losses(c.webs[stillApp])
	for _, name := range c.webNames() {
		lost, unknown, all := c.losses(c.webs[name])
		text = append(text, fmt.Sprintf("%s %d of %d", name, lost, all))
		if unknown > 0 {
			c.t.Logf("%s: %d more were lost while no EndpointSlice could be written for its new pods", name, unknown)
		}
		if lost*of > base*all {
			c.t.Errorf("%s has lost %d of %d requests, the app without a release %d of %d", name, lost, all, base, of)
			c.explain(c.webs[name])
		}
	}
	c.t.Logf("requests lost: %s; the baseline is %s, which had no release", strings.Join(text, ", "), stillApp)
}

// explain logs what happened around the requests that an app's users lost.
func (c *chaos) explain(w *web) {
	var first, last time.Time
	for _, answer := range w.users.answers() {
		if answer.failed == "" || answer.at.Before(w.from) || w.rivaled(answer.at) {
			continue
		}
		if last = answer.at; first.IsZero() {
			first = last
		}
	}
	c.t.Logf("%s: requests were lost from %s to %s", w.name, clockOf(first), clockOf(last))
	around := span{from: first.Add(-40 * time.Second), to: last.Add(10 * time.Second)}
	history, err := c.store().History(c.t.Context(), w.name, 5000, 0)
	if err != nil {
		c.t.Errorf("no history: %v", err)
	}
	for _, f := range slices.Backward(history) {
		if around.has(f.At) {
			c.t.Logf("  %s %s %s: %s", clockOf(f.At), f.Kind, f.Reason, f.Text)
		}
	}
	for _, color := range []release.Color{release.Blue, release.Green} {
		for _, change := range c.watched.between(c.placeOf(w.name, color), around.from, around.to) {
			c.t.Logf("  %s (seen %s) %s: %s", clockOf(change.at), clockOf(change.seen), color, change.what)
		}
	}
	for _, s := range w.foreign {
		if around.has(s.from) || around.has(s.to) {
			c.t.Logf("  the rival pointed the rule at %s from %s to %s", s.what, clockOf(s.from), clockOf(s.to))
		}
	}
	for _, s := range c.gateway.Switches() {
		if around.has(s.At) {
			c.t.Logf("  %s the gateway's rule led to %v", clockOf(s.At), s.Rules[w.name])
		}
	}
}
