package appgateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// failure is an error as Azure Resource Manager tells it.
type failure struct {
	status  int
	after   string // Retry-After
	Code    string
	Message string
	Details []struct{ Code, Message string }
}

// read takes the error out of an answer, whose body stays readable.
func read(resp *http.Response) failure {
	var body struct{ Error failure }
	if raw, err := runtime.Payload(resp); err == nil {
		_ = json.Unmarshal(raw, &body) // what cannot be read is told by its status alone
	}
	f := body.Error
	f.status, f.after = resp.StatusCode, resp.Header.Get("Retry-After")
	return f
}

func (f failure) has(code string) bool {
	if f.Code == code {
		return true
	}
	for _, d := range f.Details {
		if d.Code == code {
			return true
		}
	}
	return false
}

// words is what the service says, in at most about 600 bytes: some messages hold whole URLs
// with their signatures.
func (f failure) words() string {
	var all []string
	for _, d := range f.Details {
		all = append(all, d.Code+": "+d.Message)
	}
	if len(all) == 0 && f.Code != "" {
		all = append(all, f.Code+": "+f.Message)
	}
	if len(all) == 0 {
		all = append(all, fmt.Sprintf("%d %s", f.status, http.StatusText(f.status)))
	}
	s := strings.Join(all, "; ")
	if len(s) > 600 {
		s = strings.ToValidUTF8(s[:600], "") + "…"
	}
	return s
}

var (
	linkedDenied = regexp.MustCompile(`does not have permission to perform action '([^']+)' on the linked scope\(s\) '([^']+)'`)
	plainDenied  = regexp.MustCompile(`does not have authorization to perform action '([^']+)' over scope '([^']+)'`)
)

// missing is the right that a refusal names.
func (f failure) missing() (action, scope string, ok bool) {
	for _, form := range []*regexp.Regexp{linkedDenied, plainDenied} {
		if m := form.FindStringSubmatch(f.Message); m != nil {
			return m[1], m[2], true
		}
	}
	return "", "", false
}

// role is a built-in role with an action; a custom role with the action alone does too.
func role(action string) string {
	switch a := strings.ToLower(action); {
	case strings.HasPrefix(a, "microsoft.managedidentity/"):
		return "Managed Identity Operator"
	case strings.HasPrefix(a, "microsoft.network/locations/"):
		return "Network Contributor (at the subscription)"
	}
	return "Network Contributor"
}

// lacking says in one sentence what right to give.
func (f failure) lacking() string {
	action, scope, ok := f.missing()
	if !ok {
		return "the identity is not let in: " + f.words()
	}
	return fmt.Sprintf("the identity lacks %s on %s: give it there a role with that action, such as %s; a new role takes some minutes to count", action, scope, role(action))
}

// refusal is an error whose text is for people and whose kind is for the engine.
type refusal struct {
	text string
	kind error
}

func (r refusal) Error() string { return r.text }

func (r refusal) Unwrap() error { return r.kind }

func refuse(format string, args ...any) error {
	return refusal{fmt.Sprintf(format, args...), engine.ErrDenied}
}

// refusal sorts an answer that is not the one hoped for into the kinds of the port. After
// 5xx other than 503, and after 408, nobody knows whether a write was done.
func (g *Gateway) refusal(doing string, resp *http.Response) error {
	f := read(resp)
	switch {
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden:
		return refuse("%s: %s", doing, f.lacking())
	case f.status == http.StatusNotFound:
		return refuse("%s: there is no Application Gateway %s: name one that exists in gateway.applicationGateway", doing, g.id)
	case f.status == http.StatusTooManyRequests, f.status == http.StatusConflict,
		f.status == http.StatusPreconditionFailed, f.status == http.StatusServiceUnavailable:
		return refusal{fmt.Sprintf("%s: not now: %s%s", doing, f.words(), f.again()), engine.ErrBusy}
	case f.status >= 500, f.status == http.StatusRequestTimeout, f.status < 400:
		return fmt.Errorf("%s: the service answered %d: %s", doing, f.status, f.words())
	}
	return refuse("%s: the service refuses it: %s", doing, f.words())
}

// again tells when the service wants to be asked again.
func (f failure) again() string {
	if f.after == "" {
		return ""
	}
	return " (it asks to wait " + f.after + " s)"
}
