package resource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Failure is an error as Azure Resource Manager reports it.
type Failure struct {
	Status     int    `json:"-"`
	after      string // Retry-After
	Code       string
	Message    string
	Details    []Failure
	InnerError *Failure
}

// Read takes the error out of an answer, whose body stays readable. Some services leave out
// the envelope around it.
func Read(resp *http.Response) Failure {
	var body struct {
		Error         Failure
		Code, Message string
	}
	if raw, err := runtime.Payload(resp); err == nil {
		_ = json.Unmarshal(raw, &body) // the status alone describes an answer that cannot be read
	}
	f := body.Error
	if f.Code == "" && len(f.Details) == 0 {
		f.Code, f.Message = body.Code, body.Message
	}
	f.Status, f.after = resp.StatusCode, resp.Header.Get("Retry-After")
	return f
}

// parts are the failure's own parts, the innermost first: they say what is the case, and
// those around them only where it came up.
func (f Failure) parts() []Failure {
	var all []Failure
	for _, d := range f.Details {
		all = append(all, d.parts()...)
	}
	if f.InnerError != nil {
		all = append(all, f.InnerError.parts()...)
	}
	return append(all, f)
}

// Has reports whether the failure, or a part of it, has a code.
func (f Failure) Has(code string) bool {
	return slices.ContainsFunc(f.parts(), func(p Failure) bool { return p.Code == code })
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
	return cut(strings.Join(all, "; "), 600)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// refusal is an error with a text for users and a kind for the engine.
type refusal struct {
	doing string // what it came up at, "" where the text says so
	text  string
	kind  error
}

func (r refusal) Error() string {
	if r.doing == "" {
		return r.text
	}
	return r.doing + ": " + r.text
}

// Cause is the error without what it came up at.
func (r refusal) Cause() string { return r.text }

func (r refusal) Unwrap() error { return r.kind }

// Refuse makes an error that is engine.ErrDenied, with the correction as its text.
func Refuse(format string, args ...any) error {
	return refusal{"", fmt.Sprintf(format, args...), engine.ErrDenied}
}

// refused turns an answer that is not the one hoped for into an error of the port.
func (r *Resource) refused(doing string, resp *http.Response) error {
	f := Read(resp)
	switch class := f.Class(); {
	case f.Status == http.StatusNotFound && !f.Final():
		return refusal{doing, fmt.Sprintf("there is no %s %s: name one that exists in %s", r.kind.What, r.ID, r.kind.Key), engine.ErrDenied}
	case class == Operator:
		return refusal{doing, f.Explain(r.ID), engine.ErrDenied}
	case class == Retry, class == Occupied:
		return refusal{doing, "not now: " + f.Words() + f.again(), engine.ErrBusy}
	}
	return fmt.Errorf("%s: the service answered %d: %s", doing, f.Status, f.Words())
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
