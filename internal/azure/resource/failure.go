package resource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Failure is an error as Azure Resource Manager reports it.
type Failure struct {
	Status  int    `json:"-"`
	after   string // Retry-After
	Code    string
	Message string
	Details []struct{ Code, Message string }
}

// Read takes the error out of an answer, whose body stays readable.
func Read(resp *http.Response) Failure {
	var body struct{ Error Failure }
	if raw, err := runtime.Payload(resp); err == nil {
		_ = json.Unmarshal(raw, &body) // the status alone describes an answer that cannot be read
	}
	f := body.Error
	f.Status, f.after = resp.StatusCode, resp.Header.Get("Retry-After")
	return f
}

// Has reports whether the failure, or one of its details, has a code.
func (f Failure) Has(code string) bool {
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

// Words is the message of the service, in at most about 600 bytes: some contain whole URLs
// with their signatures.
func (f Failure) Words() string {
	var all []string
	for _, d := range f.Details {
		all = append(all, d.Code+": "+d.Message)
	}
	if len(all) == 0 && f.Code != "" {
		all = append(all, f.Code+": "+f.Message)
	}
	if len(all) == 0 {
		all = append(all, fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status)))
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

// Missing is the right that a refusal names.
func (f Failure) Missing() (action, scope string, ok bool) {
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

// Lacking names in one sentence the right to give.
func (f Failure) Lacking() string {
	action, scope, ok := f.Missing()
	if !ok {
		return "the identity is not allowed: " + f.Words()
	}
	return fmt.Sprintf("the identity lacks %s on %s: give it there a role with that action, such as %s; a new role takes some minutes to count", action, scope, role(action))
}

// refusal is an error with a text for users and a kind for the engine.
type refusal struct {
	text string
	kind error
}

func (r refusal) Error() string { return r.text }

func (r refusal) Unwrap() error { return r.kind }

// Refuse makes an error that is engine.ErrDenied, with the correction as its text.
func Refuse(format string, args ...any) error {
	return refusal{fmt.Sprintf(format, args...), engine.ErrDenied}
}

// refused sorts an answer that is not the one hoped for into the kinds of the port. After
// 5xx other than 503, and after 408, it is unknown whether a write was done.
func (r *Resource) refused(doing string, resp *http.Response) error {
	f := Read(resp)
	switch {
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return Refuse("%s: %s", doing, f.Lacking())
	case f.Status == http.StatusNotFound:
		return Refuse("%s: there is no %s %s: name one that exists in %s", doing, r.kind.What, r.ID, r.kind.Key)
	case f.Status == http.StatusTooManyRequests, f.Status == http.StatusConflict,
		f.Status == http.StatusPreconditionFailed, f.Status == http.StatusServiceUnavailable:
		return refusal{fmt.Sprintf("%s: not now: %s%s", doing, f.Words(), f.again()), engine.ErrBusy}
	case f.Status >= 500, f.Status == http.StatusRequestTimeout, f.Status < 400:
		return fmt.Errorf("%s: the service answered %d: %s", doing, f.Status, f.Words())
	}
	return Refuse("%s: the service refuses it: %s", doing, f.Words())
}

// again is the time that the service asks to wait, in words.
func (f Failure) again() string {
	if f.after == "" {
		return ""
	}
	return " (it asks to wait " + f.after + " s)"
}

// Findings makes a finding of each text, none of them a warning.
func Findings(texts ...string) []engine.Finding {
	var found []engine.Finding
	for _, text := range texts {
		found = append(found, engine.Finding{Text: text})
	}
	return found
}
