package simulation

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// epoch lies in the far future, so that deadlines of contexts, which the simulation
// checks by its own clock, never end by the clock of the machine.
var epoch = time.Date(2126, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	// settling is how long everything may take to come to rest after the last fault.
	settling = 40 * time.Minute
	// busy is how many outside calls a run may make: more is a loop that does not wait.
	busy = 12_000
	// gatewayTakes is the time of an ordinary operation of the gateway.
	gatewayTakes = 20 * time.Second
)

// sim is one run of a plan.
type sim struct {
	plan    Plan
	now     time.Time
	dice    *rand.Rand
	tasks   tasks
	order   int
	current *task
	workers []*worker
	apps    []*app
	wakeups *fake.Wakeups
	calls   int
	faults  map[int]Item
	waiting []Item // for a phase
	ticks   int
	over    bool  // everything has come to rest
	broken  error // the first promise that was found broken
	log     func(format string, args ...any)
	active  map[Kind]Item // faults that last, not bound to an app
}

// worker is a process with a clock of its own and an engine for each app.
type worker struct {
	name    string
	skew    time.Duration
	engines []*engine.Engine
	lives   int
}

// task is one invocation. It runs until its next outside call or sleep.
type task struct {
	at     time.Time
	order  int
	worker *worker
	app    *app
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	do     func() // instead of an invocation: an item of the plan

	tick    bool   // a clock tick, not a message or an event
	owner   string // under which it has claimed the app; "" when that is not saved
	reasons reasons
	knows   *saved    // the record, as it last loaded or saved it
	probed  time.Time // when the last check of the public address was due
	// probedLast is when it was made.
	probedLast time.Time
}

// killed ends an invocation where it stands.
type killed struct{}

// Outcome is how a run ended.
type Outcome struct {
	Calls    int    // made to the outside
	Messages int    // sent for the first app
	Probes   int    // of its public address during a bake
	Users    string // tag of the image that answers the users of the first app
	Releases int    // of the first app
	Phase    release.Phase
}

// Run runs a plan and returns the first promise that was broken, or nil. It reports what
// happens to log, line by line, unless that is nil.
func Run(p Plan, log func(format string, args ...any)) (Outcome, error) {
	s := &sim{
		plan: p, now: epoch, dice: rand.New(rand.NewPCG(p.Seed, 1)), faults: map[int]Item{},
		wakeups: fake.NewWakeups(nil), log: log, active: map[Kind]Item{},
	}
	for n := range p.Apps {
		s.apps = append(s.apps, s.newApp(n))
	}
	for n := range max(1, p.Workers) {
		w := &worker{name: fmt.Sprintf("w%d", n), skew: p.Skew * time.Duration(n) / time.Duration(max(1, p.Workers-1))}
		s.restart(w)
		s.workers = append(s.workers, w)
	}
	s.schedule(p.Items)
	s.at(epoch.Add(time.Second), s.tick)
	s.at(epoch.Add(p.Faults), s.heal)
	s.at(epoch.Add(p.Faults+2*time.Minute), s.rest)
	s.loop()
	for _, t := range s.tasks {
		if t.stop != nil {
			t.stop()
		}
	}
	first := s.apps[0]
	r := first.saved
	return Outcome{
		Calls: s.calls, Messages: first.messages, Probes: first.probes,
		Users: first.users(), Releases: r.id, Phase: r.phase,
	}, s.broken
}

// schedule plans what happens at a time, in a phase or at a call.
func (s *sim) schedule(items []Item) {
	for _, i := range items {
		switch {
		case i.Kind == Call:
			s.faults[i.N] = i
			continue
		case i.When != "":
			s.waiting = append(s.waiting, i)
			continue
		}
		s.at(epoch.Add(i.At), func() { s.happen(i) })
	}
}

// Writes stands, as what an item waits for, for the moment from which traffic may move.
const Writes release.Phase = "writes"

// entered schedules the items that wait for a phase.
func (s *sim) entered(p release.Phase) {
	s.waiting = slices.DeleteFunc(s.waiting, func(i Item) bool {
		if i.When == p {
			s.at(s.now.Add(i.At), func() { s.happen(i) })
		}
		return i.When == p
	})
}

func (s *sim) logf(format string, args ...any) {
	if s.log != nil {
		s.log("%10s  %s", s.now.Sub(epoch).Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

func (s *sim) fail(format string, args ...any) {
	if s.broken == nil {
		s.broken = fmt.Errorf("after %s: %s", s.now.Sub(epoch).Round(time.Millisecond), fmt.Sprintf(format, args...))
		s.logf("BROKEN: %v", s.broken)
	}
}

func (s *sim) loop() {
	end := epoch.Add(s.plan.Faults + settling)
	for s.broken == nil && !s.over {
		if s.calls > busy {
			s.fail("%d outside calls: something loops without waiting", s.calls)
			return
		}
		if at, ok := s.wakeups.Next(); ok && (len(s.tasks) == 0 || !at.After(s.tasks[0].at)) {
			s.advance(at)
			s.wake()
			continue
		}
		t := heap.Pop(&s.tasks).(*task)
		s.advance(t.at)
		if s.now.After(end) {
			s.end()
			return
		}
		s.resume(t)
	}
}

func (s *sim) advance(to time.Time) {
	if to.After(s.now) {
		s.now = to
	}
	s.sample()
}

func (s *sim) sample() {
	for _, a := range s.apps {
		a.sample()
	}
}

// at schedules something outside of any worker.
func (s *sim) at(when time.Time, do func()) {
	s.push(&task{at: when, do: do})
}

func (s *sim) push(t *task) {
	s.order++
	t.order = s.order
	heap.Push(&s.tasks, t)
}

func (s *sim) resume(t *task) {
	if t.do != nil {
		t.do()
		s.sample()
		return
	}
	s.current = t
	if _, more := t.next(); more {
		s.push(t)
	}
	s.current = nil
}

// invoke starts an invocation on a worker. When it ends, then is called with whether it was
// killed, and with its error otherwise.
func (s *sim) invoke(w *worker, a *app, do func(ctx context.Context, e *engine.Engine) error, then func(dead bool, err error)) *task {
	t := &task{at: s.now, worker: w, app: a}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		var err error
		dead := true
		func() {
			defer func() {
				if r := recover(); r != nil && r != (killed{}) {
					panic(fmt.Sprintf("%v\n%s", r, debug.Stack()))
				}
			}()
			err = do(context.Background(), w.engines[a.n])
			dead = false
		}()
		if then != nil && s.broken == nil {
			then(dead, err)
		}
	})
	s.push(t)
	return t
}

// pause lets time pass for the present invocation.
func (s *sim) pause(d time.Duration) {
	t := s.current
	if t == nil { // the run is over, and what recovers from panics goes on
		panic(killed{})
	}
	t.at = s.now.Add(d)
	if !t.yield(struct{}{}) {
		panic(killed{})
	}
}

// kill ends the present invocation, and its process: the next ones find a new one.
func (s *sim) kill() {
	w := s.current.worker
	s.logf("%s is killed", w.name)
	s.restart(w)
	panic(killed{})
}

func (s *sim) restart(w *worker) {
	w.lives++
	w.engines = nil
	for _, a := range s.apps {
		w.engines = append(w.engines, s.newEngine(w, a))
	}
}

func (s *sim) newEngine(w *worker, a *app) *engine.Engine {
	ports := &ports{sim: s, app: a, name: fmt.Sprintf("%s.%d", w.name, w.lives)}
	return engine.New(engine.Options{
		Store: store{ports}, Wakeups: ports, Name: ports.name, Poll: 3 * time.Second,
		Beside: func(work func()) {
			if s.current.tick { // what a worker publishes beside its work would not repeat with its seed
				work()
			}
		},
		Now: func() time.Time { return s.now.Add(w.skew) },
		Sleep: func(ctx context.Context, d time.Duration) error {
			s.pause(d)
			return nil
		},
		Apps: []engine.App{{
			Name: a.name, Repository: "registry/" + a.name, Policy: a.policy, Registry: registry{ports},
			Gateway: gateway{ports}, Workloads: workloads{ports}, Fingerprint: fmt.Sprint(a.configs),
			Before:   []engine.Check{check{ports, false}, check{ports, false}, engine.GatewayHealth{Gateway: gateway{ports}}},
			During:   []engine.Check{check{ports, true}},
			Channels: []engine.Channel{{Name: channel, Notifier: notifier{ports}, Kinds: release.PublishedKinds()}},
		}},
	})
}

func (s *sim) anyWorker() *worker { return s.workers[s.dice.IntN(len(s.workers))] }

// tick is the clock tick of every minute.
func (s *sim) tick() {
	s.ticks++
	for _, a := range s.apps {
		t := s.invoke(s.anyWorker(), a, func(ctx context.Context, e *engine.Engine) error { return e.TickApp(ctx, a.name) }, nil)
		t.tick, t.reasons.overdue = true, true
	}
	s.at(epoch.Add(time.Duration(s.ticks)*time.Minute+time.Second), s.tick)
}

// wake delivers the wake-up that is due.
func (s *sim) wake() {
	wake, _ := s.wakeups.Due(s.now)
	for _, a := range s.apps {
		if a.name == wake.App {
			s.deliver(a, 5)
		}
	}
}

// deliver delivers a queue message to a worker, and again when that fails.
func (s *sim) deliver(a *app, tries int) {
	s.invoke(s.anyWorker(), a, func(ctx context.Context, e *engine.Engine) error { return e.Step(ctx, a.name, 0) }, func(dead bool, err error) {
		if (dead || err != nil) && tries > 1 {
			if err != nil {
				s.logf("app %s: a step failed: %v", a.name, err)
			}
			after := 10 * time.Second
			if dead {
				after = 5 * time.Minute
			}
			s.at(s.now.Add(after), func() { s.deliver(a, tries-1) })
		}
	})
}

// accept delivers an event to workers until one accepts it.
func (s *sim) accept(a *app, id string, do func(ctx context.Context, e *engine.Engine) error) {
	a.undelivered++
	var try func()
	try = func() {
		s.invoke(s.anyWorker(), a, do, func(dead bool, err error) {
			if dead || err != nil {
				s.at(s.now.Add(10*time.Second), try)
				return
			}
			a.undelivered--
			a.accepted[id] = true
			ask(a, func(h onSettle) error { return h.settled() })
		})
	}
	try()
}

// tasks is a heap by time, then by order of coming.
type tasks []*task

func (t tasks) Len() int { return len(t) }
func (t tasks) Less(i, j int) bool {
	if !t[i].at.Equal(t[j].at) {
		return t[i].at.Before(t[j].at)
	}
	return t[i].order < t[j].order
}
func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)   { *t = append(*t, x.(*task)) }
func (t *tasks) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// rest ends the run once everything has come to rest, which is looked at between ticks.
func (s *sim) rest() {
	s.over = s.atRest()
	s.at(s.now.Add(30*time.Second), s.rest)
}

func (s *sim) atRest() bool {
	for _, t := range s.tasks {
		if t.do == nil {
			return false
		}
	}
	for _, a := range s.apps {
		if _, err := a.restless(); err != nil {
			return false
		}
	}
	return true
}

// end fails the run for each app that has had its time to come to rest and has not.
func (s *sim) end() {
	for _, a := range s.apps {
		if p, err := a.restless(); err != nil {
			s.fail("promise %s: %s never comes to rest: %v (%s)", p.Name(), a.name, err, explain(a.peek().Record, a.policy, s.now))
		}
	}
}

// restless returns the first promise that keeps an app from being at rest, and why.
func (a *app) restless() (promise, error) {
	snap := a.peek()
	for _, p := range a.promises {
		if r, ok := p.(atRest); ok {
			if err := r.restless(snap); err != nil {
				return p, err
			}
		}
	}
	return nil, nil
}

var errOutside = errors.New("the service does not answer")

func image(n int, again bool, at time.Time) release.Image {
	i := release.Image{Tag: tag(n), Digest: fmt.Sprintf("sha256:%02d", n), PushedAt: at}
	if again {
		i.Tag += "-again"
	}
	return i
}
