package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// fakeGateway is a gateway in memory, and what is known of it without asking as an app does.
type fakeGateway interface {
	engine.Gateway
	Fate(fate func(n int) fake.Fate)
	Rival(to release.Color)
	Neighbour()
	Configured() release.Color
	Effective() release.Color
	Reaches() []release.Color
}

// app is one app with its fakes, and what is known of it without asking its record.
type app struct {
	sim     *sim
	n       int
	name    string
	store   *fake.Store
	gateway fakeGateway
	cluster *fake.Cluster

	behave      [images]fake.Behaviour
	undelivered int
	accepted    map[string]bool

	verified  map[release.Color]string    // digest that passed an outside check since it was deployed
	proven    map[string]bool             // digests that were once verified
	ready     map[release.Color]time.Time // when a pod was last seen ready
	effective release.Color
	reaches   []release.Color // what users' resolvers lead to, effective first
	moved     time.Time       // when the last user followed to where effective last changed to
	rival     time.Time       // when somebody else last wrote to the gateway
	edited    map[release.Color]time.Time
	editedTo  map[release.Color]release.Image
	unedited  map[release.Color]release.Image // what an edited color ran before
	away      bool
	wayBack   release.Color // must not be touched while guarded
	wayTo     release.Color
	bad       map[string]bool // digests that were rolled back
	numbers   int             // of the facts told
}

func (s *sim) newApp(n int) *app {
	now := func() time.Time { return s.now }
	a := &app{
		sim: s, n: n, name: fmt.Sprintf("app-%d", n), store: fake.NewStore(nil), accepted: map[string]bool{},
		verified: map[release.Color]string{}, ready: map[release.Color]time.Time{}, bad: map[string]bool{},
		proven: map[string]bool{}, edited: map[release.Color]time.Time{}, editedTo: map[release.Color]release.Image{}, unedited: map[release.Color]release.Image{}, effective: release.Blue, reaches: []release.Color{release.Blue},
	}
	a.store.KeepValues()
	a.gateway = fake.NewGateway(release.Blue, gatewayTakes, now, nil)
	if s.plan.DNS {
		a.gateway = fake.NewProfile(release.Blue, gatewayTakes/4, gatewayTakes, now, nil)
	}
	a.cluster = fake.NewCluster(now, nil, nil)
	a.cluster.Behave("", fake.Behaviour{Ready: 5 * time.Second})
	for n := range images {
		b, told := s.plan.Behave[n]
		switch {
		case s.plan.Behave == nil:
			b = behaviour(s.plan.Seed, n)
		case !told:
			b = fake.Behaviour{Ready: 5 * time.Second}
		}
		a.behave[n] = b
		a.cluster.Behave(image(n, false, time.Time{}).Digest, b)
	}
	if s.plan.Start != "nothing" {
		first := image(0, false, time.Time{})
		a.cluster.Seed(release.Blue, first, 3)
		a.verified[release.Blue], a.proven[first.Digest] = first.Digest, true
	}
	if s.plan.Start == "both" {
		a.cluster.Seed(release.Green, image(1, false, time.Time{}), 3)
	}
	return a
}

func (a *app) peek() engine.Snapshot {
	snap, err := a.store.Load(context.Background(), a.name)
	if err != nil {
		panic(err)
	}
	return snap
}

// sample looks at what users see.
func (a *app) sample() {
	now := a.sim.now
	for _, c := range []release.Color{release.Blue, release.Green} {
		if _, ready := a.cluster.Running(c); ready > 0 {
			a.ready[c] = now
		}
	}
	if e := a.gateway.Effective(); e != a.effective {
		a.sim.tell("%s: users of %s are now answered by %q", a.name, a.name, e)
		a.effective = e
		if a.sim.plan.Watch != nil {
			a.sim.plan.Watch(now.Sub(epoch), a.users())
		}
	}
	reaches := a.gateway.Reaches()
	if !slices.Equal(reaches, a.reaches) {
		a.reaches, a.moved = reaches, now
	}
}

// users is the tag of the image that answers users; "" when a rival has sent them elsewhere.
func (a *app) users() string {
	if a.gateway.Effective() == "" {
		return ""
	}
	image, _ := a.cluster.Running(a.gateway.Effective())
	return image.Tag
}

// happen makes an item of the plan happen.
func (s *sim) happen(i Item) {
	s.tell("%s", i)
	a := s.apps[i.App%len(s.apps)]
	until := func(end func()) { s.at(s.now.Add(i.For), end) }
	switch i.Kind {
	case Push:
		pushed := image(i.Image, i.ID%3 == 0, s.now.Add(-i.Ago))
		s.accept(a, "push|"+engine.PushIdentity("registry/"+a.name, pushed), func(ctx context.Context, e *engine.Engine) error {
			_, err := e.Pushed(ctx, a.name, pushed, false)
			return err
		})
	case Alert:
		id := fmt.Sprint(i.ID)
		entry, err := engine.AlertEntry(id, release.AlertFired{ID: id, Rule: "errors", FiredAt: s.now.Add(-i.Ago), Color: i.Color}, s.now)
		s.outside(a, entry, err)
	case Order:
		s.command(a, i)
	case NodeLoss:
		a.cluster.Lose(i.Color, true)
		until(func() { a.cluster.Lose(i.Color, false) })
	case Away:
		a.away = true
		a.cluster.Away(true)
		until(func() {
			a.away = false
			a.cluster.Away(false)
		})
	case Edit:
		a.edit(i)
	case Gate:
		a.gateway.Fate(func(int) fake.Fate { return i.Fate })
		until(func() { a.gateway.Fate(nil) })
	case Rival:
		a.gateway.Rival(i.Color)
		a.rival = s.now
	case Neighbour:
		a.gateway.Neighbour()
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
	if edited, ok := a.editedTo[i.Color]; !ok || runs != edited {
		a.unedited[i.Color] = runs
	}
	a.editedTo[i.Color] = image(i.Image, false, time.Time{})
	a.cluster.Edit(i.Color, a.editedTo[i.Color])
	a.edited[i.Color] = a.sim.now
}

func (s *sim) command(a *app, i Item) {
	c := release.Commanded{Command: i.Command, By: "ana", To: i.Color, Force: i.Force && i.Command == release.Switch}
	switch i.Command {
	case release.DeployImage:
		c.Image = image(i.Image, false, time.Time{})
	case release.ReleaseQuarantine:
		c.Digest = image(i.Image, false, time.Time{}).Digest
	}
	entry, err := engine.CommandEntry(fmt.Sprintf("%s-%d", i.Command, i.ID), c, s.now)
	s.outside(a, entry, err)
}

// outside accepts an entry and takes its first steps, as the handlers do.
func (s *sim) outside(a *app, entry engine.Entry, err error) {
	if err != nil {
		panic(err)
	}
	s.accept(a, entry.ID, func(ctx context.Context, e *engine.Engine) error {
		if _, err := e.Accept(ctx, a.name, entry); err != nil {
			return err
		}
		if err := e.HeadStart(ctx, a.name, 4*time.Second); err != nil {
			s.tell("%s: first steps not taken: %v", a.name, err)
		}
		return nil
	})
}

// heal ends everything that fails. What somebody broke by hand is mended by hand.
func (s *sim) heal() {
	s.tell("nothing fails any more")
	clear(s.active)
	for _, a := range s.apps {
		a.away = false
		a.cluster.Away(false)
		a.gateway.Fate(nil)
		for _, c := range []release.Color{release.Blue, release.Green} {
			a.cluster.Lose(c, false)
			runs, _ := a.cluster.Running(c)
			if edited, ok := a.editedTo[c]; ok && c != a.effective && runs == edited {
				a.cluster.Edit(c, a.unedited[c])
			}
		}
		if a.gateway.Configured() == "" {
			live := a.peek().Record.State.Live
			if live == "" {
				live = release.Blue
			}
			a.gateway.Rival(live)
			a.rival = s.now
		}
		if s.plan.Seed%2 == 0 {
			s.at(s.now.Add(6*time.Minute), func() {
				if !a.peek().Record.State.Drift.IsZero() {
					s.command(a, Item{Command: release.ResumeReleases, ID: 1000})
				}
			})
		}
	}
}
