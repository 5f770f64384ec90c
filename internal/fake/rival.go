package fake

import (
	"time"

	"bluegreen/internal/release"
)

// RivalFor writes as Rival does, and takes effect after a time of its own: an operation with
// many other changes lasts minutes. At 0 it is over when this returns.
func (g *Gateway) RivalFor(to release.Color, takes time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	g.operations[g.begin(to, Succeeds)].ends = g.now().Add(takes)
	g.settle()
}

// RivalFor writes as Rival does; the name servers follow after a time of its own.
func (p *Profile) RivalFor(to release.Color, takes time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(to, takes)
}
