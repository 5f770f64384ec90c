package trafficmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// operation is a switch that has been written and is not yet seen by every user. As JSON
// it is the token: all that another process needs to follow it.
type operation struct {
	To    release.Color `json:"to"`
	Wrote time.Time     `json:"wrote"`
	// Seen is when DNS first answered the color. Resolvers may have asked just before, and
	// keep that answer for the profile's TTL.
	Seen time.Time `json:"seen,omitzero"`
}

func (o operation) running(detail string) engine.Operation {
	token, err := json.Marshal(o)
	if err != nil {
		panic(err) // a string and a time
	}
	return engine.Operation{Token: string(token), Detail: detail}
}

// patience is how long the name servers are waited for before the write is made again. How
// long they take is not documented; seconds to a minute are reported.
const patience = 2 * time.Minute

// Poll implements engine.Gateway. A switch is done when DNS answers the color and every
// answer from before has run out; from then on only clients that ignore the TTL, or keep a
// connection open, are still with the other color.
func (g *Gateway) Poll(ctx context.Context, token string) (engine.Operation, error) {
	var o operation
	if err := json.Unmarshal([]byte(token), &o); err != nil || o.To != release.Blue && o.To != release.Green {
		return engine.Operation{Token: token, Lost: true, Detail: "what was saved of the switch does not lead to one"}, nil
	}
	p, err := g.read(ctx)
	if err != nil {
		return engine.Operation{}, err
	}
	if p.live() != o.To {
		return engine.Operation{Token: token, Lost: true, Detail: "another write to the profile took this one's place: " + p.describe()}, nil
	}
	if o.Seen.IsZero() {
		why := g.unseen(ctx, p, o.To)
		switch {
		case why == "":
			o.Seen = g.now()
		case g.now().After(o.Wrote.Add(patience)):
			return engine.Operation{Token: token, Lost: true, Detail: "the profile is changed, " + why}, nil
		default:
			return o.running("the profile is changed, " + why), nil
		}
	}
	if until := o.Seen.Add(p.ttl()); g.now().Before(until) {
		return o.running(fmt.Sprintf("%s answers %s; resolvers may keep the old answer until %s (TTL %s)", p.fqdn(), o.To, until.UTC().Format("15:04:05 UTC"), p.ttl())), nil
	}
	return engine.Operation{Token: token, Done: true}, nil
}

// lookupTime bounds the look at DNS; resolvers without an answer are given up by then.
const lookupTime = 5 * time.Second

// unseen is the reason why DNS does not lead to a color yet, "" when it does.
func (g *Gateway) unseen(ctx context.Context, p profile, to release.Color) string {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	now, err := g.resolver.LookupHost(ctx, p.fqdn())
	if err != nil {
		return fmt.Sprintf("its name cannot be looked up: %v", err)
	}
	target, err := g.resolver.LookupHost(ctx, p.target(to))
	if err != nil {
		return fmt.Sprintf("the address of %s cannot be looked up: %v", to, err)
	}
	if !overlap(now, target) {
		return fmt.Sprintf("%s does not answer %s yet (%s) but %s", p.fqdn(), to, strings.Join(target, ", "), strings.Join(now, ", "))
	}
	return ""
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
