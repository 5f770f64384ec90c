package arm

import (
	"maps"
	"time"
)

// ProfileWrite is a change of a profile that was accepted.
type ProfileWrite struct {
	At      time.Time
	Known   time.Time // when the name servers knew it; zero before
	Prefers string    // the enabled endpoint with the lowest priority, "" if none is enabled
}

// follow records a write and lets the name servers know it in their time. The profile is
// locked.
func (p *Profile) follow() {
	p.writes = append(p.writes, ProfileWrite{At: time.Now(), Prefers: preferred(p.doc)})
	doc, n := p.doc, len(p.writes)
	time.AfterFunc(p.emulator.opts.Propagation, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.held && p.ctx.Err() == nil {
			p.learn(doc, n)
		}
	})
}

// learn lets the name servers know the first n writes, unless they know them already. The
// profile is locked.
func (p *Profile) learn(doc document, n int) {
	if !p.writes[n-1].Known.IsZero() {
		return
	}
	for i := range p.writes[:n] {
		if p.writes[i].Known.IsZero() {
			p.writes[i].Known = time.Now()
		}
	}
	p.known = doc
	p.watch()
}

// Hold keeps writes from the name servers until Release. Health still has an effect.
func (p *Profile) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

// Release sends all writes to the name servers at once; later ones take their usual time.
func (p *Profile) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	p.learn(p.doc, len(p.writes))
}

// Writes returns every accepted write, the making of the profile first.
func (p *Profile) Writes() []ProfileWrite {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]ProfileWrite(nil), p.writes...)
}

// Answers counts, by endpoint, the DNS answers about addresses that led there; "" counts
// those that led nowhere.
func (p *Profile) Answers() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.answered)
}

// Serving returns the names of the endpoints in a new DNS answer.
func (p *Profile) Serving() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, e := range p.choose() {
		names = append(names, nameOf(e))
	}
	return names
}

// preferred is the endpoint that DNS answers while all are healthy.
func preferred(doc document) string {
	if all := doc.ranked(); len(all) > 0 {
		return nameOf(all[0])
	}
	return ""
}

// choose returns the endpoints in the present DNS answer: the first that may be healthy, or
// all if none is. (For that case the documentation has both: all are returned, and all count
// as Online.) Routing methods other than Priority use the order of the list: here is only one
// location, and no random choice. The profile is locked.
func (p *Profile) choose() []map[string]any {
	all := p.known.ranked()
	for _, e := range all {
		if p.status(p.known, e) != "Degraded" {
			return []map[string]any{e}
		}
	}
	return all
}
