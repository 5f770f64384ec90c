package host_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
)

var queueApp = map[string]string{"drain-queue": queueFunction}

type envelope struct{ Data, Metadata map[string]any }

func readEnvelope(t *testing.T, s seen) envelope {
	t.Helper()
	var e envelope
	if err := json.Unmarshal([]byte(s.Body), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAMessageArrivesAsAStringInAString(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	texts := []struct{ sent, data string }{
		{"scale up", `"scale up"`},
		{`{"app":"web <&>"}`, `"{\"app\":\"web <&>\"}"`},
		{"4", `"4"`},
	}
	for i, text := range texts {
		w.put(text.sent)
		s := heard(t, w.ended("drain-queue", i+1))
		if got := readEnvelope(t, s).Data["msg"]; got != text.data {
			t.Errorf("%q arrived as %q, want %q", text.sent, got, text.data)
		}
		if strings.Contains(s.Body, `\u0026`) {
			t.Errorf("& is escaped in %s", s.Body)
		}
	}
	eventually(t, "the queue is empty", func() bool { return len(w.queues.Texts("work-items")) == 0 })
}

func TestAnInvocationCarriesTheHostsHeadersAndNoLength(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	w.put("hello")
	i := w.ended("drain-queue", 1)
	s := heard(t, i)
	if s.Method != "POST" || s.URI != "/drain-queue" || fmt.Sprint(s.Encoding) != "[chunked]" {
		t.Errorf("%s %s in %v", s.Method, s.URI, s.Encoding)
	}
	want := map[string]string{"X-Azure-Functions-Invocationid": i.ID, "Content-Type": "application/json; charset=utf-8"}
	for k, v := range want {
		if s.Header.Get(k) != v {
			t.Errorf("%s is %q, want %q", k, s.Header.Get(k), v)
		}
	}
	for _, k := range []string{"X-Azure-Functions-Hostversion", "User-Agent"} {
		if s.Header.Get(k) == "" {
			t.Errorf("no %s in %v", k, s.Header)
		}
	}
	if s.Header.Get("Accept-Encoding") != "" || s.Header.Get("Traceparent") != "" || s.Header.Get("Content-Length") != "" {
		t.Errorf("the host sends no such header: %v", s.Header)
	}
}

func TestAMessageCanOverwriteItsMetadata(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	w.put("plain")
	plain := readEnvelope(t, heard(t, w.ended("drain-queue", 1))).Metadata
	if plain["DequeueCount"] != "1" || !strings.HasPrefix(plain["Id"].(string), `"`) || plain["QueueTrigger"] != nil {
		t.Errorf("metadata %v", plain)
	}
	if _, err := time.Parse("2006-01-02T15:04:05-07:00", plain["InsertionTime"].(string)); err != nil {
		t.Error(err)
	}
	w.put(`{"id":"forged","DEQUEUECOUNT":0,"ok":true,"at":{"zone":"b"},"when":"2026-11-24T09:15:00Z","tags":["x"],"none":null,"myTrigger":"x"}`)
	got := readEnvelope(t, heard(t, w.ended("drain-queue", 2))).Metadata
	want := map[string]any{"Id": `"forged"`, "DequeueCount": `"0"`, "ok": `"True"`, "when": `"11/24/2026 09:15:00"`, "tags": nil, "none": nil, "myTrigger": nil}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	if at, _ := got["at"].(map[string]any); at["zone"] != "b" {
		t.Errorf("objects stay nested: %v", got["at"])
	}
	if sys, _ := got["sys"].(map[string]any); sys["MethodName"] != "drain-queue" {
		t.Errorf("sys is %v", got["sys"])
	}
}

func TestAFailingMessageIsDeliveredAgainAndThenGivenUp(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	w.put(order{Reply: "500"}.String())
	w.put("good")
	eventually(t, "the message is poison", func() bool { return len(w.Poison()) == 1 })
	failed := 0
	for _, i := range w.Invocations("") {
		if i.Err != nil {
			failed++
		}
	}
	if failed != 3 || len(w.queues.Texts("work-items-poison")) != 1 {
		t.Errorf("%d failures, poison queue %v", failed, w.queues.Texts("work-items-poison"))
	}
	eventually(t, "the queue is empty", func() bool { return len(w.queues.Texts("work-items")) == 0 })
}

func TestTheVisibilityTimeoutDelaysTheNextTry(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__extensions__queues__visibilityTimeout=00:00:00.700")
	w.put(order{Reply: "500"}.String())
	first := w.ended("drain-queue", 1)
	if again := w.ended("drain-queue", 2); again.At.Sub(first.At) < 700*time.Millisecond {
		t.Errorf("delivered again after %v", again.At.Sub(first.At))
	}
}

func TestAMessageThatIsNotBase64NeverReachesTheHandler(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	if err := w.queues.Put(t.Context(), "work-items", `{"not":"base64"}`, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message is poison", func() bool { return len(w.Poison()) == 1 })
	if n := len(w.Invocations("")); n != 0 {
		t.Errorf("%d invocations", n)
	}
}

// TestAMessageThatIsNoTextIsTriedInVain has base64 of bytes that are not UTF-8.
func TestAMessageThatIsNoTextIsTriedInVain(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	w.put("caf\xff")
	eventually(t, "the message is poison", func() bool { return len(w.Poison()) == 1 })
	if n := len(w.Invocations("")); n != 0 {
		t.Errorf("%d invocations", n)
	}
	if log := w.log.String(); strings.Count(log, "is not UTF-8") != 3+1 { // with the reason of the end
		t.Errorf("it was not tried three times:\n%s", log)
	}
}

func TestPlainMessagesPassWithEncodingNone(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__extensions__queues__messageEncoding=none")
	if err := w.queues.Put(t.Context(), "work-items", "plain", 0); err != nil {
		t.Fatal(err)
	}
	if got := readEnvelope(t, heard(t, w.ended("drain-queue", 1))).Data["msg"]; got != `"plain"` {
		t.Errorf("got %v", got)
	}
}

func TestBinaryMessagesArriveAsBase64(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"raw": strings.Replace(queueFunction, `"queueName"`, `"dataType":"binary","queueName"`, 1)})
	w.put("a\xff")
	if got := readEnvelope(t, heard(t, w.ended("raw", 1))).Data["msg"]; got != base64.StdEncoding.EncodeToString([]byte("a\xff")) {
		t.Errorf("got %v", got)
	}
}

func TestTheLeaseIsRenewedWhileTheHandlerWorks(t *testing.T) {
	t.Parallel()
	w := startWith(t, host.Options{Root: folder(t, queueApp), Times: host.Times{Lease: 600 * time.Millisecond}})
	w.put(order{Sleep: 2 * time.Second}.String())
	w.ended("drain-queue", 1)
	eventually(t, "the queue is empty", func() bool { return len(w.queues.Texts("work-items")) == 0 })
	if n := len(w.Invocations("drain-queue")); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

func TestNoMoreMessagesRunThanTheSettingsAllow(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__extensions__queues__batchSize=1", "AzureFunctionsJobHost__extensions__queues__newBatchThreshold=0")
	for range 3 {
		w.put(order{Sleep: 100 * time.Millisecond}.String())
	}
	w.ended("drain-queue", 3)
	all := w.Invocations("")
	for i := 1; i < 3; i++ {
		if all[i].At.Before(all[i-1].At.Add(all[i-1].Duration)) {
			t.Errorf("invocation %d began before the one before it ended", i)
		}
	}
}

func TestAWakeUpIsAMessageAtItsTime(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp)
	wakeups := w.queues.Wakeups("work-items", func(app string, _ time.Time) string { return base64.StdEncoding.EncodeToString([]byte(app)) })
	due := time.Now().Add(500 * time.Millisecond)
	if err := wakeups.Wake(t.Context(), "later", due); err != nil {
		t.Fatal(err)
	}
	i := w.ended("drain-queue", 1)
	if got := readEnvelope(t, heard(t, i)).Data["msg"]; got != `"later"` || i.At.Before(due) {
		t.Errorf("got %v, %v early", got, due.Sub(i.At))
	}
}

func TestAnOldReceiptSettlesNothing(t *testing.T) {
	q := host.NewMemory()
	if err := q.Put(t.Context(), "q", "x", 0); err != nil {
		t.Fatal(err)
	}
	queueContract(t, q, "q", "x", time.Millisecond)
}

// queueContract takes the one message of a queue twice.
func queueContract(t *testing.T, q host.Queues, queue, text string, lease time.Duration) {
	t.Helper()
	receive := func() host.Message {
		var got []host.Message
		eventually(t, "the message is visible", func() bool {
			var err error
			if got, err = q.Receive(t.Context(), queue, 32, lease); err != nil {
				t.Fatal(err)
			}
			return len(got) == 1
		})
		return got[0]
	}
	first := receive()
	second := receive()
	if first.ID != second.ID || second.Text != text || first.DequeueCount != 1 || second.DequeueCount != 2 || first.Receipt == second.Receipt {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if err := q.Delete(t.Context(), queue, first); !errors.Is(err, host.ErrGone) {
		t.Errorf("delete by an old receipt: %v", err)
	}
	if _, err := q.Hide(t.Context(), queue, first, time.Minute); !errors.Is(err, host.ErrGone) {
		t.Errorf("hide by an old receipt: %v", err)
	}
	held, err := q.Hide(t.Context(), queue, second, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := q.Receive(t.Context(), queue, 1, lease); err != nil || len(got) != 0 {
		t.Errorf("a hidden message was received: %v %v", got, err)
	}
	if err := q.Delete(t.Context(), queue, held); err != nil {
		t.Error(err)
	}
}
