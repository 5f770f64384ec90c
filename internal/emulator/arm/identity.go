package arm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	managementAudience = "https://management.azure.com"
	eventGridAudience  = "https://eventgrid.azure.net"
	tokenLife          = 24 * time.Hour
)

// identity is the managed identity endpoint of App Service and Functions, API version
// 2019-08-01. Its tokens carry their claim, because the SDK keeps tokens for the life of
// the process, which may see several emulators.
type identity struct {
	url, secret string
	clientIDs   []string
	server      *http.Server

	mu    sync.Mutex
	fixed map[string]string // resource → token
	roles map[assignment][]string
}

// claim is the content of a token: its resource, its principal, and its app roles.
type claim struct {
	Resource, Principal string
	Roles               []string `json:",omitempty"`
	ObjectID            string   `json:"oid"`
}

const tokenPrefix = "lab."

func (c claim) token() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings only
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b) + "." + newGUID()
}

func readClaim(token string) (c claim, ok bool) {
	encoded, _, _ := strings.Cut(strings.TrimPrefix(token, tokenPrefix), ".")
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	return c, strings.HasPrefix(token, tokenPrefix) && err == nil && json.Unmarshal(b, &c) == nil
}

func newIdentity(clientIDs []string) (*identity, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the identity endpoint: %w", err)
	}
	i := &identity{
		url: "http://" + l.Addr().String() + "/msi/token", secret: newGUID(), clientIDs: clientIDs,
		fixed: map[string]string{}, roles: map[assignment][]string{},
	}
	i.server = &http.Server{Handler: i, ErrorLog: silent}
	go i.server.Serve(l)
	return i, nil
}

// IdentityEnv is the environment that makes a process a bearer of managed identities.
func (e *Emulator) IdentityEnv() map[string]string {
	return map[string]string{"IDENTITY_ENDPOINT": e.identity.url, "IDENTITY_HEADER": e.identity.secret}
}

// SetToken fixes the token that the identity endpoint gives for a resource, so that
// another server can know it. The emulator's own endpoints do not take such a token.
func (e *Emulator) SetToken(resource, token string) {
	e.identity.mu.Lock()
	defer e.identity.mu.Unlock()
	e.identity.fixed[audience(resource)] = token
}

func audience(resource string) string {
	return strings.ToLower(strings.TrimRight(resource, "/"))
}

func (i *identity) issue(resource, principal string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if token, ok := i.fixed[audience(resource)]; ok {
		return token
	}
	_, object := client(principal)
	return claim{audience(resource), principal, i.roles[assignment{audience(resource), principal}], object}.token()
}

// check returns the principal of the request's token, if it was issued for one of the resources.
func (i *identity) check(r *http.Request, resources ...string) (principal, problem string) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", "the 'Authorization' header is missing"
	}
	c, ok := readClaim(token)
	switch {
	case !ok:
		return "", "the access token is invalid"
	case !slices.Contains(resources, c.Resource):
		return "", fmt.Sprintf("the access token has been obtained for wrong audience or resource '%s'. It should exactly match one of the allowed audiences '%s'", c.Resource, strings.Join(resources, "','"))
	}
	return c.Principal, ""
}

// ServeHTTP answers as App Service does; https://learn.microsoft.com/azure/app-service/overview-managed-identity
func (i *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client := q.Get("client_id")
	switch {
	case r.Header.Get("X-IDENTITY-HEADER") != i.secret:
		i.refuse(w, http.StatusUnauthorized, "the X-IDENTITY-HEADER header is missing or wrong")
	case q.Get("api-version") != "2019-08-01":
		i.refuse(w, http.StatusBadRequest, "the api-version is missing or unsupported")
	case q.Get("resource") == "":
		i.refuse(w, http.StatusBadRequest, "the resource is missing")
	case client != "" && !slices.Contains(i.clientIDs, client):
		i.refuse(w, http.StatusBadRequest, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
	default:
		writeJSON(w, http.StatusOK, map[string]string{
			"access_token": i.issue(q.Get("resource"), client),
			"expires_on":   strconv.FormatInt(time.Now().Add(tokenLife).Unix(), 10),
			"resource":     q.Get("resource"),
			"token_type":   "Bearer",
			"client_id":    client,
		})
	}
}

func (i *identity) refuse(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"statusCode": status, "message": message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
