package host

import (
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// serveAdmin is the part of the host's own API that operators use.
func (h *Host) serveAdmin(w http.ResponseWriter, r *http.Request) {
	if key(r) != h.o.Keys.Master {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path := strings.TrimRight(strings.TrimPrefix(r.URL.Path, "/admin/"), "/")
	name, isFunction := strings.CutPrefix(path, "functions/")
	switch {
	case r.Method == http.MethodGet && path == "host/status":
		answerJSON(w, h.status())
	case r.Method == http.MethodPost && path == "host/ping":
	case r.Method == http.MethodGet && path == "host/systemkeys/eventgrid_extension":
		answerJSON(w, object{"name": "eventgrid_extension", "value": h.o.Keys.EventGrid})
	case r.Method == http.MethodGet && path == "functions":
		var all []any
		for _, f := range h.functions {
			all = append(all, object{"name": f.name, "isDisabled": f.disabled, "config": object{"bindings": []any{object{"type": f.trigger.Type, "name": f.trigger.Name}}}})
		}
		answerJSON(w, all)
	case r.Method == http.MethodPost && isFunction:
		h.fire(w, r, h.function(name))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *Host) status() object {
	hostname, _ := os.Hostname() // only shown
	return object{"id": "standin", "state": "Running", "version": version, "computerName": hostname,
		"processUptime": time.Since(h.started).Milliseconds(), "errors": []any{}}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(toJSON(v)) // a caller that went away needs no answer
}

// fire runs a function by hand, on the input that the body holds, and does not wait for it.
func (h *Host) fire(w http.ResponseWriter, r *http.Request, f *function) {
	if f == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var request struct{ Input any }
	body, err := io.ReadAll(r.Body)
	if err != nil || (len(body) > 0 && decodeJSON(body, &request) != nil) {
		http.Error(w, `the body must be {"input": "…"}`, http.StatusBadRequest)
		return
	}
	input, ok := request.Input.(string)
	if !ok && request.Input != nil {
		input = strings.TrimSpace(string(toJSON(request.Input)))
	}
	value, meta, problem := h.byHand(f, input)
	switch {
	case problem != "":
		http.Error(w, problem, http.StatusBadRequest)
	case !h.enter():
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		go func() {
			defer h.group.Done()
			_, _ = h.invoke(f, value, meta) // the journal has the outcome
		}()
		w.WriteHeader(http.StatusAccepted)
	}
}

// byHand makes a trigger's value of an input.
func (h *Host) byHand(f *function, input string) (value any, meta metadata, problem string) {
	switch f.trigger.Type {
	case timerTrigger:
		for _, t := range h.timers {
			if t.f == f {
				return t.info(false), metadata{}, ""
			}
		}
	case queueTrigger:
		return messageValue(f, []byte(input)), messageMetadata(Message{}, []byte(input)), ""
	case eventGridTrigger:
		var event object
		if decodeJSON([]byte(input), &event) != nil {
			return nil, nil, "the input must be an event as a JSON object"
		}
		return reparse(event), eventMetadata(event), ""
	}
	return nil, nil, "call an HTTP function by its own route"
}
