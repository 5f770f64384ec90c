package arm

import (
	"fmt"
	"slices"
)

// AppRole assigns an app role of an application, given by its id URI resource, to a principal.
// New tokens of the principal for that application have the role.
func (e *Emulator) AppRole(principal, resource, role string) {
	e.identity.mu.Lock()
	defer e.identity.mu.Unlock()
	key := assignment{audience(resource), principal}
	e.identity.roles[key] = append(e.identity.roles[key], role)
}

type assignment struct{ resource, principal string }

// Token issues an Entra token of a principal for a resource.
func (e *Emulator) Token(resource, principal string) string {
	return e.identity.issue(resource, principal)
}

// Bearer returns the principal and the app roles of a token, if it is for the resource.
func (e *Emulator) Bearer(token, resource string) (principal string, roles []string, err error) {
	c, ok := readClaim(token)
	if !ok || c.Resource != audience(resource) {
		return "", nil, fmt.Errorf("the token is not one for %s", resource)
	}
	return c.Principal, slices.Clone(c.Roles), nil
}
