package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Profile is one Traffic Manager profile: its configuration, the version of the name servers,
// and the health of its endpoints. A write is answered at once and reaches the name servers
// after Options.Propagation.
type Profile struct {
	id       string
	emulator *Emulator
	name     string // in DNS; it is for life
	ctx      context.Context
	cancel   context.CancelFunc

	mu        sync.Mutex
	doc       document // the last write
	known     document // as the name servers know it
	held      bool
	writes    []ProfileWrite
	watches   map[watchKey]*member
	answered  map[string]int
	behaviour ProfileBehaviour
	faults    faults
}

// ProfileBehaviour is how the control plane of a profile acts until it is changed.
type ProfileBehaviour struct {
	RetryAfter time.Duration // Retry-After of Throttled, whole seconds, default 14 s
	Slow       time.Duration // how much later every answer about the profile comes
}

// AddProfile makes a Traffic Manager profile from its JSON, which must carry its id. Its
// name is answered by DNS at once and its endpoints are probed from now on.
func (e *Emulator) AddProfile(json []byte) (*Profile, error) {
	m, err := decode(json)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	doc := document(m)
	if c := (call{raw: doc.string("id")}); !c.parse() || c.kind != strings.ToLower(profileType) || c.name == "" || c.rest != "" {
		return nil, fmt.Errorf("read profile: id %q is not that of a Traffic Manager profile", doc.string("id"))
	}
	if e.Profile(doc.string("id")) != nil {
		return nil, fmt.Errorf("add profile %s: there is one with this id", doc.string("id"))
	}
	p, err := e.newProfile(doc.string("id"), doc)
	if err != nil {
		return nil, fmt.Errorf("add profile %s: %w", doc.string("id"), err)
	}
	return p, nil
}

// newProfile adds a profile, also on the name servers.
func (e *Emulator) newProfile(id string, doc document) (*Profile, error) {
	p := &Profile{
		id: id, emulator: e, watches: map[watchKey]*member{}, answered: map[string]int{},
		behaviour: ProfileBehaviour{RetryAfter: 14 * time.Second},
	}
	if err := p.prepare(doc, document{}); err != nil {
		return nil, err
	}
	if e.profileNamed(doc.fqdn()) != nil {
		return nil, bad("Domain name %s already exists. Please choose a different DNS prefix.", doc.fqdn())
	}
	p.ctx, p.cancel = context.WithCancel(e.ctx)
	now := time.Now()
	p.name, p.doc, p.known = doc.fqdn(), doc, doc
	p.writes = []ProfileWrite{{At: now, Known: now, Prefers: preferred(doc)}}
	p.mu.Lock()
	p.watch()
	p.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.profiles[strings.ToLower(id)] = p
	return p, nil
}

// Profile returns a profile by its id, in any case, or nil.
func (e *Emulator) Profile(id string) *Profile {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.profiles[strings.ToLower(id)]
}

// RemoveProfile deletes a profile, as if someone had done so in the portal.
func (e *Emulator) RemoveProfile(id string) {
	e.mu.Lock()
	p := e.profiles[strings.ToLower(id)]
	delete(e.profiles, strings.ToLower(id))
	e.mu.Unlock()
	if p != nil {
		p.cancel()
	}
}

// ID is the profile's resource id.
func (p *Profile) ID() string { return p.id }

// FQDN is the name that the profile answers to in DNS, without a dot at its end.
func (p *Profile) FQDN() string { return p.name }

// Document returns a copy of the present answer to GET, with the health of the endpoints.
func (p *Profile) Document() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown()
}

// Set changes how the profile behaves.
func (p *Profile) Set(change func(*ProfileBehaviour)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.behaviour)
}

// Inject makes the next n calls of a kind fail, those for its endpoints included;
// faults are used up in their order. A profile has no operations that could fail later.
func (p *Profile) Inject(n int, on On, fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.add(n, on, fault)
}

// ClearFaults removes the remaining faults.
func (p *Profile) ClearFaults() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Rival edits the profile as another client does that has just read it. It fails when the
// service would refuse the write.
func (p *Profile) Rival(edit func(doc map[string]any)) error {
	doc := p.Document()
	edit(doc)
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.accept(document(doc).copy()); a.status >= 300 {
		return fmt.Errorf("write of the rival: refused with status %d: %v", a.status, a.body)
	}
	return nil
}

func (e *Emulator) serveProfile(c call) answer {
	p := e.Profile(c.scope())
	switch {
	case c.name == "":
		return e.list(c, func(id string) map[string]any {
			if p := e.Profile(id); p != nil {
				return p.Document()
			}
			return nil // deleted meanwhile
		})
	case p == nil && c.method == http.MethodDelete && c.rest == "":
		return answer{status: http.StatusNoContent}
	case p == nil && c.method == http.MethodPut && c.rest == "":
		return e.createProfile(c)
	case p == nil:
		return c.notFound()
	}
	return p.meet(c, func() answer {
		switch {
		case c.rest != "":
			return p.serveEndpoint(c)
		case c.method == http.MethodGet:
			return ok(p.Document())
		case c.method == http.MethodPut || c.method == http.MethodPatch:
			return p.write(c)
		case c.method == http.MethodDelete:
			e.RemoveProfile(p.id)
			return ok(fields{})
		}
		return c.notAllowed()
	})
}

// createProfile answers a PUT of a profile that does not exist, or no longer exists.
func (e *Emulator) createProfile(c call) answer {
	doc, problem := readWhole(c)
	if problem != nil {
		return *problem
	}
	if a, denied := e.rights.missingLink(c, doc.targets()); denied {
		return a
	}
	p, err := e.newProfile(c.scope(), doc)
	if err != nil {
		return refused(err)
	}
	return answer{status: http.StatusCreated, body: p.Document()}
}

// readWhole reads the document of a resource that is written.
func readWhole(c call) (document, *answer) {
	m, err := decode(c.body)
	if err != nil {
		a := badContent(err)
		return nil, &a
	}
	if c.method == http.MethodPut && document(m).string("location") == "" {
		a := failure(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
		return nil, &a
	}
	return m, nil
}

func badContent(err error) answer {
	return failure(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized: "+err.Error())
}

func refused(err error) answer {
	var r refusal
	errors.As(err, &r)
	return failure(http.StatusBadRequest, r.code, r.message)
}

// meet carries out a call to the profile, or its fault.
func (p *Profile) meet(c call, do func() answer) answer {
	p.mu.Lock()
	slow, after := p.behaviour.Slow, p.behaviour.RetryAfter
	fault, struck := p.faults.strike(c.on())
	links := p.doc.targets()
	p.mu.Unlock()
	p.emulator.wait(slow)
	if !struck {
		return do()
	}
	denied := link{action: readAddress}
	if len(links) > 0 {
		denied = links[0]
	}
	return fault.answer(c, after, denied, do)
}

// write is PUT and PATCH of the whole profile.
func (p *Profile) write(c call) answer {
	doc, problem := readWhole(c)
	if problem != nil {
		return *problem
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.method == http.MethodPatch {
		doc = p.doc.patched(doc)
	}
	if a, denied := p.missingRead(c, doc); denied {
		return a
	}
	return p.accept(doc)
}

func (p *Profile) missingRead(c call, doc document) (answer, bool) {
	return p.emulator.rights.missingLink(c, doc.targets())
}

// accept stores a whole profile, and updates the name servers. The profile is locked.
func (p *Profile) accept(doc document) answer {
	if err := p.prepare(doc, p.doc); err != nil {
		return refused(err)
	}
	p.doc = doc
	p.follow()
	p.watch()
	return ok(p.shown())
}
