package arm

import (
	"fmt"
	"slices"
)

// AppRole assigns an app role of the application whose id URI is resource to a principal:
// the tokens that it gets for that application from now on carry it.
func (e *Emulator) AppRole(principal, resource, role string) {
	e.identity.mu.Lock()
	defer e.identity.mu.Unlock()
	key := assignment{audience(resource), principal}
	e.identity.roles[key] = append(e.identity.roles[key], role)
}

type assignment struct{ resource, principal string }

// Token is what Entra gives a principal for a resource.
func (e *Emulator) Token(resource, principal string) string {
	return e.identity.issue(resource, principal)
}

// Bearer says whose a token is and which app roles it carries, if it is one for the resource.
func (e *Emulator) Bearer(token, resource string) (principal string, roles []string, err error) {
	c, ok := readClaim(token)
	if !ok || c.Resource != audience(resource) {
		return "", nil, fmt.Errorf("the token is not one for %s", resource)
	}
	return c.Principal, slices.Clone(c.Roles), nil
}
