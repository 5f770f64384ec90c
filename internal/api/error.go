package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// Error is the answer to a request that was not carried out. Its JSON is below the key "error".
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"` // the problem and its solution
	Field   string `json:"field,omitempty"`
	// Reason is why a command was refused.
	Reason reason.Reason `json:"reason,omitempty"`
	// Headline is what the app is doing, where the error is about one.
	Headline string `json:"headline,omitempty"`
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

// errorBody is how an Error is sent.
type errorBody struct {
	Error *Error `json:"error"`
}

// WriteError answers a request with an error, and returns what it answered.
func WriteError(w http.ResponseWriter, err error) *Error {
	e := AsError(err)
	Write(w, e.Status, errorBody{e})
	return e
}

// Write answers a request with JSON that people can read, without secrets.
func Write(w http.ResponseWriter, status int, body any) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		WriteError(w, Errorf(http.StatusInternalServerError, "internal", "the answer cannot be written as JSON: %v", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
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
	var sent errorBody
	if json.Unmarshal(body, &sent) == nil && sent.Error != nil && sent.Error.Message != "" {
		sent.Error.Status = status
		return sent.Error
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
