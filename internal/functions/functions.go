// Package functions speaks the Azure Functions custom-handler protocol, and is the only
// place that knows the host's quirks. Event, queue and timer triggers arrive as a POST to
// /<function> with a Data envelope; HTTP triggers arrive as the caller's own request,
// proxied or forwarded, below /api.
package functions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// maxInvocation bounds an envelope. A queue message holds 64 KiB and an event 1 MiB, which
// the host may escape and then repeat in the metadata.
const maxInvocation = 8 << 20

// Trigger handles one invocation of an event, queue or timer function. payload is the
// trigger's value: an event or timer object, or a queue message's text as a JSON string.
// The returned lines go to the invocation's log. An error makes the host deliver again.
type Trigger func(ctx context.Context, payload json.RawMessage) ([]string, error)

// Binding connects a function to its handler. Name is the function's folder, Data the
// name of its trigger binding, Queue whether its value is a queue message.
type Binding struct {
	Name  string
	Data  string
	Queue bool
	Run   Trigger
}

// Handler answers the host: the bindings' invocations, the readiness poll on /, and /api with
// everything below it, which goes to calls as asked describes it. Paths are matched by hand,
// since a mux would redirect, and the host follows redirects itself.
func Handler(bindings []Binding, calls http.Handler, log *slog.Logger) http.Handler {
	triggers := map[string]Binding{}
	for _, b := range bindings {
		triggers["/"+b.Name] = b
	}
	return recovered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, ok := triggers[r.URL.Path]; ok && r.Method == http.MethodPost {
			invoke(w, deadlines(w, r, invocationTime), b, log)
			return
		}
		r = deadlines(w, r, answerTime)
		if r.URL.Path == "/" {
			reply(w, nil)
			return
		}
		r = asked(r)
		if path := r.URL.Path; path != "/api" && !strings.HasPrefix(path, "/api/") {
			api.WriteError(w, r, api.Errorf(http.StatusNotFound, "path", "nothing is at %s", path))
			return
		}
		calls.ServeHTTP(w, r)
	}), log)
}

// invoke runs one invocation. The work is not tied to the request: the host kills the
// process when it gives up, and a dropped connection must not leave a step half done.
func invoke(w http.ResponseWriter, r *http.Request, b Binding, log *slog.Logger) {
	log = log.With("function", b.Name, "invocation", r.Header.Get("X-Azure-Functions-InvocationId"))
	payload, err := decode(http.MaxBytesReader(w, r.Body, maxInvocation), b)
	if err != nil {
		// Delivering the same bytes again cannot help.
		log.Error("invocation dropped: it cannot be read", "error", err)
		reply(w, []string{"dropped: " + err.Error()})
		return
	}
	lines, err := b.Run(context.WithoutCancel(r.Context()), payload)
	if err != nil {
		log.Error("invocation failed, the host delivers it again", "error", err)
		var known *api.Error
		if !errors.As(err, &known) {
			known = api.Errorf(http.StatusInternalServerError, "internal", "%v", err)
		}
		api.WriteError(w, r, known)
		return
	}
	reply(w, lines)
}

// decode takes the trigger's value out of the envelope. Metadata is never looked at: the
// host merges the properties of a queue message into it, so a sender could write it.
func decode(body io.Reader, b Binding) (json.RawMessage, error) {
	var envelope struct{ Data map[string]json.RawMessage }
	if err := json.NewDecoder(body).Decode(&envelope); err != nil {
		return nil, fmt.Errorf("the invocation is not the host's JSON envelope: %w", err)
	}
	payload, ok := envelope.Data[b.Data]
	if !ok {
		return nil, fmt.Errorf("the invocation has no Data.%s: function.json and the handler disagree on the binding's name", b.Data)
	}
	var text string
	if json.Unmarshal(payload, &text) != nil {
		return payload, nil
	}
	// The host sends strings as the JSON text of a string inside a JSON string, and a
	// string it takes for anything else (a number, an array) as its bare JSON text.
	if !json.Valid([]byte(text)) {
		return payload, nil
	}
	if b.Queue && !strings.HasPrefix(text, `"`) {
		return payload, nil
	}
	return json.RawMessage(text), nil
}

// reply answers success. The host hangs on an empty body and fails on any other content type.
func reply(w http.ResponseWriter, lines []string) {
	w.Header().Set("Content-Type", "application/json")
	logs := make([]string, len(lines))
	for n, line := range lines {
		logs[n] = release.WithoutSecrets(line)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Outputs struct{}
		Logs    []string
	}{Logs: logs}) // a host that went away needs no answer
}

// recovered turns a panic into a failed invocation, so that one bad input cannot end the
// process: the host stops for good after three exits.
func recovered(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil && !errors.Is(asError(p), http.ErrAbortHandler) {
				log.Error("panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				api.WriteError(w, r, api.Errorf(http.StatusInternalServerError, "internal", "an internal error; the log of the app has its cause"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func asError(p any) error {
	err, _ := p.(error)
	return err
}

// Text returns a queue message from its payload.
func Text(payload json.RawMessage) (string, error) {
	var text string
	if err := json.Unmarshal(payload, &text); err != nil {
		return "", fmt.Errorf("the queue message is not a string: %w", err)
	}
	return text, nil
}
