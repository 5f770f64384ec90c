package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// Plan describes a run: its apps, workers and policy, and everything that happens from
// outside. Each item may be dropped without making the rest meaningless.
type Plan struct {
	Seed    uint64
	Apps    int
	Workers int
	Skew    time.Duration // by how much the clocks of the workers differ at most
	Policy  release.Policy
	Start   string // "live", "both" or "nothing": the colors that run before the first event
	Shared  bool   // the apps share one gateway, whose writes cancel each other
	// Corroborate is set when the alerts move traffic only with a look that agrees.
	Corroborate bool
	DNS         bool // the gateway is a name, whose answers resolvers keep for a while
	Items       []Item
	Faults      time.Duration // after this time nothing goes wrong any more but the calls listed
	// Behave is how the pods of an image behave, by its number; nil draws it from the seed.
	Behave map[int]fake.Behaviour
	// Watch, unless nil, is called when users of an app come to be answered by another image.
	Watch func(at time.Duration, users string)
}

// Kind is the kind of an item.
type Kind string

const (
	Push           Kind = "push"
	Alert          Kind = "alert"
	Resolved       Kind = "alert resolved"
	Order          Kind = "command"
	NodeLoss       Kind = "nodes lost"
	Away           Kind = "cluster away"
	Edit           Kind = "edited outside bluegreen"
	Storage        Kind = "storage"
	Gate           Kind = "gateway"
	Rival          Kind = "rival"
	UnrelatedWrite Kind = "unrelated write"
	Lag            Kind = "slow calls"
	Deaf           Kind = "wake-ups lost"
	Repeat         Kind = "messages repeated"
	Call           Kind = "call"
)

// Item is one thing that happens from outside. The fields that count depend on its kind.
type Item struct {
	Kind    Kind
	At      time.Duration
	When    release.Phase // when set, At counts from the first time that a release is in it
	For     time.Duration
	App     int
	Image   int
	Ago     time.Duration
	Color   release.Color
	ID      int
	Command release.Command
	Force   bool
	Result  fake.OperationResult
	N       int // number of the outside call, of messages, of writes or of pods
	Share   float64
	How     How
}

// How is the way in which a call goes wrong.
type How string

const (
	Refused        How = "refused"
	ReportedFailed How = "done, reported as failed"
	Frozen         How = "frozen before"
	FrozenAfter    How = "frozen after"
	KilledBefore   How = "worker killed before"
	KilledAfter    How = "worker killed after"
)

func (i Item) String() string {
	at := i.At.Round(time.Millisecond).String()
	if i.When != "" {
		at = fmt.Sprintf("%s + %s", i.When, at)
	}
	text := fmt.Sprintf("%8s  app %d: %s", at, i.App, i.Kind)
	if d, ok := disturbanceOf(i.Kind); ok {
		return text + " " + d.says(i)
	}
	switch i.Kind {
	case Push:
		text += fmt.Sprintf(" %s, pushed %s before", tag(i.Image), i.Ago)
	case Alert:
		text += fmt.Sprintf(" %d %s, fired %s before", i.ID, i.Color, i.Ago)
	case Resolved:
		text += fmt.Sprintf(" %d", i.ID)
	case Order:
		text += fmt.Sprintf(" %s %s force=%v (key %d)", i.Command, tag(i.Image), i.Force, i.ID)
	case Call:
		return fmt.Sprintf("call %4d  %s for %s", i.N, i.How, i.For)
	case Gate:
		text += fmt.Sprintf(" %s for %s", []string{"succeeds", "fails", "is busy", "denies", "is slow", "reports success without effect"}[i.Result], i.For)
	case Storage:
		text += fmt.Sprintf(" %s for %s", i.How, i.For)
	case Repeat:
		text += fmt.Sprintf(" %d, over %s", i.N, i.For)
	case Rival:
		text += fmt.Sprintf(" writes %q", i.Color)
	default:
		text += fmt.Sprintf(" %s for %s", i.Color, i.For)
	}
	return text
}

// String lists the plan, one line for each item.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d apps (shared gateway %v, by DNS %v, alerts corroborated %v) that start with %s, %d workers, clocks %s apart; manual %v default %q deadline %s, bake %s, standby %+v, failover %s, first %s\n",
		p.Seed, p.Apps, p.Shared, p.DNS, p.Corroborate, p.Start, p.Workers, p.Skew, p.Policy.Manual, p.Policy.Default, p.Policy.Deadline, p.Policy.Bake, p.Policy.Standby, p.Policy.Failover, p.Policy.First)
	for _, i := range p.Items {
		b.WriteString("  " + i.String() + "\n")
	}
	return b.String()
}

// images is how many images an app may see; how each behaves follows from its number and
// the seed.
const images = 8

func tag(n int) string { return fmt.Sprintf("%d.0", n+1) }

// Policy is an hour's policy squeezed into minutes.
func Policy() release.Policy {
	return release.Policy{
		First: release.Blue, RolloutTimeout: 2 * time.Minute, PullGrace: time.Minute, VerifyTimeout: time.Minute,
		SwitchTimeout: 3 * time.Minute, Bake: time.Minute, ProbeEvery: 15 * time.Second, ProbeMisses: 2,
		RollbackWindow: 6 * time.Minute, RetireAfter: 2 * time.Minute,
	}
}

// Generate draws a plan from a seed.
func Generate(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 7))
	p := Plan{Seed: seed, Apps: 1, Workers: 1 + r.IntN(3), Policy: Policy(), Start: "live", Faults: 8 * time.Minute}
	settings(r, &p)
	for range 2 + r.IntN(6) {
		p.Items = append(p.Items, happens(r, &p))
	}
	for range r.IntN(4) {
		p.Items = append(p.Items, breaks(r, &p))
	}
	for range r.IntN(4) {
		p.Items = append(p.Items, fault(r))
	}
	for i := range p.Items {
		p.Items[i].App = r.IntN(p.Apps)
	}
	p.DNS = r.IntN(4) == 0
	p.Items = append(p.Items, disturbed(&p)...)
	p.Items = append(p.Items, alarms(&p)...)
	p.Items = append(p.Items, goesBack(&p)...)
	slices.SortStableFunc(p.Items, func(a, b Item) int { return int(a.At - b.At) })
	return p
}

// goesBack draws releases one after another, and then a rollback to a version before that of
// the rollback target. Its source is its own, so that a seed keeps its other items.
func goesBack(p *Plan) (items []Item) {
	r := rand.New(rand.NewPCG(p.Seed, 13))
	if r.IntN(5) > 0 {
		return nil
	}
	for n := range 3 {
		items = append(items, Item{Kind: Push, Image: 1 + n, ID: 100 + n, At: time.Duration(20+110*n) * time.Second})
	}
	return append(items, Item{Kind: Order, Command: release.Rollback, Force: true, ID: 103, At: time.Duration(340+r.IntN(120)) * time.Second})
}

// alarms draws whether alerts have to be corroborated, and then more of them, of which some are
// resolved. Its source is its own, so that a seed keeps its other items.
func alarms(p *Plan) (items []Item) {
	r := rand.New(rand.NewPCG(p.Seed, 9))
	if p.Corroborate = r.IntN(3) == 0; !p.Corroborate {
		return nil
	}
	for range 1 + r.IntN(3) {
		i := Item{Kind: Alert, At: moment(r, p), ID: 100 + r.IntN(40), App: r.IntN(p.Apps)}
		if r.IntN(2) == 0 {
			i.When, i.At = []release.Phase{release.Switching, release.Baking, release.Completed}[r.IntN(3)], time.Duration(r.IntN(60))*time.Second
		}
		items = append(items, i)
		if r.IntN(3) == 0 {
			i.Kind, i.At = Resolved, i.At+time.Duration(r.IntN(120))*time.Second
			items = append(items, i)
		}
	}
	return items
}

// settings draws what does not change during a run.
func settings(r *rand.Rand, p *Plan) {
	if r.IntN(6) == 0 {
		p.Apps, p.Shared = 2, r.IntN(2) == 0
	}
	if r.IntN(3) == 0 {
		p.Skew = 4 * time.Second
	}
	switch r.IntN(8) {
	case 0:
		p.Start = "nothing"
	case 1:
		p.Start = "both"
	}
	p.Policy.Manual = r.IntN(6) == 0
	if p.Policy.Manual && r.IntN(3) > 0 {
		p.Policy.Deadline, p.Policy.Default = time.Minute, []string{"cancel", "promote"}[r.IntN(2)]
	}
	p.Policy.Standby.Size = []release.StandbySize{release.StandbyZero, release.StandbyZero, release.StandbyMinimum, release.StandbyReady}[r.IntN(4)]
	p.Policy.Standby.Same = r.IntN(4) == 0
	p.Policy.Failover = []release.FailoverMode{release.FailoverManual, release.FailoverAlert, release.FailoverAlert, release.FailoverOff}[r.IntN(4)]
	p.Policy.First = []release.Color{release.Blue, release.Green}[r.IntN(2)]
}

func moment(r *rand.Rand, p *Plan) time.Duration { return time.Duration(r.Int64N(int64(p.Faults))) }

func color(r *rand.Rand) release.Color {
	return []release.Color{release.Blue, release.Green}[r.IntN(2)]
}

// happens draws an event of ordinary operation.
func happens(r *rand.Rand, p *Plan) Item {
	i := Item{At: moment(r, p), Image: 1 + r.IntN(images-1), ID: r.IntN(40)}
	switch n := r.IntN(16); {
	case n < 8:
		i.Kind = Push
		i.At /= time.Duration(1 + r.IntN(4))
		if r.IntN(4) == 0 {
			i.Ago = time.Duration(r.IntN(400)) * time.Second
		}
	case n < 11:
		i.Kind = Alert
		if r.IntN(3) == 0 {
			i.Color = color(r)
		}
		if r.IntN(3) == 0 {
			i.Ago = time.Duration(r.IntN(300)) * time.Second
		}
	default:
		i.Kind = Order
		commands := []release.Command{
			release.Switch, release.Switch, release.DeployImage, release.Promote, release.Rollback,
			release.PauseReleases, release.ResumeReleases, release.ResumeReleases, release.Cancel, release.ReleaseQuarantine,
			release.Failover, release.Failover, release.Forget, release.ExtendBake,
		}
		i.Command = commands[r.IntN(len(commands))]
		i.Force = r.IntN(3) == 0
		if r.IntN(3) == 0 {
			i.Color = color(r)
		}
	}
	return i
}

// breaks draws a fault that lasts for a while.
func breaks(r *rand.Rand, p *Plan) Item {
	i := Item{At: moment(r, p), For: time.Duration(1+r.IntN(150)) * time.Second, Color: color(r)}
	switch r.IntN(11) {
	case 0:
		i.Kind = NodeLoss
	case 1:
		i.Kind = Away
	case 2:
		i.Kind, i.How = Storage, []How{Refused, ReportedFailed}[r.IntN(2)]
	case 3, 4:
		i.Kind, i.Result = Gate, []fake.OperationResult{fake.Fails, fake.Busy, fake.Denied, fake.Slow, fake.NoEffect}[r.IntN(5)]
	case 5:
		i.Kind = Rival
		if r.IntN(4) == 0 {
			i.Color = ""
		}
	case 6:
		i.Kind = UnrelatedWrite
	case 7:
		i.Kind = Lag
	case 8:
		i.Kind = Deaf
	case 9:
		i.Kind, i.Image = Edit, r.IntN(images)
	case 10:
		i.Kind, i.N = Repeat, 1+r.IntN(100)
	}
	return i
}

// fault draws one call that goes wrong.
func fault(r *rand.Rand) Item {
	i := Item{Kind: Call, N: 1 + r.IntN(500), At: time.Hour}
	i.How = []How{Refused, ReportedFailed, Frozen, FrozenAfter, KilledBefore, KilledAfter}[r.IntN(6)]
	if i.How == Frozen || i.How == FrozenAfter {
		i.For = time.Duration(10+r.IntN(140)) * time.Second
	}
	return i
}

// behaviour draws how pods of the n-th image behave. The first is always good.
func behaviour(seed uint64, n int) fake.Behaviour {
	good := fake.Behaviour{Ready: 5 * time.Second}
	if n == 0 {
		return good
	}
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	switch r.IntN(12) {
	case 0:
		return fake.Behaviour{Never: "readiness probe failed"}
	case 1:
		return fake.Behaviour{Never: "invalid image name", Status: release.Broken}
	case 2:
		return fake.Behaviour{Never: "manifest unknown", Status: release.PullFailing}
	case 3:
		return fake.Behaviour{Ready: 5 * time.Second, CrashAfter: time.Duration(5+r.IntN(200)) * time.Second}
	case 4:
		return fake.Behaviour{Ready: 5 * time.Second, Errors: true}
	case 5:
		return fake.Behaviour{Ready: 40 * time.Second}
	}
	return good
}
