package arm

import (
	"maps"
	"net/http"
	"strings"
)

// serveEndpoint answers calls to .../AzureEndpoints/name and .../ExternalEndpoints/name.
func (p *Profile) serveEndpoint(c call) answer {
	kind, name, _ := strings.Cut(c.rest, "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.shown().endpoint(kind, name)
	switch c.method {
	case http.MethodPut:
		return p.writeEndpoint(c, kind, name)
	case http.MethodDelete:
		return p.deleteEndpoint(kind, name)
	case http.MethodGet, http.MethodPatch:
		if found == nil {
			return c.notFound()
		}
		if c.method == http.MethodGet {
			return ok(found)
		}
		return p.writeEndpoint(c, kind, name)
	}
	return c.notAllowed()
}

// writeEndpoint is PUT and PATCH of one endpoint. The profile is locked.
func (p *Profile) writeEndpoint(c call, kind, name string) answer {
	written, err := decode(c.body)
	if err != nil {
		return badContent(err)
	}
	status, doc := http.StatusOK, p.doc.copy()
	at := doc.endpoint(kind, name)
	if at == nil {
		status, at = http.StatusCreated, map[string]any{"name": name}
		list, _ := doc.properties()["endpoints"].([]any)
		doc.properties()["endpoints"] = append(list, at)
	}
	known := nameOf(at)
	if c.method == http.MethodPatch {
		merge(at, written)
	} else {
		clear(at)
		maps.Copy(at, written)
	}
	at["name"], at["type"] = known, profileType+"/"+kind
	if a, denied := p.missingRead(c, document{"properties": map[string]any{"endpoints": []any{at}}}); denied {
		return a
	}
	if a := p.accept(doc); a.status >= 300 {
		return a
	}
	return answer{status: status, body: p.shown().endpoint(kind, name)}
}
