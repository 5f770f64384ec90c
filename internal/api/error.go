package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// ProblemType is the media type of an Error.
const ProblemType = "application/problem+json"

// Error is the answer to a request that was not carried out: problem details as in RFC 9457.
type Error struct {
	// Type leads to the kind of the problem, which Title names.
	Type   string `json:"type,omitempty"`
	Title  string `json:"title,omitempty"`
	Status int    `json:"status,omitempty"`
	// Message is the problem and its solution, for people.
	Message string `json:"detail"`
	// Instance is the path of the request, or of the command that was accepted and not followed.
	Instance string `json:"instance,omitempty"`
	// Code is the kind of the problem, for programs.
	Code string `json:"code"`
	// Field is the parameter, header or field of the body that the problem is about.
	Field string `json:"field,omitempty"`
	// Reason is why a command was refused.
	Reason reason.Reason `json:"reason,omitempty"`
	// Headline is what the app is doing, where the problem is about one.
	Headline string `json:"headline,omitempty"`
	// Errors are the mistakes of the configuration, where those are the problem.
	Errors []string `json:"errors,omitempty"`
	// Alert is what became of an alert that could not be kept for every app.
	Alert *AlertAnswer `json:"alert,omitempty"`
}

// Errorf makes an Error. Its message is without secrets.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: release.WithoutSecrets(fmt.Sprintf(format, args...))}
}

// Error is the message; the field that it is about comes first.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Message)
	}
	return e.Message
}

// maxCause bounds the text of an error that is no Error, in characters.
const maxCause = 400

// AsError returns the Error in the chain of err; it makes one with the status 503 of any
// other error, since those may pass.
func AsError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if runes := []rune(text); len(runes) > maxCause {
		text = string(runes[:maxCause]) + "…"
	}
	return Errorf(http.StatusServiceUnavailable, "unavailable",
		"bluegreen cannot answer now: %s; try again in a moment, a change with the same %s", text, KeyHeader)
}

// WriteError answers a request with an error, and returns what it answered.
func WriteError(w http.ResponseWriter, r *http.Request, err error) *Error {
	e := *AsError(err) // which may be shared
	e.Instance = cmp.Or(e.Instance, r.URL.EscapedPath())
	e.write(w)
	return &e
}

func (e Error) write(w http.ResponseWriter) {
	if k, ok := kindOf(e.Code); ok {
		e.Type, e.Title = k.Type, k.Title
	}
	write(w, e.Status, ProblemType, e)
}

// Write answers a request with JSON that people can read, without secrets.
func Write(w http.ResponseWriter, status int, body any) { write(w, status, "application/json", body) }

func write(w http.ResponseWriter, status int, media string, body any) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		Errorf(http.StatusInternalServerError, "internal", "the answer cannot be written as JSON: %v", err).write(w)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, release.WithoutSecrets(out.String())) // a caller that closed the connection needs no answer
}

// ReadError makes the Error of an answer with an error status. The host itself answers
// without a body that is known here.
func ReadError(status int, body []byte) *Error {
	var sent Error
	if json.Unmarshal(body, &sent) == nil && sent.Code != "" && sent.Message != "" {
		sent.Status = status
		return &sent
	}
	e := Errorf(status, "host", "the host answered %d %s", status, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Message += ": give a function key (BLUEGREEN_KEY) of the function that is asked, look or act, or a token (BLUEGREEN_TOKEN) of this app"
	case http.StatusNotFound:
		e.Message += ": is this the address of bluegreen?"
	}
	return e
}
