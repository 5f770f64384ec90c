package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
)

// serveEventGrid is the webhook of the Event Grid extension.
func (h *Host) serveEventGrid(w http.ResponseWriter, r *http.Request) {
	switch key(r) {
	case h.o.Keys.EventGrid, h.o.Keys.Master:
	case h.o.Keys.Host:
		w.WriteHeader(http.StatusForbidden)
		return
	default:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	name := r.URL.Query().Get("functionName")
	f := h.function(name)
	if f == nil || f.trigger.Type != eventGridTrigger {
		http.Error(w, fmt.Sprintf("cannot find function: '%s'", name), http.StatusNotFound)
		return
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("WebHook-Allowed-Origin", r.Header.Get("WebHook-Request-Origin"))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.Header.Get("aeg-event-type") {
	case "SubscriptionValidation":
		h.validate(w, body)
	case "Notification":
		h.notify(w, r, f, body)
	case "Unsubscribe":
		w.WriteHeader(http.StatusAccepted)
	default:
		http.Error(w, "aeg-event-type is missing or unknown", http.StatusBadRequest)
	}
}

// validate answers the handshake, which the handler never sees.
func (h *Host) validate(w http.ResponseWriter, body []byte) {
	events, err := eventsOf(body)
	var code any
	if err == nil && len(events) > 0 {
		data, _ := events[0]["data"].(object)
		code = data["validationCode"]
	}
	if code == nil {
		http.Error(w, "the validation event holds no data.validationCode", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(bytes.TrimRight(toJSON(object{"validationResponse": code}), "\n")) // a caller that went away needs no answer
}

// eventsOf reads an array of events or a single one.
func eventsOf(body []byte) ([]object, error) {
	var events []object
	if decodeJSON(body, &events) == nil && events != nil {
		return events, nil
	}
	var event object
	if err := decodeJSON(body, &event); err != nil {
		return nil, fmt.Errorf("the body is no JSON object or array of objects: %w", err)
	}
	return []object{event}, nil
}

// notify calls the function once for each event, all at the same time, and answers when
// all are done. One failure fails the delivery as a whole.
func (h *Host) notify(w http.ResponseWriter, r *http.Request, f *function, body []byte) {
	events, err := eventsOf(body)
	if err != nil {
		h.say(slog.LevelError, "Host.Triggers.EventGrid", "the events cannot be read", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	errs := make([]error, len(events))
	done := h.inBackground(r.Context(), func() {
		var group sync.WaitGroup
		for i, event := range events {
			group.Go(func() { _, errs[i] = h.invoke(f, reparse(event), eventMetadata(event)) })
		}
		group.Wait()
	})
	if !done {
		return
	}
	if errors.Join(errs...) != nil { // the journal has the reason
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "Exception while executing function: Functions."+f.name)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func eventMetadata(event object) metadata {
	meta := metadata{}
	if data := reparse(event["data"]); data != nil {
		meta.set("data", data)
	}
	return meta
}
