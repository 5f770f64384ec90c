package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// The kinds of items that disturb a run by degrees, or one part of it alone; more are in
// services.go.
const (
	SomeNodes  Kind = "some nodes lost"
	OneAway    Kind = "one cluster away"
	Gone       Kind = "Deployment gone"
	Forbidden  Kind = "changes of a color denied"
	Autoscaled Kind = "autoscaler"
	TagMoved   Kind = "tag moved"
	Lasting    Kind = "lasting rival"
	Fight      Kind = "rival again and again"
	Rewrite    Kind = "rival writes what was before"
	// Partly and Flapping are no items: they are how pods of some images behave.
	Partly   Kind = "pods ready in part"
	Flapping Kind = "pods that come and go"
)

// disturbance is what items of one kind do to an app.
type disturbance struct {
	kind  Kind
	draw  func(r *rand.Rand, i *Item) // beside the time, the color and how long it lasts
	says  func(i Item) string
	begin func(a *app, i Item)
	end   func(a *app, i Item) // nil: nothing ends
}

var disturbances = []disturbance{
	{
		kind: SomeNodes, draw: func(r *rand.Rand, i *Item) { i.Share = float64(1+r.IntN(3)) / 4 },
		says:  func(i Item) string { return fmt.Sprintf("%.0f %% of %s", 100*i.Share, forTime(i)) },
		begin: func(a *app, i Item) { a.lose(i.Color, i.Share) },
		end:   func(a *app, i Item) { a.lose(i.Color, 0) },
	},
	{
		kind: OneAway, says: forTime,
		begin: func(a *app, i Item) { a.reach(i.Color, false) },
		end:   func(a *app, i Item) { a.reach(i.Color, true) },
	},
	{
		kind: Gone, says: forTime,
		begin: func(a *app, i Item) { a.delete(i.Color, true) },
		end:   func(a *app, i Item) { a.delete(i.Color, false) },
	},
	{
		kind: Forbidden, says: forTime,
		begin: func(a *app, i Item) { a.deny(i.Color, true) },
		end:   func(a *app, i Item) { a.deny(i.Color, false) },
	},
	{
		kind: Autoscaled, draw: func(r *rand.Rand, i *Item) { i.N = 1 + r.IntN(7) },
		says: func(i Item) string { return fmt.Sprintf("makes %s %d pods, at least 2", i.Color, i.N) },
		begin: func(a *app, i Item) {
			if minimum, _ := a.cluster.Minimum(i.Color); minimum == 0 {
				a.cluster.Autoscale(i.Color, 2)
			}
			a.cluster.Resize(i.Color, int32(i.N))
		},
	},
	{
		kind: TagMoved, draw: func(r *rand.Rand, i *Item) { i.Image = 1 + r.IntN(images-1) },
		says: func(i Item) string {
			return fmt.Sprintf("of what %s runs, to %s, and its pods restart", i.Color, tag(i.Image))
		},
		begin: (*app).moveTag,
	},
	{
		kind: Lasting, draw: sometimesNeither, says: func(i Item) string { return fmt.Sprintf("writes %q, which takes %s", i.Color, i.For) },
		begin: func(a *app, i Item) { a.rivalWrites(i.Color, i.For) },
	},
	{
		kind: Fight, draw: func(r *rand.Rand, i *Item) { i.N = 2 + r.IntN(10) },
		says:  func(i Item) string { return fmt.Sprintf("writes %q %d times over %s", i.Color, i.N, i.For) },
		begin: (*app).fight,
	},
	{
		kind: Rewrite, draw: func(r *rand.Rand, i *Item) { i.When, i.At = release.Baking, time.Duration(r.IntN(60))*time.Second },
		says:  func(Item) string { return "" },
		begin: func(a *app, _ Item) { a.rivalWrites(a.gateway.Configured().Other(), gatewayTakes) },
	},
}

// sometimesNeither draws a write that points at neither color.
func sometimesNeither(r *rand.Rand, i *Item) {
	if r.IntN(6) == 0 {
		i.Color = ""
	}
}

func forTime(i Item) string { return fmt.Sprintf("%s for %s", i.Color, i.For) }

func disturbanceOf(k Kind) (disturbance, bool) {
	if n := slices.IndexFunc(services, func(d disturbance) bool { return d.kind == k }); n >= 0 {
		return services[n], true
	}
	n := slices.IndexFunc(disturbances, func(d disturbance) bool { return d.kind == k })
	if n < 0 {
		return disturbance{}, false
	}
	return disturbances[n], true
}

// disturbed draws items of the kinds above, from a source of its own, so that a seed keeps its
// other items when a kind is added.
func disturbed(p *Plan) (items []Item) {
	r := rand.New(rand.NewPCG(p.Seed, 8))
	all := slices.Concat(disturbances, services)
	for range r.IntN(4) {
		d := all[r.IntN(len(all))]
		i := Item{Kind: d.kind, At: moment(r, p), For: time.Duration(1+r.IntN(150)) * time.Second, Color: color(r), App: r.IntN(p.Apps)}
		if d.draw != nil {
			d.draw(r, &i)
		}
		items = append(items, i)
	}
	return items
}

// disturb makes an item of the kinds above happen.
func (a *app) disturb(d disturbance, i Item) {
	d.begin(a, i)
	if d.end != nil {
		a.sim.at(a.sim.now.Add(i.For), func() { d.end(a, i) })
	}
}

// reach makes the API of a color's cluster reachable or not.
func (a *app) reach(c release.Color, reachable bool) {
	a.away[c] = !reachable
	a.cluster.ColorAway(c, !reachable)
}

func (a *app) reachBoth(reachable bool) {
	a.reach(release.Blue, reachable)
	a.reach(release.Green, reachable)
}

func (a *app) lose(c release.Color, share float64) {
	a.lost[c] = share > 0
	a.cluster.Lose(c, share)
}

func (a *app) delete(c release.Color, gone bool) {
	if a.gone[c] == gone {
		return
	}
	a.gone[c], a.edited[c] = gone, a.sim.now
	a.cluster.Gone(c, gone)
}

func (a *app) deny(c release.Color, denied bool) {
	if a.denied[c] && !denied {
		a.allowed = a.sim.now
	}
	a.denied[c] = denied
	a.cluster.Deny(c, denied)
}

// operations makes those of the gateway end in one way.
func (a *app) operations(result fake.OperationResult) {
	if a.gate == fake.Denied && result != fake.Denied {
		a.allowed = a.sim.now
	}
	a.gate = result
	a.gateway.SetResult(func(int) fake.OperationResult { return result })
}

// moveTag makes the Deployment of a color name its image by tag only, if it does not yet, and
// then the tag mean another image.
func (a *app) moveTag(i Item) {
	runs, _ := a.cluster.Running(i.Color)
	if runs.IsZero() {
		return
	}
	a.cluster.NameByTag(i.Color)
	a.cluster.Tag(runs.Tag, image(i.Image, false, time.Time{}).Digest)
	a.cluster.Restart(i.Color)
	a.edited[i.Color] = a.sim.now
}

// rivalWrites makes another writer change the gateway.
func (a *app) rivalWrites(to release.Color, takes time.Duration) {
	if a.gateway.Configured() == "" { // which denies each switch
		a.allowed = a.sim.now.Add(takes)
	}
	a.gateway.RivalFor(to, takes)
	a.rival, a.rivalTakes = a.sim.now, takes
}

func (a *app) fight(i Item) {
	for n := range i.N {
		a.sim.at(a.sim.now.Add(i.For*time.Duration(n)/time.Duration(i.N)), func() { a.rivalWrites(i.Color, gatewayTakes) })
	}
}

// degree draws pods that are ready in part, or come and go, for some images.
func degree(seed uint64, n int, b fake.Behaviour) fake.Behaviour {
	r := rand.New(rand.NewPCG(seed, 100+uint64(n)))
	if n == 0 || b.Never != "" {
		return b
	}
	switch r.IntN(10) {
	case 0:
		b.Share = float64(1+r.IntN(3)) / 4
	case 1:
		b.Up, b.Down = time.Duration(5+r.IntN(60))*time.Second, time.Duration(2+r.IntN(30))*time.Second
	}
	return b
}
