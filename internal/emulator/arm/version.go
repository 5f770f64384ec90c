package arm

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// version is the version of the API that a call names.
func (c call) version() string {
	values, err := url.ParseQuery(c.query)
	if err != nil {
		return ""
	}
	return values.Get("api-version")
}

// unversioned refuses a call with a version that the service does not have.
func (g *Gateway) unversioned(c call) (answer, bool) {
	g.mu.Lock()
	versions := g.behaviour.Versions
	g.mu.Unlock()
	if len(versions) == 0 || slices.Contains(versions, c.version()) {
		return answer{}, false
	}
	return failure(http.StatusBadRequest, "NoRegisteredProviderFound", fmt.Sprintf(
		"No registered resource provider found for location '%s' and API version '%s' for type 'applicationGateways'. The supported api-versions are '%s'. The supported locations are '%[1]s'.",
		g.location, c.version(), strings.Join(versions, ", "))), true
}

// forget takes the properties out of a document that a version does not know.
func (g *Gateway) forget(doc document, version string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, since := range g.behaviour.Since {
		if version < since {
			delete(doc.properties(), name)
		}
	}
}
