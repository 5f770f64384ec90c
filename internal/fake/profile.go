package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Profile is the fake of engine.Gateway with the manners of Traffic Manager: a write counts
// at once and the last one wins, the name servers follow a moment later, and users only when
// their resolvers have forgotten the answer before.
type Profile struct {
	mu   sync.Mutex
	hook Hook
	now  func() time.Time

	follows, ttl time.Duration
	configured   release.Color // "" leads to something foreign
	answers      []answer      // past, present and future DNS answers; the oldest first
	result       func(n int) OperationResult
	count        int
	health       map[release.Color]engine.Health
}

// answer is the DNS answer from a time on.
type answer struct {
	to   release.Color
	from time.Time
}

// NewProfile makes a profile that leads to a color. The name servers follow a write after
// one duration, and resolvers keep their answers for the other.
func NewProfile(live release.Color, follows, ttl time.Duration, now func() time.Time, hook Hook) *Profile {
	return &Profile{hook: hook, now: now, follows: follows, ttl: ttl, configured: live, answers: []answer{{to: live}}, health: map[release.Color]engine.Health{}}
}

// SetResult sets the result of the n-th write, counted from 1. A write that Fails is refused; a
// write with NoEffect never reaches the name servers.
func (p *Profile) SetResult(result func(n int) OperationResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result = result
}

// SetHealth sets the view of a color, which is healthy otherwise.
func (p *Profile) SetHealth(c release.Color, h engine.Health) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.health[c] = h
}

// Rival writes as another client does. "" leads to something foreign.
func (p *Profile) Rival(to release.Color) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(to, p.follows)
}

// UnrelatedWrite writes as a client that changes other settings, which has no effect here.
func (p *Profile) UnrelatedWrite() {}

// Configured is the target color in the profile, which may not be in effect yet.
func (p *Profile) Configured() release.Color {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.configured
}

// Effective is the color in a new DNS answer.
func (p *Profile) Effective() release.Color {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known()
}

// Reaches are the colors that some user's resolver may lead to now.
func (p *Profile) Reaches() []release.Color {
	p.mu.Lock()
	defer p.mu.Unlock()
	colors, now := []release.Color{p.known()}, p.now()
	for i := 1; i < len(p.answers); i++ { // one is kept for the TTL after the next has come
		at, before := p.answers[i].from, p.answers[i-1].to
		if !at.After(now) && now.Before(at.Add(p.ttl)) && !slices.Contains(colors, before) {
			colors = append(colors, before)
		}
	}
	return colors
}

func (p *Profile) known() release.Color {
	known := p.answers[0].to
	for _, a := range p.answers {
		if !a.from.After(p.now()) {
			known = a.to
		}
	}
	return known
}

// write changes the profile. Name servers that have not received the previous write receive
// this one instead.
func (p *Profile) write(to release.Color, follows time.Duration) {
	p.configured = to
	if last := len(p.answers) - 1; p.answers[last].from.After(p.now()) {
		p.answers = p.answers[:last]
	}
	p.answers = append(p.answers, answer{to, p.now().Add(follows)})
}

// Live implements engine.Gateway.
func (p *Profile) Live(ctx context.Context) (engine.Reading, error) {
	var r engine.Reading
	err := p.hook.around("live", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		r = engine.Reading{Live: p.configured, Detail: "traffic goes to " + string(p.configured), Lag: p.ttl}
		if r.Live == "" {
			r.Detail = "the preferred endpoint is of neither color"
		}
		if known := p.known(); known != p.configured {
			r.Underway, r.Detail = true, r.Detail+"; DNS still answers "+string(known)
		}
		return nil
	})
	return r, err
}

const (
	// never is longer than anything lasts.
	never = 1000 * time.Hour
	// patience is how long the name servers are waited for before a write is made again.
	patience = 2 * time.Minute
)

// Switch implements engine.Gateway.
func (p *Profile) Switch(ctx context.Context, to release.Color, _ int64) (op engine.Operation, err error) {
	if deadline, ok := ctx.Deadline(); ok && !p.now().Before(deadline) {
		return op, fmt.Errorf("not sent: %w", context.DeadlineExceeded)
	}
	err = p.hook.around("switch", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.count++
		result, follows := Succeeds, p.follows
		if p.result != nil {
			result = p.result(p.count)
		}
		switch {
		case p.configured == "":
			return fmt.Errorf("the preferred endpoint is of neither color: %w", engine.ErrDenied)
		case result == Fails:
			return fmt.Errorf("the service answered 500")
		case result == Busy:
			return fmt.Errorf("try again in 14 seconds: %w", engine.ErrBusy)
		case result == Denied:
			return fmt.Errorf("trafficManagerProfiles/write is missing: %w", engine.ErrDenied)
		case result == Slow:
			follows *= 3
		case result == NoEffect:
			follows = never
		}
		p.write(to, follows)
		op = following{To: to, Wrote: p.now()}.operation(false)
		return nil
	})
	return op, err
}

// following is the token of a switch: where to, when it was written, and when DNS first
// answered so.
type following struct {
	To          release.Color
	Wrote, Seen time.Time
}

func (f following) operation(done bool) engine.Operation {
	token, err := json.Marshal(f)
	if err != nil {
		panic(err) // a string and a time
	}
	return engine.Operation{Token: string(token), Done: done, Detail: "resolvers follow"}
}

// Poll implements engine.Gateway.
func (p *Profile) Poll(ctx context.Context, token string) (op engine.Operation, err error) {
	err = p.hook.around("poll", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		var f following
		switch {
		case json.Unmarshal([]byte(token), &f) != nil || f.To == "":
			op = engine.Operation{Token: token, Lost: true, Detail: "the token leads to no switch"}
			return nil
		case p.configured != f.To:
			op = engine.Operation{Token: token, Lost: true, Detail: "another write took the place of this one"}
			return nil
		case f.Seen.IsZero() && p.known() == f.To:
			f.Seen = p.now()
		case f.Seen.IsZero() && !p.now().Before(f.Wrote.Add(patience)):
			op = engine.Operation{Token: token, Lost: true, Detail: "the name servers do not follow"}
			return nil
		}
		op = f.operation(!f.Seen.IsZero() && !p.now().Before(f.Seen.Add(p.ttl)))
		return nil
	})
	return op, err
}

// Health implements engine.Gateway.
func (p *Profile) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	h := engine.Health{Healthy: true}
	err := p.hook.around("health", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if set, ok := p.health[c]; ok {
			h = set
		}
		return nil
	})
	return h, err
}
