package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var eventApp = map[string]string{"on-event": eventFunction, "on-http": httpFunction}

func TestTheWebhookAnswersAsEventGridExpects(t *testing.T) {
	t.Parallel()
	w := start(t, eventApp, "AzureWebJobs.off.Disabled=true").ready()
	url := w.EventGridURL("on-event")
	notification := []string{"aeg-event-type", "Notification"}
	validation := `[{"id":"1","data":{"validationCode":"512d38b6"},"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]`
	tests := []struct {
		name, method, url, body string
		headers                 []string
		status                  int
		want                    string
	}{
		{"one event", "POST", url, `{"id":"1"}`, notification, 202, ""},
		{"an array", "POST", url, `[{"id":"1"},{"id":"2"}]`, notification, 202, ""},
		{"path in another case", "POST", strings.Replace(url, "/runtime/webhooks/eventgrid", "/Runtime/WebHooks/EventGrid", 1), `{"id":"1"}`, notification, 202, ""},
		{"key as a header", "POST", w.URL() + "/runtime/webhooks/eventgrid?functionName=on-event", `{"id":"1"}`, append([]string{"x-functions-key", w.MasterKey()}, notification...), 202, ""},
		{"no key", "POST", w.URL() + "/runtime/webhooks/eventgrid?functionName=on-event", `{}`, notification, 401, ""},
		{"a function's key", "POST", w.URL() + "/runtime/webhooks/eventgrid?functionName=on-event&code=" + w.HostKey(), `{}`, notification, 403, ""},
		{"unknown function", "POST", w.EventGridURL("nobody"), `{}`, notification, 404, "cannot find function: 'nobody'"},
		{"a function of another kind", "POST", w.EventGridURL("on-http"), `{}`, notification, 404, ""},
		{"handshake", "POST", url, validation, []string{"aeg-event-type", "SubscriptionValidation"}, 200, `{"validationResponse":"512d38b6"}`},
		{"farewell", "POST", url, `[]`, []string{"aeg-event-type", "Unsubscribe"}, 202, ""},
		{"no type", "POST", url, `{}`, nil, 400, ""},
		{"CloudEvents handshake", "OPTIONS", url, "", []string{"WebHook-Request-Origin", "eventgrid.azure.net"}, 200, ""},
		{"no JSON", "POST", url, `{`, notification, 500, ""},
		{"one of two fails", "POST", url, `[{"id":"1"},{"id":"2","data":{"reply":"500"}}]`, notification, 500, "Exception while executing function: Functions.on-event"},
		{"another case of the name", "POST", w.EventGridURL("On-Event"), `{}`, notification, 404, ""},
		{"an empty array", "POST", url, `[]`, notification, 202, ""},
	}
	for _, test := range tests {
		got := w.call(test.method, test.url, test.body, test.headers...)
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%s: %d %q, want %d %q", test.name, got.status, got.body, test.status, test.want)
		}
		if test.method == "OPTIONS" && got.header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" {
			t.Errorf("%s: %v", test.name, got.header)
		}
	}
	if n := len(w.Invocations("on-event")); n != 7 {
		t.Errorf("%d invocations, want 7", n)
	}
}

func TestAnEventArrivesAsAnObjectWithItsDatesRewritten(t *testing.T) {
	t.Parallel()
	w := start(t, eventApp).ready()
	w.call("POST", w.EventGridURL("on-event"), `[{"id":"e-41","subject":"<web>","data":{"at":"2026-11-24T09:14:58.1000000Z","n":1.50,"off":"2026-11-24T10:15:00+01:00"}}]`, "aeg-event-type", "Notification")
	e := readEnvelope(t, heard(t, w.ended("on-event", 1)))
	want := `{"data":{"at":"2026-11-24T09:14:58.1Z","n":1.5,"off":"2026-11-24T09:15:00+00:00"},"id":"e-41","subject":"<web>"}`
	if got := flat(t, e.Data["event"]); got != flat(t, json.RawMessage(want)) {
		t.Errorf("event %s, want %s", got, want)
	}
	if meta, _ := e.Metadata["data"].(map[string]any); meta["at"] != "2026-11-24T09:14:58.1Z" {
		t.Errorf("metadata %v", e.Metadata)
	}
	w.call("POST", w.EventGridURL("on-event"), `{"specversion":"1.0","data":"text"}`, "aeg-event-type", "Notification")
	if got := readEnvelope(t, heard(t, w.ended("on-event", 2))).Metadata["data"]; got != `"text"` {
		t.Errorf("data that is a string is %v in the metadata", got)
	}
}

func flat(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheSameEventTwiceReachesTheHandlerTwice(t *testing.T) {
	t.Parallel()
	w := start(t, eventApp).ready()
	for range 2 {
		w.call("POST", w.EventGridURL("on-event"), `{"id":"same"}`, "aeg-event-type", "Notification")
	}
	all := w.Invocations("on-event")
	if len(all) != 2 || all[0].ID == all[1].ID {
		t.Errorf("invocations %+v", all)
	}
}

func TestADeliveryWaitsForItsSlowestEventAndRunsThemAtOnce(t *testing.T) {
	t.Parallel()
	w := start(t, eventApp).ready()
	begun := time.Now()
	slow := `{"id":"1","data":` + order{Sleep: time.Second}.String() + `}`
	got := w.call("POST", w.EventGridURL("on-event"), fmt.Sprintf("[%s,%s,%s]", slow, slow, slow), "aeg-event-type", "Notification")
	all := w.Invocations("on-event")
	if got.status != 202 || time.Since(begun) < time.Second || len(all) != 3 {
		t.Errorf("%+v after %v, %d invocations", got, time.Since(begun), len(all))
	}
	for _, i := range all {
		if i.At.After(all[0].At.Add(all[0].Duration)) {
			t.Error("the events ran one after the other")
		}
	}
}
