package host

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// SignIn emulates App Service authentication in front of the host, with Entra as the provider
// and unauthenticatedClientAction AllowAnonymous: it returns the claims of a bearer token, or
// an error for an invalid one. Browser sessions are not emulated.
type SignIn func(token string) ([]Claim, error)

// Claim is one claim of a principal, by the name that the token gives it.
type Claim struct {
	Typ string `json:"typ"`
	Val string `json:"val"`
}

// roleType is the platform's name for the claim of roles, independent of its name in the token.
const roleType = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"

// signedIn removes the principal's headers from an external request, and sets them from its
// token. A request without a token passes without a principal.
// Source: learn.microsoft.com/azure/app-service/configure-authentication-user-identities
func (s SignIn) signedIn(next http.Handler) http.Handler {
	if s == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		for name := range r.Header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-client-principal") || strings.HasPrefix(lower, "x-ms-token-") {
				delete(r.Header, name)
			}
		}
		if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "bearer") {
			claims, err := s(strings.TrimSpace(token))
			if err != nil {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				http.Error(w, "You do not have permission to view this directory or page.", http.StatusUnauthorized)
				return
			}
			introduce(r.Header, claims)
		}
		next.ServeHTTP(w, r)
	})
}

// introduce sets the principal's headers. As on the platform, some claims get a long name.
func introduce(h http.Header, claims []Claim) {
	long := map[string]string{"roles": roleType, "oid": "http://schemas.microsoft.com/identity/claims/objectidentifier"}
	principal := struct {
		AuthType string  `json:"auth_typ"`
		Claims   []Claim `json:"claims"`
		NameType string  `json:"name_typ"`
		RoleType string  `json:"role_typ"`
	}{"aad", []Claim{}, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", roleType}
	h.Set("X-MS-CLIENT-PRINCIPAL-IDP", "aad")
	for _, c := range claims {
		if c.Typ == "oid" {
			h.Set("X-MS-CLIENT-PRINCIPAL-ID", c.Val)
		}
		if name, ok := long[c.Typ]; ok {
			c.Typ = name
		}
		principal.Claims = append(principal.Claims, c)
	}
	text, err := json.Marshal(principal)
	if err != nil {
		panic(err) // strings only
	}
	h.Set("X-MS-CLIENT-PRINCIPAL", base64.StdEncoding.EncodeToString(text))
}
