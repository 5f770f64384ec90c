package host_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestRepliesThatTheRealHostRefusesFailTheInvocation(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"on-event": eventFunction}).ready()
	tests := []struct{ reply, want string }{
		{"empty", "would hang until functionTimeout"},
		{"204", "would hang until functionTimeout"},
		{"null", "would hang until functionTimeout"},
		{"text", `content type is "text/plain"`},
		{"invalid", "invalid HttpResponseMessage"},
		{"500", "answered 500"},
		{"redirect", ""}, // followed to a page that is not JSON's
		{"202", "ok"},
	}
	for _, test := range tests {
		got := w.call("POST", w.EventGridURL("on-event"), `{"id":"1","data":`+order{Reply: test.reply}.String()+`}`, "aeg-event-type", "Notification")
		all := w.Invocations("on-event")
		last := all[len(all)-1]
		switch {
		case test.want == "ok" && (got.status != 202 || last.Err != nil):
			t.Errorf("%s: %+v %v", test.reply, got, last.Err)
		case test.reply == "redirect":
			if !strings.Contains(fmt.Sprint(last.Logs), "/elsewhere") {
				t.Errorf("the host follows redirects: %+v", last)
			}
		case test.want != "ok" && (got.status != 500 || last.Err == nil || !strings.Contains(last.Err.Error(), test.want)):
			t.Errorf("%s: %+v, %v, want %q", test.reply, got, last.Err, test.want)
		}
	}
	if w.Restarts() != 0 {
		t.Errorf("%d restarts", w.Restarts())
	}
}

func TestAnOutputThatHappensToBeBase64BecomesBytes(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"relay": `{"bindings":[{"type":"eventGridTrigger","name":"event","direction":"in"},
		{"type":"queue","name":"out","direction":"out","queueName":"results"}]}`})
	send := func(reply string) answer {
		return w.call("POST", w.EventGridURL("relay"), `{"id":"1","data":`+order{Reply: reply}.String()+`}`, "aeg-event-type", "Notification")
	}
	if got := send("base64"); got.status != 202 {
		t.Fatalf("%+v", got)
	}
	bytes, _ := base64.StdEncoding.DecodeString("abcd")
	if got := w.Invocations("relay")[0].Outputs["out"]; fmt.Sprint(got) != fmt.Sprint(bytes) {
		t.Errorf("the output is %v, want the bytes %v", got, bytes)
	}
	send("messages")
	var texts []string
	for _, text := range w.queues.Texts("results") {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(plain))
	}
	if want := fmt.Sprint([]string{string(bytes), "one", `{"two":2}`}); fmt.Sprint(texts) != want {
		t.Errorf("messages %q, want %q", texts, want)
	}
}
