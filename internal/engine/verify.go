package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bluegreen/internal/release"
)

// checking is how many checks of a run have passed in a row, what each has found, and who signed
// the image, once that is known.
type checking struct {
	release int
	run     string
	passed  int
	signer  string
	found   []string
}

// evidence is what the checks have found; what several in a row have found is named once.
func (c checking) evidence() string {
	var parts []string
	for i := 0; i < len(c.found); {
		same := i
		for same < len(c.found) && c.found[same] == c.found[i] {
			same++
		}
		part := c.found[i]
		if n := same - i; n > 1 {
			part += fmt.Sprintf(" (%d times)", n)
		}
		if part != "" {
			parts = append(parts, part)
		}
		i = same
	}
	return strings.Join(parts, "; ")
}

// again begins the checks again. What was found of a signature stays: it is of a digest.
func (c *checking) again() {
	if c.passed = 0; c.signer != "" {
		c.passed = 1
	}
	c.found = c.found[:min(c.passed, len(c.found))]
}

// signedEvery is how many polls pass from one look for a signature to the next.
const signedEvery = 5

// verify looks at the color and makes the next check. All are made in order; one that does
// not pass makes them begin again.
func (w *worker) verify(ctx context.Context, e release.Verify) stepResult {
	if e.Run == "" && w.makes() {
		return saw(w.newRun(e))
	}
	if w.checking.release != e.Release || w.checking.run != e.Run {
		w.checking = checking{release: e.Release, run: e.Run}
	}
	o, err := w.app.Workloads.Observe(ctx, e.Color, e.Image, w.Poll)
	if err != nil {
		return failed(fmt.Errorf("look at %s: %w", e.Color, err))
	}
	seen := release.ChecksObserved{Release: e.Release, Color: e.Color, Run: e.Run, Seen: observed(o)}
	found := w.judge(ctx, e, o)
	if found.Signer != "" {
		w.checking.signer = found.Signer
	}
	seen.Verdict, seen.Detail, seen.Made = found.Verdict, found.Detail, found.Made
	seen.Signer, seen.Unsigned = w.checking.signer, found.Unsigned
	switch next := w.checking.passed + 1; {
	case found.Again:
		w.checking.again()
		return stepResult{Seen: []release.Event{seen, w.newRun(e)}, Wait: w.Poll}
	case found.Made != "":
		return stepResult{Seen: []release.Event{seen}}
	case found.Verdict == release.Unknown:
		return failed(errors.New(found.Detail))
	case found.Verdict == release.Passed && next < len(w.app.Before):
		w.checking.passed, w.checking.found = next, append(w.checking.found, found.Detail)
		return stepResult{Wait: w.again(w.app.Before, next)}
	case found.Unsigned:
		return stepResult{Seen: []release.Event{seen}, Wait: signedEvery * w.Poll}
	case found.Verdict == release.Undecided:
		w.checking.again()
		return stepResult{Seen: []release.Event{seen}, Wait: w.Poll}
	case found.Verdict == release.Passed:
		w.checking.found = append(w.checking.found, found.Detail)
		seen.Detail = w.checking.evidence()
	}
	w.checking = checking{}
	return saw(seen)
}

// judge looks at the rollout first: a check of pods that are not those of the release says
// nothing about it.
func (w *worker) judge(ctx context.Context, e release.Verify, o Workload) Result {
	switch {
	case o.Status == release.Broken:
		return Result{Verdict: release.Refuted, Detail: o.Detail}
	case e.Image.Digest != "" && o.Running.Digest == "":
		return Result{Verdict: release.Undecided, Detail: "what it runs is not known: " + o.Detail}
	case e.Image.Digest != "" && o.Running.Digest != e.Image.Digest:
		return Result{Verdict: release.Refuted, Detail: fmt.Sprintf("%s runs %s, which is not what was deployed: it was changed outside bluegreen%s", e.Color, o.Running, by(o))}
	case o.Status != release.Complete:
		return Result{Verdict: release.Undecided, Detail: o.Detail}
	case len(w.app.Before) == 0:
		return Result{Verdict: release.Passed}
	}
	return w.app.Before[w.checking.passed].Run(ctx, Subject{Release: e.Release, Color: e.Color, Image: e.Image, Run: e.Run, Made: e.Made})
}

// makes reports whether a check of the idle color makes something that needs a name.
func (w *worker) makes() bool {
	return slices.ContainsFunc(w.app.Before, func(c Check) bool { _, ok := c.(Maker); return ok })
}

func (w *worker) newRun(e release.Verify) release.Event {
	return release.ChecksBegun{Release: e.Release, Color: e.Color, Run: w.Random()}
}

// endChecks deletes what a run has made. It is tried once: a Job that stays is of no use to
// anyone, ends by its own deadline, and is then deleted by its cluster.
func (w *worker) endChecks(ctx context.Context, e release.EndChecks) stepResult {
	r := e.Run
	for _, check := range w.app.Before {
		if m, ok := check.(Maker); ok {
			if err := m.End(ctx, Subject{Release: r.Release, Color: r.Color, Image: r.Image, Run: r.ID, Made: r.Made}); err != nil {
				w.Log.Warn("what a check made is left to its cluster", "app", w.app.Name, "release", r.Release, "error", err)
			}
		}
	}
	return saw(release.ChecksEnded{Run: r.ID})
}

// Signed is the check that an image is signed as the configuration wants it. It is the first of
// a color's checks, so that nothing else is made of an image that is not.
type Signed struct{ Signatures Signatures }

// Run implements Check.
func (c Signed) Run(ctx context.Context, s Subject) Result {
	signer, err := c.Signatures.Verify(ctx, s.Image.Digest)
	switch {
	case errors.Is(err, ErrNotVerified):
		return Result{Verdict: release.Undecided, Detail: err.Error(), Unsigned: true}
	case err != nil:
		return Result{Verdict: release.Unknown, Detail: fmt.Sprintf("look for signatures of %s: %v", s.Image, err)}
	}
	return Result{Verdict: release.Passed, Signer: signer}
}

// GatewayHealth is the check that the gateway itself sees a color as healthy. A gateway
// that does not report it does not fail it.
type GatewayHealth struct{ Gateway Gateway }

// Run implements Check.
func (g GatewayHealth) Run(ctx context.Context, s Subject) Result {
	found, asked := g.seen(ctx, s.Color)
	switch {
	case asked && found.Verdict == release.Unknown:
		found.Verdict = release.Passed
	case found.Verdict == release.Refuted: // it may become healthy
		found.Verdict = release.Undecided
	}
	return found
}

// seen is what the gateway says of a color now: Passed, Refuted, or Unknown, which is neither. It
// reports whether the gateway could be asked.
func (g GatewayHealth) seen(ctx context.Context, c release.Color) (found Result, asked bool) {
	health, err := g.Gateway.Health(ctx, c)
	switch {
	case err != nil:
		return Result{Verdict: release.Unknown, Detail: fmt.Sprintf("ask the gateway for the health of %s: %v", c, err)}, false
	case health.Unknown:
		return Result{Verdict: release.Unknown, Detail: fmt.Sprintf("the gateway does not know the health of %s: %s", c, health.Detail)}, true
	case !health.Healthy:
		return Result{Verdict: release.Refuted, Detail: fmt.Sprintf("the gateway sees %s as unhealthy: %s", c, health.Detail)}, true
	}
	return Result{Verdict: release.Passed, Detail: fmt.Sprintf("the gateway sees %s as healthy", c)}, true
}

// wireServer is where Azure's platform talks to a virtual machine.
var wireServer = netip.AddrFrom4([4]byte{168, 63, 129, 16})

// Metadata reports whether a cloud platform gives out credentials at an address: no check asks there.
// Sources: learn.microsoft.com/azure/virtual-machines/instance-metadata-service and
// learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
func Metadata(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLinkLocalUnicast() || ip == wireServer
}
