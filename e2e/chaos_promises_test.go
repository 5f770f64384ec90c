package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// keepsPromises checks the numbered promises from outside; the history shows when a decision
// was made.
func (c *chaos) keepsPromises() {
	c.t.Helper()
	for _, name := range c.apps {
		history, err := c.store().History(c.t.Context(), name, 5000, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		slices.Reverse(history)
		a := c.app(name)
		c.numbersOnce(a, history)
		c.decidedOnce(name, history)
		c.rollbackTargetKept(name, history)
		c.agrees(a)
		if w := c.webs[name]; w != nil {
			c.usersMet(w, a, history)
		}
	}
	c.alertsAnswered()
	c.gatewayOtherwiseUntouched()
	for n, h := range c.hosts {
		for _, p := range h.Poison() {
			c.t.Errorf("host %d gave up a message: %s %s", n, p.Text, p.Reason)
		}
		if dead := c.senders[n].DeadLetters(); len(dead) > 0 {
			c.t.Errorf("host %d: %d events were given up: %s", n, len(dead), dead[0].Outcome)
		}
	}
}

// numbersOnce holds 7: no fact and no release has the number of another.
func (c *chaos) numbersOnce(a api.App, history []release.Fact) {
	c.t.Helper()
	last := 0
	for i, f := range history {
		if f.Number != i+1 {
			c.t.Errorf("%s: fact %d of the history has number %d", a.Name, i+1, f.Number)
			return
		}
		if f.Kind == release.ReleaseStarted {
			if f.Release != last+1 {
				c.t.Errorf("%s: release %d began after release %d", a.Name, f.Release, last)
			}
			last = f.Release
		}
	}
	if a.Release != nil && a.Release.ID != last {
		c.t.Errorf("%s: the history ends with release %d, the record with %d", a.Name, last, a.Release.ID)
	}
}

// decidedOnce holds 5 and 3: each push has one decision, no image is released twice by
// itself, and none after it was quarantined.
func (c *chaos) decidedOnce(app string, history []release.Fact) {
	c.t.Helper()
	began := map[string]int{}
	barred, mentioned := map[string]bool{}, ""
	for _, f := range history {
		mentioned += f.Image.Digest + " " + f.Text + "\n"
		switch {
		case f.Kind == release.ReleaseStarted && f.Reason == reason.MovedOutside: // by another writer
		case f.Kind == release.ReleaseReturned:
			barred[f.Image.Digest] = true
		case f.Kind == release.ReleaseStarted && barred[f.Image.Digest]:
			c.t.Errorf("%s: release %d is of %s, which is quarantined", app, f.Release, f.Image)
		case f.Kind == release.ReleaseStarted:
			began[f.Image.Digest]++
		case f.Phase == release.Canceled && (f.Reason == reason.ChangedInMidst || f.Reason == reason.CanceledForReturn):
			began[f.Image.Digest]-- // it waits, and begins again
		}
	}
	for digest, n := range began {
		if n > 1 {
			c.t.Errorf("%s: %s was released %d times", app, digest, n)
		}
	}
	for _, p := range c.pushes {
		if p.app != app {
			continue
		}
		c.mu.Lock()
		event := c.eventIDs[p.image.Digest+p.image.Tag]
		c.mu.Unlock()
		id := "push|" + engine.PushIdentity(c.registry.Host()+"/team/"+app, p.image, event)
		entry, err := c.store().Accepted(c.t.Context(), app, id)
		found := entry.Decision.Reason == reason.SamePush && strings.Contains(mentioned, p.image.String()) // in a list, before its event
		if err != nil || entry.Decision.IsZero() || entry.Decision.Reason == reason.SamePush && !found {
			c.t.Errorf("%s: the push of %s has the decision %+v, %v", app, p.image, entry.Decision, err)
		}
	}
}

// alertsAnswered holds 4: each alert has a decision, a return or a reason.
func (c *chaos) alertsAnswered() {
	c.t.Helper()
	for _, a := range c.alerts {
		entry, err := c.store().Accepted(c.t.Context(), a.app, "alert|"+strings.ToLower(a.id)+"|fired")
		if err != nil || entry.Decision.IsZero() || entry.Decision.Reason == reason.Noted {
			c.t.Errorf("%s: the alert %s has the decision %+v, %v", a.app, a.id, entry.Decision, err)
		}
	}
}

// rollbackTargetKept checks promise 2: from the switch to the end of the bake the rollback
// target is neither deployed to nor scaled down.
func (c *chaos) rollbackTargetKept(app string, history []release.Fact) {
	c.t.Helper()
	var back release.Color
	var from time.Time
	for _, f := range history {
		switch {
		case f.Kind == release.Advanced && f.Phase == release.Switching:
			back, from = f.Live, f.At
		case back != "" && f.Phase != release.Switching && f.Phase != release.Baking:
			for _, change := range c.watched.between(c.placeOf(app, back), from, f.At) {
				c.t.Errorf("%s: %s is the rollback target of release %d from %s to %s, and at %s it was changed: %s",
					app, back, f.Release, clockOf(from), clockOf(f.At), clockOf(change.at), change.what)
			}
			back = ""
		}
	}
}

func clockOf(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// placeOf is where the Deployment of a color is.
func (c *chaos) placeOf(app string, color release.Color) place {
	if w := c.webs[app]; w != nil {
		return place{c.clusterOf(color), w.spaces[color], app}
	}
	return place{c.blue, c.spaces[app], string(color)}
}

// agrees holds 6: at rest record, gateway and clusters are of one mind.
func (c *chaos) agrees(a api.App) {
	c.t.Helper()
	gateway := ""
	if c.webs[a.Name] != nil {
		gateway = strings.TrimPrefix(poolOf(c.gateway.Effective(), a.Name), a.Name+"-")
	} else {
		gateway = c.selects(a.Name)
	}
	if gateway != string(a.Live) {
		c.t.Errorf("%s: the gateway sends traffic to %s, the record has %s: %s", a.Name, gateway, a.Live, a.Status.String())
	}
	for color, known := range map[release.Color]api.Color{release.Blue: a.Colors.Blue, release.Green: a.Colors.Green} {
		p := c.placeOf(a.Name, color)
		d, err := p.cluster.Client().AppsV1().Deployments(p.namespace).Get(c.t.Context(), p.name, metav1.GetOptions{})
		if err != nil {
			c.t.Fatal(err)
		}
		image, size := d.Spec.Template.Spec.Containers[0].Image, *d.Spec.Replicas
		if !strings.HasSuffix(image, "@"+known.Image.Digest) {
			c.t.Errorf("%s: %s runs %s, the record has %s", a.Name, color, image, known.Image)
		}
		if live := color == a.Live; live && (size == 0 || d.Status.ReadyReplicas != size) || !live && a.Release != nil && known.Retired != (size == 0) {
			c.t.Errorf("%s: %s has %d pods, %d ready: %s", a.Name, color, size, d.Status.ReadyReplicas, a.Status.String())
		}
	}
}

// usersMet checks promises 1 and 3 by the answers that users got; baseline judges those that they did not get.
func (c *chaos) usersMet(w *web, a api.App, history []release.Fact) {
	c.t.Helper()
	checked := map[string]time.Time{"blue " + w.first: {}} // color and digest, since when users may meet it
	barred := map[string]time.Time{}                       // digest, since when they must not
	for _, f := range history {
		switch {
		case f.Kind == release.Advanced && f.Reason == reason.ChecksPassed:
			checked[string(f.Live.Other())+" "+f.Image.Digest] = f.At
			if f.Live == "" { // a first release, to either color
				checked["blue "+f.Image.Digest], checked["green "+f.Image.Digest] = f.At, f.At
			}
		case f.Kind == release.ReleaseReturned:
			barred[f.Image.Digest] = f.At.Add(time.Second)
		}
	}
	wrong := map[string]int{}
	for _, answer := range w.users.answers() {
		if answer.at.Before(w.from) {
			continue
		}
		foreign := w.rivaled(answer.at)
		since, known := checked[answer.color+" sha256:"+strings.TrimPrefix(answer.version, "sha256:")]
		until, bad := barred["sha256:"+strings.TrimPrefix(answer.version, "sha256:")]
		switch {
		case answer.failed != "" && foreign:
			wrong["failed while the rival's change was in effect (allowed):  "+answer.failed]++
		case answer.failed != "": // baseline judges the number
			wrong["allowed up to the baseline: "+answer.failed]++
		case foreign:
		case !known || answer.at.Add(5*time.Second).Before(since):
			wrong["never checked: "+answer.color+" "+answer.version]++
		case bad && answer.at.After(until):
			wrong["quarantined: "+answer.color+" "+answer.version]++
		}
	}
	for what, n := range wrong {
		if strings.Contains(what, "allowed") {
			c.t.Logf("%s: %d × %s", w.name, n, what)
		} else {
			c.t.Errorf("%s: %d × %s", w.name, n, what)
		}
	}
	if last := w.users.last(); last.color != string(a.Live) {
		c.t.Errorf("%s: users end on %s, the record has %s", w.name, last.color, a.Live)
	}
}

// rivaled reports whether the rival's change of the app's rule was in effect.
func (w *web) rivaled(at time.Time) bool {
	return slices.ContainsFunc(w.foreign, func(s span) bool { return s.has(at) })
}

// gatewayOtherwiseUntouched checks promise 8: only the apps' references and the rival's changes
// differ in the gateway.
func (c *chaos) gatewayOtherwiseUntouched() {
	c.t.Helper()
	want, got := c.before, c.gateway.Document()
	want["tags"] = map[string]any{"note": c.rivals.tag}
	if c.rivals.priority != 0 {
		ruleOf(want, "rule-redirect")["priority"] = c.rivals.priority
	}
	for _, doc := range []map[string]any{want, got} {
		for name := range c.webs {
			point(doc, name, name+"-blue")
		}
	}
	if diff := cmp.Diff(plain(c.t, want), plain(c.t, got)); diff != "" {
		c.t.Errorf("the gateway has changed beside the apps' references:\n%s", diff)
	}
}

// plain is a gateway's document without the fields that the service writes.
func plain(t interface{ Fatal(...any) }, doc map[string]any) any {
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	strip(v, 0)
	return v
}

// strip removes etags, states and the read-only lists of references to a sub-resource.
func strip(v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "etag")
		delete(v, "provisioningState")
		if depth > 2 {
			delete(v, "requestRoutingRules")
			delete(v, "urlPathMaps")
		}
		for _, item := range v {
			strip(item, depth+1)
		}
	case []any:
		for _, item := range v {
			strip(item, depth+1)
		}
	}
}

// report logs the numbers of the run.
func (c *chaos) report(chaotic, all time.Duration) {
	kinds := map[string]int{}
	for _, kind := range c.published() {
		kinds[strings.TrimPrefix(kind, "bluegreen.")]++
	}
	sent := 0
	for _, w := range c.webs {
		sent += len(w.users.answers())
	}
	c.t.Logf("%s of chaos, %s in all: %d pushes, %d alerts, %d kills, %d frozen, %d outages of an API server, rival: %d tags, %d other rules, %d rules of apps",
		chaotic.Round(time.Second), all.Round(time.Second), len(c.pushes), len(c.alerts), c.kills, c.freezes, len(c.outages), c.rivals.tags, c.rivals.others, c.rivals.own)
	c.baseline()
	c.t.Logf("%d rollback targets ready in part, writes refused by %v, API servers away: %v, rival during each phase: %v", c.weak, c.refusals, c.outages, c.rivals.phases)
	c.t.Logf("%d requests of users (%.0f/s)", sent, float64(sent)/all.Seconds())
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		c.t.Logf("%d × %s", kinds[kind], kind)
	}
	if n := c.started(); n < chaosReleases {
		c.t.Errorf("only %d releases", n)
	}
	if c.watched.seen() < c.started()/2 {
		c.t.Errorf("only %d changes of Deployments were seen: the watch shows nothing", c.watched.seen())
	}
	if !c.enough() {
		c.t.Error("there was not enough chaos")
	}
}

// enough reports whether each kind of fault was there.
func (c *chaos) enough() bool {
	c.state.Lock()
	defer c.state.Unlock()
	return c.kills >= 5 && c.freezes > 0 && len(c.outages) > 0 && c.rivals.own > 0 && len(c.refusals) > 0 && c.weak > 0 && len(c.rivals.phases) >= len(rivalPhases)
}
