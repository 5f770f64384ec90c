package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Gateway is the fake of engine.Gateway, and behaves like Application Gateway: the last write
// wins and cancels the one before it, a configuration takes effect only when its operation has
// ended, and an operation can fail.
type Gateway struct {
	mu   sync.Mutex
	hook Hook
	now  func() time.Time

	takes      time.Duration
	early      bool          // it says that an operation has ended as soon as it is accepted
	configured release.Color // "" points at something foreign
	effective  release.Color
	running    string
	operations map[string]*operation
	count      int
	result     func(n int) OperationResult
	health     map[release.Color]engine.Health
	moves      []Move
}

// OperationResult is how an operation ends.
type OperationResult int

const (
	Succeeds OperationResult = iota
	Fails                    // ends as failed, nothing changed
	Busy                     // refused because another operation runs
	Denied                   // refused for want of a permission
	Slow                     // takes three times as long
	NoEffect                 // ends as succeeded although nothing changed
)

// Move is a change of where users' requests go.
type Move struct {
	To release.Color
	At time.Time
}

type operation struct {
	to     release.Color
	ends   time.Time
	result OperationResult
	state  string // running, succeeded, failed, canceled
}

// NewGateway makes a gateway that sends traffic to a color. Operations take the given time.
func NewGateway(live release.Color, takes time.Duration, now func() time.Time, hook Hook) *Gateway {
	return &Gateway{
		hook: hook, now: now, takes: takes, configured: live, effective: live,
		operations: map[string]*operation{}, health: map[release.Color]engine.Health{},
	}
}

// SetResult sets the result of the n-th operation, counted from 1.
func (g *Gateway) SetResult(result func(n int) OperationResult) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.result = result
}

// SetHealth sets the gateway's view of a color, which is healthy otherwise.
func (g *Gateway) SetHealth(c release.Color, h engine.Health) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.health[c] = h
}

// Slowly makes operations that begin from now on take the given time.
func (g *Gateway) Slowly(takes time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.takes = takes
}

// SaysEndedEarly makes readings say that no operation is running, whatever runs.
func (g *Gateway) SaysEndedEarly(early bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.early = early
}

// Rival writes as another client does: it cancels a running operation and takes effect
// after the usual time. "" points the rules at something foreign.
func (g *Gateway) Rival(to release.Color) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	g.begin(to, Succeeds)
}

// UnrelatedWrite writes as a client that changes other rules: this cancels a running operation, but
// applies its change, because the client has read it.
func (g *Gateway) UnrelatedWrite() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	if op := g.operations[g.running]; op != nil && op.state == "running" {
		g.begin(g.configured, Succeeds)
	}
}

// Configured is the target color in the gateway's configuration, which may not be in effect yet.
func (g *Gateway) Configured() release.Color {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	return g.configured
}

// Effective is where users' requests go now.
func (g *Gateway) Effective() release.Color {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	return g.effective
}

// Reaches are the colors that users may reach now: one, because the gateway routes all users alike.
func (g *Gateway) Reaches() []release.Color { return []release.Color{g.Effective()} }

// Moves returns every change of where users' requests went.
func (g *Gateway) Moves() []Move {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	return append([]Move(nil), g.moves...)
}

// settle ends the operations whose time is over.
func (g *Gateway) settle() {
	op := g.operations[g.running]
	if op == nil || op.state != "running" || g.now().Before(op.ends) {
		return
	}
	if op.result == Fails {
		op.state = "failed"
		g.configured = g.effective
		return
	}
	op.state = "succeeded"
	if op.result == NoEffect {
		g.configured = g.effective
		return
	}
	if g.effective != op.to {
		g.effective = op.to
		g.moves = append(g.moves, Move{To: op.to, At: op.ends})
	}
}

func (g *Gateway) begin(to release.Color, result OperationResult) string {
	if op := g.operations[g.running]; op != nil && op.state == "running" {
		op.state = "canceled"
	}
	g.count++
	g.running = fmt.Sprintf("operation-%d", g.count)
	takes := g.takes
	if result == Slow {
		takes *= 3
	}
	g.operations[g.running] = &operation{to: to, ends: g.now().Add(takes), result: result, state: "running"}
	g.configured = to
	g.settle()
	return g.running
}

func (g *Gateway) locked(call string, do func() error) error {
	return g.hook.around(call, func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.settle()
		return do()
	})
}

// Live implements engine.Gateway.
func (g *Gateway) Live(ctx context.Context) (engine.Reading, error) {
	var r engine.Reading
	err := g.locked("live", func() error {
		r = engine.Reading{Live: g.configured, Detail: "traffic goes to " + string(g.configured)}
		if g.configured == "" {
			r.Detail = "the rule points at a pool of neither color"
		}
		if op := g.operations[g.running]; op != nil && op.state == "running" && !g.early {
			r.Underway, r.Detail = true, r.Detail+"; the gateway is Updating"
		}
		return nil
	})
	return r, err
}

// Switch implements engine.Gateway.
func (g *Gateway) Switch(ctx context.Context, to release.Color, fence int64) (engine.Operation, error) {
	var op engine.Operation
	if deadline, ok := ctx.Deadline(); ok && !g.now().Before(deadline) {
		return op, fmt.Errorf("not sent: %w", context.DeadlineExceeded)
	}
	err := g.locked("switch", func() error {
		result := Succeeds
		if g.result != nil {
			result = g.result(g.count + 1)
		}
		switch {
		case g.configured == "":
			return fmt.Errorf("the rule points at a pool of neither color: %w", engine.ErrDenied)
		case result == Busy:
			g.count++
			return fmt.Errorf("try again in 14 seconds: %w", engine.ErrBusy)
		case result == Denied:
			g.count++
			return fmt.Errorf("applicationGateways/write is missing: %w", engine.ErrDenied)
		}
		token := g.begin(to, result)
		op = engine.Operation{Token: token, Done: g.operations[token].state == "succeeded"}
		return nil
	})
	return op, err
}

// Poll implements engine.Gateway.
func (g *Gateway) Poll(ctx context.Context, token string) (engine.Operation, error) {
	var result engine.Operation
	err := g.locked("poll", func() error {
		op, ok := g.operations[token]
		result = engine.Operation{Token: token}
		switch {
		case !ok:
			result.Lost, result.Detail = true, "the gateway does not know the operation"
		case op.state == "succeeded":
			result.Done = true
		case op.state != "running":
			result.Lost, result.Detail = true, "the operation was "+op.state
		}
		return nil
	})
	return result, err
}

// Health implements engine.Gateway.
func (g *Gateway) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	h := engine.Health{Healthy: true}
	err := g.locked("health", func() error {
		if set, ok := g.health[c]; ok {
			h = set
		}
		return nil
	})
	return h, err
}
