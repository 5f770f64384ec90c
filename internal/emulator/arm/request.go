package arm

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Request is one call that ARM received.
type Request struct {
	Method, Path string
	Principal    string // client id; "" is the system-assigned identity
	IfMatch      string
	Body         []byte
	At           time.Time
	Took         time.Duration
	Status       int // 0 when the connection was reset instead of answered
}

// maxRequests bounds the log, because a lab may run for days.
const maxRequests = 20_000

// Requests returns the last calls that ARM has dealt with, in the order of their ends.
func (e *Emulator) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

// call is one authenticated request with its parsed path.
type call struct {
	method, principal, ifMatch, query string
	body                              []byte
	subscription, group               string
	kind, name                        string // lower-case namespace/type, and the resource's name
	rest                              string // the path after the name
	raw                               string
}

func (c call) scope() string {
	return strings.TrimSuffix(c.raw, "/"+c.rest)
}

// answer is the response to a call.
type answer struct {
	status int
	header map[string]string
	body   any
	reset  bool // close the connection instead of answering
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// failure is ARM's error envelope.
func failure(status int, code, message string, details ...detail) answer {
	e := map[string]any{"code": code, "message": message}
	if len(details) > 0 {
		e["details"] = details
	}
	return answer{status: status, body: map[string]any{"error": e}}
}

func (a answer) with(key, value string) answer {
	header := map[string]string{key: value}
	for k, v := range a.header {
		header[k] = v
	}
	a.header = header
	return a
}

func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	principal, problem := e.identity.check(r, managementAudience, "https://management.core.windows.net", e.url)
	var a answer
	if problem != "" {
		a = failure(http.StatusUnauthorized, "InvalidAuthenticationToken", "Authentication failed: "+problem+".").
			with("WWW-Authenticate", fmt.Sprintf(`Bearer authorization_uri="https://login.microsoftonline.com/%s", error="invalid_token", error_description="%s"`, TenantID, problem))
	} else {
		a = e.dispatch(r, principal, body)
	}
	e.note(Request{
		Method: r.Method, Path: r.URL.Path, Principal: principal, IfMatch: r.Header.Get("If-Match"), Body: body,
		At: start, Took: time.Since(start), Status: a.status,
	})
	a.write(w)
}

func (e *Emulator) note(r Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.requests) == maxRequests {
		e.requests = e.requests[1:]
	}
	e.requests = append(e.requests, r)
}

func (a answer) write(w http.ResponseWriter) {
	if a.reset {
		reset(w)
		return
	}
	h := w.Header()
	h.Set("x-ms-request-id", newGUID())
	h.Set("x-ms-correlation-request-id", newGUID())
	for k, v := range a.header {
		h.Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	writeJSON(w, a.status, a.body)
}

// reset closes the connection so that the client sees a TCP reset, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}

func (e *Emulator) dispatch(r *http.Request, principal string, body []byte) answer {
	if r.URL.Query().Get("api-version") == "" {
		return failure(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	c := call{method: r.Method, principal: principal, ifMatch: r.Header.Get("If-Match"), query: r.URL.RawQuery, body: body, raw: r.URL.Path}
	if parts := strings.Split(strings.Trim(c.raw, "/"), "/"); c.method == http.MethodGet && len(parts) <= 2 && strings.EqualFold(parts[0], "subscriptions") {
		return e.serveSubscriptions(strings.Join(parts[1:], ""))
	}
	if scope, ok := permissionsOf(c); ok {
		return e.rights.servePermissions(c, scope)
	}
	if !c.parse() {
		return failure(http.StatusNotFound, "InvalidResourceType", fmt.Sprintf("No resource type answers at '%s'.", c.raw))
	}
	if a, denied := e.rights.missing(principal, c.action(), c.scope()); denied {
		return a
	}
	if a, barred := e.barred(c); barred {
		return a
	}
	switch c.kind {
	case "microsoft.network/applicationgateways":
		return e.serveGateway(c)
	case "microsoft.network/trafficmanagerprofiles":
		return e.serveProfile(c)
	case "microsoft.network/locations":
		return e.serveOperation(c)
	case "microsoft.containerservice/managedclusters":
		return e.serveCluster(c)
	case "microsoft.insights/metricalerts", "microsoft.insights/scheduledqueryrules":
		return e.serveAlertRules(c)
	}
	return c.notFound()
}

// parse parses /subscriptions/s[/resourceGroups/g]/providers/namespace/type[/name[/rest]].
func (c *call) parse() bool {
	parts := strings.Split(strings.Trim(c.raw, "/"), "/")
	if len(parts) < 5 || !strings.EqualFold(parts[0], "subscriptions") {
		return false
	}
	c.subscription, parts = parts[1], parts[2:]
	if len(parts) > 2 && strings.EqualFold(parts[0], "resourceGroups") {
		c.group, parts = parts[1], parts[2:]
	}
	if len(parts) < 3 || !strings.EqualFold(parts[0], "providers") {
		return false
	}
	c.kind = strings.ToLower(parts[1] + "/" + parts[2])
	if len(parts) > 3 {
		c.name, c.rest = parts[3], strings.Join(parts[4:], "/")
	}
	return true
}

// action is the Azure action for which the call needs permission.
func (c call) action() string {
	kind := c.kind
	if names, known := map[string]string{
		"microsoft.network/applicationgateways":      "Microsoft.Network/applicationGateways",
		"microsoft.network/trafficmanagerprofiles":   profileType,
		"microsoft.network/locations":                "Microsoft.Network/locations",
		"microsoft.containerservice/managedclusters": "Microsoft.ContainerService/managedClusters",
		"microsoft.insights/metricalerts":            "Microsoft.Insights/metricAlerts",
		"microsoft.insights/scheduledqueryrules":     "Microsoft.Insights/scheduledQueryRules",
	}[kind]; known {
		kind = names
	}
	if sub, _, found := strings.Cut(c.rest, "/"); found {
		kind += "/" + sub
	}
	switch c.method {
	case http.MethodGet:
		return kind + "/read"
	case http.MethodPost:
		return kind + "/" + c.rest + "/action"
	case http.MethodDelete:
		return kind + "/delete"
	}
	return kind + "/write"
}

func (c call) notFound() answer {
	return failure(http.StatusNotFound, "ResourceNotFound", fmt.Sprintf(
		"The Resource '%s/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", c.kind, c.name, c.group))
}

func (c call) notAllowed() answer {
	return failure(http.StatusMethodNotAllowed, "MethodNotAllowed", fmt.Sprintf("%s is not supported at '%s'.", c.method, c.raw))
}

func decode(body []byte) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber() // numbers go back as they came
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	return m, nil
}
