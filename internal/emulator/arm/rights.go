package arm

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// rights are the permitted actions of principals. A principal without an entry may do
// everything.
type rights struct {
	mu      sync.Mutex
	allowed map[string][]string
	denied  map[string][]string
}

func newRights() *rights {
	return &rights{allowed: map[string][]string{}, denied: map[string][]string{}}
}

// Permit limits a principal (a client id; "" is the system-assigned identity) to the
// actions of a role, such as Microsoft.Network/applicationGateways/read. One * per action
// stands for anything. Linked actions and the reads of operations are enforced too.
func (e *Emulator) Permit(principal string, actions ...string) {
	e.rights.mu.Lock()
	defer e.rights.mu.Unlock()
	e.rights.allowed[principal] = append([]string{}, actions...)
	delete(e.rights.denied, principal)
}

// Deny removes actions from a principal; it overrides Permit.
func (e *Emulator) Deny(principal string, actions ...string) {
	e.rights.mu.Lock()
	defer e.rights.mu.Unlock()
	e.rights.denied[principal] = append(e.rights.denied[principal], actions...)
}

// PermitAll gives a principal everything back.
func (e *Emulator) PermitAll(principal string) {
	e.rights.mu.Lock()
	defer e.rights.mu.Unlock()
	delete(e.rights.allowed, principal)
	delete(e.rights.denied, principal)
}

func (r *rights) may(principal, action string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if matches(r.denied[principal], action) {
		return false
	}
	allowed, limited := r.allowed[principal]
	return !limited || matches(allowed, action)
}

func matches(patterns []string, action string) bool {
	action = strings.ToLower(action)
	for _, p := range patterns {
		before, after, star := strings.Cut(strings.ToLower(p), "*")
		if before == action || star && strings.HasPrefix(action, before) && strings.HasSuffix(action, after) {
			return true
		}
	}
	return false
}

// client returns the ids of a principal in Entra.
func client(principal string) (appID, objectID string) {
	if principal == "" {
		principal = "2c9b7e44-51c1-4f0b-9f0e-6a1d5f3c8b20"
	}
	return principal, "7a5e0c1f-0b6d-4d3a-8c11-3f2e9d4b6a70"
}

// missing returns the refusal of a call whose action the principal may not take.
func (r *rights) missing(principal, action, scope string) (answer, bool) {
	if r.may(principal, action) {
		return answer{}, false
	}
	app, object := client(principal)
	return failure(http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf(
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		app, object, action, scope)), true
}

// link is a right on another resource that a write needs.
type link struct{ action, scope string }

// refusal has the wording of 2026; the one before had neither "(s)" nor "(respectively)".
func (l link) refusal(c call) answer {
	app, object := client(c.principal)
	return failure(http.StatusForbidden, "LinkedAuthorizationFailed", fmt.Sprintf(
		"The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, it does not have permission to perform action(s) '%s' on the linked scope(s) '%s' (respectively) or the linked scope(s) are invalid.",
		app, object, c.action(), c.raw, l.action, l.scope))
}

func (r *rights) missingLink(c call, links []link) (answer, bool) {
	for _, l := range links {
		if !r.may(c.principal, l.action) {
			return l.refusal(c), true
		}
	}
	return answer{}, false
}

// links are the resources that a gateway joins or assigns; ARM checks them at every write.
func (d document) links() []link {
	var links []link
	if identity, ok := d["identity"].(map[string]any); ok {
		assigned, _ := identity["userAssignedIdentities"].(map[string]any)
		for id := range assigned {
			links = append(links, link{"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", id})
		}
	}
	if id := refID(d.properties(), "firewallPolicy"); id != "" {
		links = append(links, link{"Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action", id})
	}
	d.each(func(s sub) {
		for key, action := range map[string]string{
			"subnet":          "Microsoft.Network/virtualNetworks/subnets/join/action",
			"publicIPAddress": "Microsoft.Network/publicIPAddresses/join/action",
			"firewallPolicy":  "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action",
		} {
			if id := refID(s.properties(), key); id != "" {
				links = append(links, link{action, id})
			}
		}
	})
	return links
}
