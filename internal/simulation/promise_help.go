package simulation

import (
	"fmt"
	"slices"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// helpOnce: an operator is asked for help once for each cause, and again only after it was
// over, something else has happened or a minute has passed.
type helpOnce struct {
	app  *app
	last release.Fact
}

func (*helpOnce) Name() string { return "15 (help is asked for once)" }

func (p *helpOnce) committed(c commit) error {
	if c.err != nil {
		return nil
	}
	if !c.after.trouble {
		p.last = release.Fact{} // what troubled it is over
	}
	for _, f := range c.facts {
		if slices.ContainsFunc(c.decided, func(e engine.Entry) bool { return e.Decision.Text == f.Text }) {
			continue // each event has its answer
		}
		again := f.Kind == release.NeedsHelp && f.Reason == p.last.Reason && f.Text == p.last.Text && f.Release == p.last.Release
		if again && f.At.Sub(p.last.At) < time.Minute {
			return fmt.Errorf("help is asked for again after %s: %s", f.At.Sub(p.last.At).Round(time.Second), f.Text)
		}
		p.last = f
	}
	return nil
}
