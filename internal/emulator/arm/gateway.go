package arm

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Gateway is one application gateway: its configuration, the running operation, and the configuration in effect.
type Gateway struct {
	id       string
	location string // as in URLs
	emulator *Emulator
	plane    *plane

	mu        sync.Mutex
	doc       document // the last write
	effective document // in effect for requests
	running   *operation
	held      bool
	behaviour Behaviour
	faults    faults
}

// AddGateway makes an application gateway from its JSON, which must carry its id, and
// starts its data plane.
func (e *Emulator) AddGateway(json []byte) (*Gateway, error) {
	m, err := decode(json)
	if err != nil {
		return nil, fmt.Errorf("read gateway: %w", err)
	}
	doc := document(m)
	if c := (call{raw: doc.string("id")}); !c.parse() || c.kind != "microsoft.network/applicationgateways" || c.name == "" {
		return nil, fmt.Errorf("read gateway: id %q is not that of an application gateway", doc.string("id"))
	}
	if e.Gateway(doc.string("id")) != nil {
		return nil, fmt.Errorf("add gateway %s: there is one with this id", doc.string("id"))
	}
	g, err := e.newGateway(doc.string("id"), doc)
	if err != nil {
		return nil, fmt.Errorf("add gateway %s: %w", doc.string("id"), err)
	}
	doc.stamp(newETag(), "Succeeded")
	g.doc, g.effective = doc, doc.copy()
	if err := g.plane.apply(g.effective); err != nil {
		g.plane.close()
		return nil, fmt.Errorf("start data plane of %s: %w", g.id, err)
	}
	e.keep(g)
	return g, nil
}

// newGateway makes a gateway whose data plane has no configuration yet.
func (e *Emulator) newGateway(id string, doc document) (*Gateway, error) {
	location := strings.ToLower(strings.ReplaceAll(doc.string("location"), " ", ""))
	g := &Gateway{id: id, location: location, emulator: e, behaviour: Behaviour{Takes: e.opts.OperationTime, RetryAfter: 14 * time.Second}}
	place := object(doc, placeKey)
	delete(doc, placeKey)
	if err := g.prepare(doc, document{}); err != nil {
		return nil, err
	}
	doc.properties()["operationalState"] = "Running"
	doc.properties()["resourceGuid"] = newGUID()
	g.plane = newPlane(e.ctx, e.opts.ProbeSecond, place)
	return g, nil
}

func (e *Emulator) keep(g *Gateway) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gateways[strings.ToLower(g.id)] = g
}

// Gateway returns a gateway by its id, in any case, or nil.
func (e *Emulator) Gateway(id string) *Gateway {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gateways[strings.ToLower(id)]
}

// RemoveGateway deletes a gateway, as if someone had done so in the portal.
func (e *Emulator) RemoveGateway(id string) {
	e.mu.Lock()
	g := e.gateways[strings.ToLower(id)]
	delete(e.gateways, strings.ToLower(id))
	e.mu.Unlock()
	if g != nil {
		g.close()
	}
}

func (g *Gateway) close() {
	g.mu.Lock()
	if g.running != nil {
		g.running.timer.Stop()
	}
	g.mu.Unlock()
	g.plane.close()
}

// ID is the gateway's resource id.
func (g *Gateway) ID() string { return g.id }

// Document returns a copy of the present answer to GET, the last write.
func (g *Gateway) Document() map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shown()
}

// Effective is a copy of the configuration that requests meet now.
func (g *Gateway) Effective() map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.effective.copy()
}

// shown is the document as GET returns it.
func (g *Gateway) shown() document {
	d := g.doc.copy()
	if g.behaviour.EarlySucceeded && g.running != nil {
		d.stamp(d.string("etag"), "Succeeded")
	}
	return d
}

func newETag() string { return `W/"` + newGUID() + `"` }

func (e *Emulator) serveGateway(c call) answer {
	g := e.Gateway(c.scope())
	switch {
	case c.name == "":
		return e.list(c, func(id string) map[string]any {
			if g := e.Gateway(id); g != nil {
				return g.Document()
			}
			return nil // deleted meanwhile
		})
	case g == nil && c.rest == "" && c.method == http.MethodPut:
		return e.createGateway(c)
	case g == nil && c.rest == "" && c.method == http.MethodDelete:
		return answer{status: http.StatusNoContent}
	case g == nil:
		return c.notFound()
	}
	return g.meet(c, func() answer {
		if a, refused := g.unversioned(c); refused {
			return a
		}
		switch strings.ToLower(c.method + " " + c.rest) {
		case "get ":
			doc := document(g.Document())
			g.forget(doc, c.version())
			return ok(doc).with("ETag", doc.string("etag"))
		case "put ":
			return g.put(c)
		case "patch ":
			return g.patch(c)
		case "delete ":
			return g.delete()
		case "post backendhealth":
			return g.backendHealth()
		case "post getbackendhealthondemand":
			return g.healthOnDemand(c)
		case "post start":
			return g.power(true)
		case "post stop":
			return g.power(false)
		}
		return c.notAllowed()
	})
}

func (g *Gateway) put(c call) answer {
	doc, problem := readWhole(c)
	if problem != nil {
		return *problem
	}
	if a, denied := g.emulator.rights.missingLink(c, doc.links()); denied {
		return a
	}
	g.forget(doc, c.version())
	return g.accept("PutApplicationGatewayOperation", c.ifMatch, doc)
}

func (g *Gateway) patch(c call) answer {
	m, err := decode(c.body)
	if err != nil {
		return badContent(err)
	}
	g.mu.Lock()
	doc := g.doc.copy()
	g.mu.Unlock()
	doc["tags"] = object(m, "tags")
	a := g.accept("PatchApplicationGatewayOperation", c.ifMatch, doc)
	delete(a.header, "Azure-AsyncOperation") // tags are not a long-running operation to the caller
	return a
}

// accept takes a whole gateway as the new goal, if the running operation and the etag let
// it, and begins the operation that applies it.
func (g *Gateway) accept(kind, ifMatch string, doc document) answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, busy := g.busy(kind); busy {
		return a
	}
	if etag := g.doc.string("etag"); ifMatch != "" && ifMatch != "*" && ifMatch != etag && !g.behaviour.IgnoreIfMatch {
		return failure(http.StatusPreconditionFailed, "PreconditionFailed", "Precondition failed.", detail{"PreconditionFailedEtagMismatch",
			fmt.Sprintf("Etag provided in if-match header %s does not match etag %s of resource %s in NRP data store.", ifMatch, etag, g.id)})
	}
	if err := g.prepare(doc, g.doc); err != nil {
		return refused(err)
	}
	doc.properties()["operationalState"] = "Running" // a write starts a stopped gateway
	doc.properties()["resourceGuid"] = g.doc.properties()["resourceGuid"]
	doc.stamp(newETag(), "Updating")
	g.doc = doc
	op := g.begin(kind)
	return ok(doc.copy()).with("Azure-AsyncOperation", op.url).with("azure-asyncnotification", "Enabled")
}

func (g *Gateway) prepare(doc, before document) error {
	doc.identify(g.id)
	doc.keepSecrets(before)
	if err := doc.validate(before); err != nil {
		return err
	}
	return doc.link(g.id)
}

// Rival edits the gateway as another client does that has just read it.
func (g *Gateway) Rival(edit func(doc map[string]any)) error {
	doc := g.Document()
	edit(doc)
	return g.RivalPut(doc)
}

// RivalPut writes a whole gateway as another client does, perhaps one that read it long
// ago. It fails when the service would refuse the write.
func (g *Gateway) RivalPut(doc map[string]any) error {
	a := g.accept("PutApplicationGatewayOperation", "", document(doc).copy())
	if a.status >= 300 {
		return fmt.Errorf("write of the rival: refused with status %d: %v", a.status, a.body)
	}
	return nil
}

// power starts or stops the gateway, without a delay: clients see no difference between a
// gateway that is stopping and one that is stopped.
func (g *Gateway) power(on bool) answer {
	if on {
		g.Start()
	} else {
		g.Stop()
	}
	return answer{status: http.StatusAccepted}.with("Location", g.emulator.result(g.location, func() any { return map[string]any{} }))
}

// Stop stops the data plane: connections to it are closed without an answer.
func (g *Gateway) Stop() { g.setPower("Stopped", true) }

// Start starts the data plane.
func (g *Gateway) Start() { g.setPower("Running", false) }

func (g *Gateway) setPower(state string, stopped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.doc.properties()["operationalState"] = state
	g.doc["etag"] = newETag()
	g.plane.stopped.Store(stopped)
}
