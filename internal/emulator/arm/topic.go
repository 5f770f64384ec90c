package arm

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// TopicState is how a topic meets publishers.
type TopicState int

// States of a topic.
const (
	TopicUp          TopicState = iota
	TopicRefuses                // connections are refused
	TopicUnavailable            // 503
	TopicHangs                  // no answer until the state changes or the client gives up
)

// Topic is an Event Grid custom topic with the CloudEvents 1.0 input schema.
type Topic struct {
	emulator  *Emulator
	addr, key string

	mu      sync.Mutex
	state   TopicState
	changed chan struct{} // closed at the next change of state
	server  *http.Server
	events  []Event
}

// Event is a CloudEvent that a topic has accepted.
type Event struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
}

// AddTopic starts a custom topic on its own address.
func (e *Emulator) AddTopic() (*Topic, error) {
	t := &Topic{emulator: e, addr: "127.0.0.1:0", key: newGUID(), changed: make(chan struct{})}
	if err := t.listen(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.topics = append(e.topics, t)
	return t, nil
}

// URL is the endpoint for publishers, the topic endpoint in the portal.
func (t *Topic) URL() string { return "https://" + t.addr + "/api/events" }

// Key is the topic's access key, for the header aeg-sas-key.
func (t *Topic) Key() string { return t.key }

// Events returns the accepted events in order, duplicates included.
func (t *Topic) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Event(nil), t.events...)
}

// Set changes how the topic meets publishers. It fails when a topic that refused
// connections cannot have its address back.
func (t *Topic) Set(state TopicState) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = state
	close(t.changed)
	t.changed = make(chan struct{})
	if state == TopicRefuses {
		if t.server != nil {
			t.server.Close()
			t.server = nil
		}
		return nil
	}
	if t.server == nil {
		return t.listen()
	}
	return nil
}

func (t *Topic) listen() error {
	l, err := net.Listen("tcp", t.addr)
	if err != nil {
		return fmt.Errorf("listen for Event Grid topic: %w", err)
	}
	t.addr = l.Addr().String()
	t.server = &http.Server{Handler: t, TLSConfig: t.emulator.authority.serverConfig(), ErrorLog: silent}
	go t.server.ServeTLS(l, "", "")
	return nil
}

// ServeHTTP accepts a batch of CloudEvents; success is 200 without a body.
func (t *Topic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	state, changed := t.state, t.changed
	t.mu.Unlock()
	switch state {
	case TopicHangs:
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case TopicUnavailable:
		failure(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is unavailable.").write(w)
		return
	}
	t.take(r).write(w)
}

func (t *Topic) take(r *http.Request) answer {
	principal, problem := t.emulator.identity.check(r, eventGridAudience)
	if problem == "" && !t.emulator.rights.may(principal, "Microsoft.EventGrid/events/send/action") {
		problem = "the principal does not have permission to send data to the topic"
	}
	switch {
	case r.URL.Path != "/api/events" || r.Method != http.MethodPost:
		return failure(http.StatusNotFound, "NotFound", "Publishers post to /api/events.")
	case r.URL.Query().Get("api-version") != "2018-01-01":
		return failure(http.StatusBadRequest, "BadRequest", "The api-version 2018-01-01 is required.")
	case problem != "" && r.Header.Get("aeg-sas-key") != t.key:
		return failure(http.StatusUnauthorized, "Unauthorized", "The request did not contain the required authorization header: "+problem+".")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json"):
		return failure(http.StatusBadRequest, "BadRequest", "This resource is configured for CloudEventSchemaV1_0 and takes application/cloudevents-batch+json.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
	if err != nil || len(body) > 1<<20 {
		return failure(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The maximum size (1048576) has been exceeded.")
	}
	var events []Event
	if err := json.Unmarshal(body, &events); err != nil {
		return failure(http.StatusBadRequest, "BadRequest", "The batch is not valid JSON: "+err.Error())
	}
	for _, e := range events {
		if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Type == "" {
			return failure(http.StatusBadRequest, "BadRequest", "An event lacks specversion 1.0, id, source or type.")
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, events...)
	return answer{status: http.StatusOK}
}
