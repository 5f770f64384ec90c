package arm

import (
	"net/http"
	"strings"
)

const permissionsPath = "/providers/microsoft.authorization/permissions"

// permissionsOf is the scope whose permissions a call asks for.
func permissionsOf(c call) (scope string, ok bool) {
	if n := len(c.raw) - len(permissionsPath); n > 0 && strings.EqualFold(c.raw[n:], permissionsPath) {
		return c.raw[:n], true
	}
	return "", false
}

// servePermissions lists what the caller may do: one entry, as one role assignment gives it.
// https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
func (r *rights) servePermissions(c call, scope string) answer {
	if a, denied := r.missing(c.principal, "Microsoft.Authorization/permissions/read", scope); denied {
		return a
	}
	if c.method != http.MethodGet {
		return c.notAllowed()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed, limited := r.allowed[c.principal]
	if !limited {
		allowed = []string{"*"}
	}
	return ok(fields{"value": []any{fields{
		"actions": append([]string{}, allowed...), "notActions": append([]string{}, r.denied[c.principal]...), "dataActions": []string{}, "notDataActions": []string{},
	}}})
}
