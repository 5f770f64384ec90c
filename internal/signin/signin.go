// Package signin reads the principal that App Service authentication has signed in, from the
// headers that it sets and that it removes from requests from outside. Where it is off, any
// caller can send them: the user of this package must know which it is.
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

// NameHeader carries its name alone.
const NameHeader = "X-MS-CLIENT-PRINCIPAL-NAME"

// Principal is a person or an application. The zero Principal is not signed in.
type Principal struct {
	Name string
	// Roles are the app roles that Entra has assigned to it.
	Roles []string
}

// Has reports whether the principal has an app role.
func (p Principal) Has(role string) bool { return slices.Contains(p.Roles, role) }

// names are the claims that identify the caller, the most readable first.
var names = []string{
	"preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
	"name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
	"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "appid", "azp",
}

// Read returns the principal that the headers name; the zero Principal without any of them.
// Its error describes the mistake in the value of Header.
func Read(h http.Header) (Principal, error) {
	encoded := h.Get(Header)
	if encoded == "" {
		return Principal{Name: h.Get(NameHeader)}, nil
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
	p := Principal{Roles: rolesOf(sent.Claims, sent.RoleType)}
	if p.Name = nameOf(sent.Claims); p.Name == "" {
		return Principal{}, errors.New("names no principal: it has none of the claims preferred_username, name, oid")
	}
	return p, nil
}

type claim struct{ Typ, Val string }

func nameOf(claims []claim) string {
	for _, typ := range names {
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
