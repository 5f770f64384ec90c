package simulation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// fakeGateway is a fake of the gateway with the controls that the engine does not have.
type fakeGateway interface {
	engine.Gateway
	SetResult(result func(n int) fake.OperationResult)
	RivalFor(to release.Color, takes time.Duration)
	UnrelatedWrite()
	Configured() release.Color
	Effective() release.Color
	Reaches() []release.Color
}

// app is one app with its fakes, and with observations that do not rely on its record.
type app struct {
	sim      *sim
	n        int
	name     string
	store    *fake.Store
	gateway  fakeGateway
	cluster  *fake.Cluster
	registry *fake.Registry

	policy       release.Policy // as configured now
	configs      int            // changes of the configuration
	shortestBake time.Duration  // of all configurations

	saved    *saved // the record
	promises []promise
	timed    []onTime // of the promises
	messages int      // sent for it
	probes   int      // of the public address, during a bake

	behave      [images]fake.Behaviour
	undelivered int
	accepted    map[string]bool

	ready      map[release.Color]time.Time // when a pod was last seen ready
	effective  release.Color
	reaches    []release.Color // what users' resolvers lead to, effective first
	moved      time.Time       // when the last user followed to where effective last changed to
	rival      time.Time       // when the gateway last accepted a write of another writer
	edited     map[release.Color]time.Time
	editedTo   map[release.Color]release.Image
	unedited   map[release.Color]release.Image // what an edited color ran before
	rivalTakes time.Duration                   // of that write
	allowed    time.Time                       // when what an operator has to allow was last allowed again
	gate       fake.OperationResult            // of the gateway's operations
	levels     map[release.Color]levels
	full       map[release.Color]int32 // its size when all of its pods were last ready
	// What fails now of each color: its API, the right to change it, its Deployment, its nodes.
	away, denied, gone, lost map[release.Color]bool
	failing                  map[Kind]bool          // what else fails now
	unfreed                  map[release.Color]bool // whose autoscaler's minimum was denied to be put back
}

func (s *sim) newApp(n int) *app {
	now := func() time.Time { return s.now }
	a := &app{
		sim: s, n: n, name: fmt.Sprintf("app-%d", n), store: fake.NewStore(nil), accepted: map[string]bool{},
		ready: map[release.Color]time.Time{}, edited: map[release.Color]time.Time{},
		failing: map[Kind]bool{}, full: map[release.Color]int32{}, levels: map[release.Color]levels{}, away: map[release.Color]bool{}, denied: map[release.Color]bool{},
		unfreed: map[release.Color]bool{}, gone: map[release.Color]bool{}, lost: map[release.Color]bool{}, editedTo: map[release.Color]release.Image{}, unedited: map[release.Color]release.Image{},
		effective: release.Blue, reaches: []release.Color{release.Blue},
	}
	a.gateway = fake.NewGateway(release.Blue, gatewayTakes, now, nil)
	if s.plan.DNS {
		a.gateway = fake.NewProfile(release.Blue, gatewayTakes/4, gatewayTakes, now, nil)
	}
	a.cluster = fake.NewCluster(now, nil, nil)
	a.cluster.Behave("", fake.Behaviour{Ready: 5 * time.Second})
	a.setBehaviour()
	if s.plan.Start != "nothing" {
		a.cluster.Seed(release.Blue, image(0, false, time.Time{}), 3)
	}
	if s.plan.Start == "both" {
		a.cluster.Seed(release.Green, image(1, false, time.Time{}), 3)
	}
	a.policy, a.shortestBake = s.plan.Policy, s.plan.Policy.Bake
	a.registry = fake.NewRegistry(now)
	a.registry.Push(image(0, false, time.Time{}))
	a.saved, a.promises = read(engine.Record{}), promises(a)
	for _, p := range a.promises {
		if timed, ok := p.(onTime); ok {
			a.timed = append(a.timed, timed)
		}
	}
	return a
}

func (a *app) setBehaviour() {
	plan := a.sim.plan
	for n := range images {
		b, given := plan.Behave[n]
		switch {
		case plan.Behave == nil:
			b = degree(plan.Seed, n, behaviour(plan.Seed, n))
		case !given:
			b = fake.Behaviour{Ready: 5 * time.Second}
		}
		a.behave[n] = b
		a.cluster.Behave(image(n, false, time.Time{}).Digest, b)
	}
}

// healthy reports whether pods of an image are ready sooner or later and stay so.
func (a *app) healthy(i release.Image) bool {
	for n := range images {
		if image(n, false, time.Time{}).Digest == i.Digest {
			return a.well(a.behave[n])
		}
	}
	return false
}

// well reports whether pods that behave so become ready, stay so and answer.
func (a *app) well(b fake.Behaviour) bool { return b == fake.Behaviour{Ready: b.Ready} }

// claimLasts is how old any observation of a worker may be when it acts on it.
const claimLasts = 90 * time.Second

// lookAge is how old a worker's observation of a color may be when it acts on it: seconds,
// unless calls are slow or a worker freezes in this run.
func (s *sim) lookAge() time.Duration {
	for _, i := range s.plan.Items {
		if i.Kind == Lag || i.Kind == Call && (i.How == Frozen || i.How == FrozenAfter) {
			return claimLasts
		}
	}
	return 5 * time.Second
}

func (a *app) recently(at time.Time, within time.Duration) bool {
	return !at.IsZero() && a.sim.now.Sub(at) <= within
}

// rivalUnseen reports whether another writer's change of the gateway was accepted so lately
// that no worker can have read it. One that still runs is no excuse: it can be read.
func (a *app) rivalUnseen() bool { return a.recently(a.rival, a.sim.lookAge()) }

// editedLately reports whether a color was changed outside bluegreen since a worker may
// have looked at it.
func (a *app) editedLately(c release.Color) bool {
	return a.recently(a.edited[c], a.sim.lookAge()) || !a.edited[c].IsZero() && a.away[c]
}

func (a *app) peek() engine.Snapshot {
	snap, err := a.store.Load(context.Background(), a.name)
	if err != nil {
		panic(err)
	}
	return snap
}

// sample observes the fakes after each step of time.
func (a *app) sample() {
	now := a.sim.now
	for _, c := range []release.Color{release.Blue, release.Green} {
		_, ready := a.cluster.Running(c)
		if ready > 0 {
			a.ready[c] = now
		}
		if ready == a.cluster.Wanted(c) && ready > 0 {
			a.full[c] = ready
		}
		a.levels[c] = a.levels[c].add(now, ready)
	}
	if e := a.gateway.Effective(); e != a.effective {
		a.sim.logf("%s: users of %s are now answered by %q", a.name, a.name, e)
		a.effective = e
		if a.sim.plan.Watch != nil {
			a.sim.plan.Watch(now.Sub(epoch), a.users())
		}
	}
	reaches := a.gateway.Reaches()
	if !slices.Equal(reaches, a.reaches) {
		a.reaches, a.moved = reaches, now
	}
	for _, p := range a.timed {
		if err := p.passed(); err != nil {
			a.sim.fail("promise %s: %s: %v", p.Name(), a.name, err)
		}
	}
}

// users is the tag of the image that answers users; "" when another writer has sent them elsewhere.
func (a *app) users() string {
	if a.gateway.Effective() == "" {
		return ""
	}
	image, _ := a.cluster.Running(a.gateway.Effective())
	return image.Tag
}

// happen makes an item of the plan happen.
func (s *sim) happen(i Item) {
	s.logf("%s", i)
	a := s.apps[i.App%len(s.apps)]
	switch i.Kind {
	case Push:
		pushed := image(i.Image, i.ID%3 == 0, s.now.Add(-i.Ago))
		a.registry.Push(pushed)
		event := fmt.Sprint(i.ID)
		s.accept(a, "push|"+engine.PushIdentity("registry/"+a.name, pushed, event), func(ctx context.Context, e *engine.Engine) error {
			_, err := e.Push(event, pushed).Accept(ctx, a.name)
			return err
		})
	case Alert:
		id := fmt.Sprint(i.ID)
		s.outside(a, engine.AlertEntry(id, release.AlertFired{ID: id, Rule: "errors", At: s.now.Add(-i.Ago), Color: i.Color, Corroborate: s.plan.Corroborate}, s.now))
	case Resolved:
		id := fmt.Sprint(i.ID)
		s.outside(a, engine.ResolvedEntry(id, release.AlertResolved{ID: id, Rule: "errors"}, s.now))
	case Order:
		s.command(a, i)
	case Repeat:
		for n := range i.N {
			s.at(s.now.Add(i.For*time.Duration(n)/time.Duration(i.N)), func() { s.deliver(a, 1) })
		}
	default:
		s.fails(a, i)
	}
}

// fails makes something around bluegreen fail, or act, for as long as the item says.
func (s *sim) fails(a *app, i Item) {
	if d, ok := disturbanceOf(i.Kind); ok {
		a.disturb(d, i)
		return
	}
	until := func(end func()) { s.at(s.now.Add(i.For), end) }
	switch i.Kind {
	case NodeLoss:
		a.lose(i.Color, 1)
		until(func() { a.lose(i.Color, 0) })
	case Away:
		a.reachBoth(false)
		until(func() { a.reachBoth(true) })
	case Edit:
		a.edit(i)
	case Gate:
		a.operations(i.Result)
		until(func() { a.operations(fake.Succeeds) })
	case Rival:
		a.rivalWrites(i.Color, 0)
	case UnrelatedWrite:
		a.gateway.UnrelatedWrite()
	default:
		s.active[i.Kind] = i
		until(func() { delete(s.active, i.Kind) })
	}
}

// edit changes the idle color by hand.
func (a *app) edit(i Item) {
	if i.Color == a.effective || i.Color == a.gateway.Configured() {
		return
	}
	runs, _ := a.cluster.Running(i.Color)
	if runs.IsZero() {
		return // there is nothing to edit
	}
	if edited, ok := a.editedTo[i.Color]; !ok || runs != edited {
		a.unedited[i.Color] = runs
	}
	a.editedTo[i.Color] = image(i.Image, false, time.Time{})
	a.cluster.Edit(i.Color, a.editedTo[i.Color])
	a.edited[i.Color] = a.sim.now
}

func (s *sim) command(a *app, i Item) {
	c := release.Commanded{Command: i.Command, By: release.Actor{Proven: "ana", Route: "signed-in"}, To: i.Color, Force: i.Force && (i.Command == release.Switch || i.Command == release.Failover)}
	switch i.Command {
	case release.DeployImage:
		c.Image = image(i.Image, false, time.Time{})
	case release.Forget:
		c.Tag = image(i.Image, false, time.Time{}).Tag
	case release.ExtendBake:
		c.For = time.Minute
	case release.Rollback:
		if n := len(a.saved.good); i.Force && n > 0 { // to the oldest version that was good
			c.Digest = a.saved.good[n-1].Digest
		}
	case release.ReleaseQuarantine:
		c.Digest = image(i.Image, false, time.Time{}).Digest
	}
	s.outside(a, engine.CommandEntry(fmt.Sprintf("%s-%d", i.Command, i.ID), c, s.now))
}

// outside accepts an entry and takes its first steps, as the handlers do.
func (s *sim) outside(a *app, entry engine.Entry) {
	s.accept(a, entry.ID, func(ctx context.Context, e *engine.Engine) error {
		if _, err := e.Accept(ctx, a.name, entry); err != nil {
			return err
		}
		if err := e.Step(ctx, a.name, 4*time.Second); err != nil {
			s.logf("%s: first steps not taken: %v", a.name, err)
		}
		return nil
	})
}

func (a *app) healColor(c release.Color) {
	a.lose(c, 0)
	a.delete(c, false)
	a.deny(c, false)
	runs, _ := a.cluster.Running(c)
	if edited, ok := a.editedTo[c]; ok && c != a.effective && runs == edited {
		a.cluster.Edit(c, a.unedited[c])
	}
}

func (a *app) healGateway() {
	to := a.gateway.Configured()
	if a.sim.plan.DNS && to != "" && to != a.gateway.Effective() {
		a.gateway.RivalFor(to, gatewayTakes/4) // name servers that did not follow do so now
	}
	if to == "" {
		a.rivalWrites(cmp.Or(a.saved.live, release.Blue), gatewayTakes)
	}
}

// heal ends everything that fails. What was changed outside bluegreen is changed back.
func (s *sim) heal() {
	s.logf("nothing fails any more")
	clear(s.active)
	for _, a := range s.apps {
		a.reachBoth(true)
		a.operations(fake.Succeeds)
		a.misconfigure(false)
		clear(a.failing)
		a.registry.SetFault(fake.RegistryAnswers)
		a.healColor(release.Blue)
		a.healColor(release.Green)
		a.healGateway()
		if s.plan.Seed%2 == 0 {
			s.at(s.now.Add(6*time.Minute), func() {
				if a.saved.drift {
					s.command(a, Item{Command: release.ResumeReleases, ID: 1000})
				}
			})
		}
	}
}
