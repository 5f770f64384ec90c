package release

import (
	"time"

	"bluegreen/internal/release/reason"
)

// Effect is one thing to be carried out. Every effect may be repeated.
type Effect interface{ effect() }

// Look is to read what the gateway points at and what the colors run.
type Look struct{}

// Deploy is to bring an image to a color at the size that the color Live has now, or at Size
// where that cannot be seen. Cleared is set once DeployCleared is recorded; nothing is
// ordered before.
type Deploy struct {
	Release int
	Color   Color
	Image   Image
	Live    Color
	Size    []int32
	Cleared bool
}

// Verify is to run the checks on a color. Run and Made are those of the CheckRun; "" until
// they are recorded.
type Verify struct {
	Release int
	Color   Color
	Image   Image
	Run     string
	Made    string
}

// Route is to move traffic to a color, or to go on doing so when Operation is set. Towards
// a new color nothing is written before Write is set: until then it is to be found out
// whether the color can carry Size, or what From has now.
type Route struct {
	Release   int
	To        Color
	From      Color
	Image     Image
	Size      []int32
	Write     bool
	Operation string
}

// PrepareTarget is to find out whether the rollback target can take traffic, and to bring
// it back to the image and the size that it had where it has others. Sick is set when the
// version on From is known to be bad, so that its ready pods do not count as capacity.
type PrepareTarget struct {
	Release int
	Target  Target
	From    Color
	Sick    bool
	Other   bool // another image was last seen there
}

// Probe is to look at live traffic, at the rollback target where there is one, and with
// Health at what the gateway says of the live color.
type Probe struct {
	Release int
	Live    Color
	Target  Color
	Image   Image
	Health  bool
}

// FreeSize is to put back what keeps autoscalers from shrinking a color.
type FreeSize struct{ Color Color }

func (Look) effect()          {}
func (Deploy) effect()        {}
func (Verify) effect()        {}
func (Route) effect()         {}
func (PrepareTarget) effect() {}
func (Probe) effect()         {}
func (FreeSize) effect()      {}

// NextEffect returns what is to be carried out now, or nil and the time at which there
// will be something; the zero time when only an event can bring more.
func (s State) NextEffect(p Policy, now time.Time) (Effect, time.Time) {
	if !s.Known {
		return Look{}, now
	}
	look, lookAt := s.corroborate(p, now)
	if look != nil {
		return look, now
	}
	effect, at := s.nextEffect(p, now)
	if effect == nil && !lookAt.IsZero() && (at.IsZero() || lookAt.Before(at)) {
		at = lookAt
	}
	return effect, at
}

// nextEffect is NextEffect without the look that an alert waits for.
func (s State) nextEffect(p Policy, now time.Time) (Effect, time.Time) {
	r := s.Release
	switch r.Phase {
	case Deploying:
		if e := s.endChecks(); e != nil {
			return e, now
		}
		live := s.Serving.Color
		return Deploy{
			Release: r.ID, Color: r.To, Image: r.Image, Live: live, Size: s.Color(live).Observed.size(),
			Cleared: s.Color(r.To).Ordered.Release == r.ID,
		}, now
	case Verifying:
		return s.verify(now)
	case Awaiting:
		if e := s.endChecks(); e != nil {
			return e, now
		}
		if p.Manual && p.Deadline > 0 && s.Pause.IsZero() {
			return nil, r.gateEnd(p)
		}
		return nil, time.Time{}
	case Switching:
		return Route{
			Release: r.ID, To: r.To, From: r.From, Image: r.Image, Operation: r.Progress.Operation,
			Size: s.Color(r.From).Observed.size(), Write: !r.untouched(),
		}, now
	case Baking:
		effect, at := s.probe(p, now)
		if e := s.endChecks(); e != nil && effect == nil {
			return e, now
		}
		return effect, at
	case Returning:
		return s.bringBack(now)
	}
	if e := s.endChecks(); e != nil {
		return e, now
	}
	return s.afterRelease(p, now)
}

// deniedEvery is how often the gateway is written to while only an operator can fix why it
// refuses.
const deniedEvery = 10 * time.Minute

func (s State) bringBack(now time.Time) (Effect, time.Time) {
	r := s.Release
	p := r.Progress
	if again := p.DeniedAt.Add(deniedEvery); !p.DeniedAt.IsZero() && now.Before(again) {
		return nil, again
	}
	if !p.TargetReady && !p.Forced {
		t := p.Target
		t.Replicas = Largest(t.Replicas, s.Color(r.To).Observed.size()) // users may have become more
		seen := s.Color(t.Color).Observed.Image
		return PrepareTarget{
			Release: r.ID, Target: t, From: r.To, Sick: r.Reason != reason.TooFewReady && !r.failsOver(),
			Other: seen.Digest != "" && t.Image.Digest != "" && seen.Digest != t.Image.Digest,
		}, now
	}
	return Route{Release: r.ID, To: r.From, From: r.To, Image: p.Target.Image, Write: true, Operation: p.Operation}, now
}

// Largest is the larger of two sizes, by position.
func Largest(a, b []int32) []int32 {
	if len(a) != len(b) {
		return a // one is not known
	}
	size := make([]int32, len(a))
	for i := range a {
		size[i] = max(a[i], b[i])
	}
	return size
}

func (s State) probe(p Policy, now time.Time) (Effect, time.Time) {
	r := s.Release
	next := r.Progress.ProbedAt.Add(max(p.ProbeEvery, time.Second))
	if end := s.bakeUntil(p); r.Progress.ProbedAt.Before(end) && end.Before(next) {
		next = end
	}
	alert := !s.Alert.IsZero()
	if now.Before(next) && !(alert && s.Alert.LookedAt.IsZero()) {
		return nil, next
	}
	return Probe{Release: r.ID, Live: r.To, Target: r.From, Image: r.Image, Health: alert}, now
}
