// Package signin reads who sent a request: the principal that App Service authentication has
// signed in, from a header that it sets and that it removes from requests from outside, and
// the function key. Where it is off, any caller can send the header: the user of this package
// must know which it is.
//
// Source: "Work with user identities in Azure App Service authentication", Microsoft Learn.
package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// Header carries the principal, as the base64 of JSON.
const Header = "X-MS-CLIENT-PRINCIPAL"

// Principal is a person or an application. The zero Principal is not signed in.
type Principal struct {
	// ID is its object id, or the application id where the token has no object id. It is never
	// given to another.
	ID string
	// Name is for people. Its owner can change it.
	Name string
	// Roles are the app roles that Entra has assigned to it.
	Roles []string
}

// Has reports whether the principal has an app role.
func (p Principal) Has(role string) bool { return slices.Contains(p.Roles, role) }

// Claims have the names of the token, or those that the platform gives them.
var (
	objectIDs = []string{"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"}
	// applicationIDs name the client. That is the caller only where no person is.
	applicationIDs = []string{"appid", "azp"}
	scopes         = []string{"scp", "http://schemas.microsoft.com/identity/claims/scope"}
	// readable are the names, the most readable first.
	readable = []string{
		"preferred_username", "upn", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
		"name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
	}
)

// Read returns the principal that the header names; the zero Principal without it. Its
// error describes the mistake in the value.
func Read(h http.Header) (Principal, error) {
	encoded := h.Get(Header)
	if encoded == "" {
		return Principal{}, nil
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Principal{}, errors.New("is not base64: leave the header to the platform")
	}
	var sent struct {
		RoleType string `json:"role_typ"`
		Claims   []claim
	}
	if err := json.Unmarshal(data, &sent); err != nil {
		return Principal{}, errors.New("is not the JSON of a principal: leave the header to the platform")
	}
	p := Principal{ID: first(sent.Claims, objectIDs), Name: first(sent.Claims, readable), Roles: rolesOf(sent.Claims, sent.RoleType)}
	if p.ID == "" && first(sent.Claims, scopes) == "" {
		p.ID = first(sent.Claims, applicationIDs)
	}
	if p.ID == "" {
		return Principal{}, errors.New("names no principal: it has neither the claim oid nor, for an application, appid or azp")
	}
	return p, nil
}

type claim struct{ Typ, Val string }

// first is the value of the first of some claims that there is.
func first(claims []claim, types []string) string {
	for _, typ := range types {
		for _, c := range claims {
			if c.Typ == typ && c.Val != "" {
				return c.Val
			}
		}
	}
	return ""
}

// rolesOf reads the app roles: the claim has the name of the token, or the one that the
// platform gave it and names in role_typ.
func rolesOf(claims []claim, roleType string) (found []string) {
	for _, c := range claims {
		if c.Typ == "roles" || roleType != "" && c.Typ == roleType {
			found = append(found, c.Val)
		}
	}
	return found
}
