package queue_test

import (
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/azure/queue"
	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/testbed"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// client is on a new queue's name; the queue itself is not made.
func client(t testing.TB) *azqueue.QueueClient {
	service, err := azqueue.NewServiceClientFromConnectionString(testbed.SharedAzurite(t).ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return service.NewQueueClient("q" + strings.ToLower(rand.Text()))
}

// receive takes a message off the queue as the Functions host does.
func receive(t *testing.T, q *azqueue.QueueClient) (app string, ok bool) {
	got, err := q.DequeueMessage(t.Context(), nil)
	if err != nil || len(got.Messages) == 0 {
		return "", false // also before the first message has made the queue
	}
	m := got.Messages[0]
	if _, err := q.DeleteMessage(t.Context(), *m.MessageID, *m.PopReceipt, nil); err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(*m.MessageText)
	if err != nil {
		t.Fatalf("the host could not decode %q: %v", *m.MessageText, err)
	}
	if app, err = queue.Parse(string(text)); err != nil {
		t.Fatal(err)
	}
	return app, true
}

func TestWakeupsKeepTheirContract(t *testing.T) {
	contract.Wakeups(t, func(t *testing.T) (engine.Wakeups, contract.Receive) {
		q := client(t)
		return queue.New(q), func(t *testing.T) (string, bool) { return receive(t, q) }
	})
}

func TestTheQueueIsMadeByTheFirstWakeups(t *testing.T) {
	q := client(t)
	w := queue.New(q)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := w.Wake(t.Context(), "shop", time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 8 {
		if _, ok := receive(t, q); !ok {
			t.Error("a wake-up is missing")
		}
	}
}

func TestMessagesDoNotExpire(t *testing.T) {
	q := client(t)
	if err := queue.New(q).Wake(t.Context(), "shop", time.Time{}); err != nil {
		t.Fatal(err)
	}
	got, err := q.PeekMessage(t.Context(), nil)
	if err != nil || len(got.Messages) != 1 {
		t.Fatal(got, err)
	}
	if left := time.Until(*got.Messages[0].ExpirationTime); left < 365*24*time.Hour {
		t.Errorf("a message is gone after %v", left)
	}
}

// answers is a service that answers the same to everything, and remembers the last request.
type answers struct {
	status int
	header http.Header
	asked  *http.Request
}

func (a *answers) Do(req *http.Request) (*http.Response, error) {
	a.asked = req
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Body: io.NopCloser(strings.NewReader("<a/>")), Request: req}, nil
}

func answering(t *testing.T, a *answers) *queue.Wakeups {
	q, err := azqueue.NewQueueClientWithNoCredential("https://account.queue.invalid/steps", &azqueue.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	return queue.New(q)
}

func TestAMessageIsHiddenForWholeSecondsAtMostAWeek(t *testing.T) {
	for want, wait := range map[string]time.Duration{"0": -time.Minute, "60": time.Minute - 500*time.Millisecond, "604800": 1000 * time.Hour} {
		a := &answers{status: http.StatusCreated, header: http.Header{}}
		if err := answering(t, a).Wake(t.Context(), "shop", time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		if got := a.asked.URL.Query(); got.Get("visibilitytimeout") != want || got.Get("messagettl") != "-1" {
			t.Errorf("a wait of %v asks for %v", wait, got)
		}
	}
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	a := &answers{status: http.StatusForbidden, header: http.Header{"X-Ms-Error-Code": {"AuthorizationPermissionMismatch"}}}
	err := answering(t, a).Wake(t.Context(), "shop", time.Now())
	if err == nil || !strings.Contains(err.Error(), "403 AuthorizationPermissionMismatch") || !strings.Contains(err.Error(), "Storage Queue Data Contributor") || strings.Contains(err.Error(), "\n") {
		t.Errorf("answers %v", err)
	}
}

func TestAForeignMessageIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "EOF",
		"scale up":                  "invalid character",
		`"shop"`:                    "cannot unmarshal",
		`{}`:                        `"app" is missing`,
		`null`:                      `"app" is missing`,
		`{"app":""}`:                `"app" is missing`,
		`{"app":3}`:                 "cannot unmarshal",
		`{"app":"shop","step":"2"}`: `unknown field "step"`,
		`{"app":"shop"} {}`:         "more text follows",
		`{"app":"shop"`:             "unexpected EOF",
		"eyJhcHAiOiJzaG9wIn0=":      "messageEncoding",
		"\xff\x00":                  "invalid character",
		`{"app":"` + strings.Repeat("x", 2000) + `"}`: "it has 2010 bytes",
	} {
		app, err := queue.Parse(text)
		if err == nil || app != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q is read as %q, %v; wanted an error with %s", text, app, err, want)
		}
	}
	if app, err := queue.Parse(" {\"app\": \"shop\"}\n"); err != nil || app != "shop" {
		t.Errorf("a message of ours is read as %q, %v", app, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"app":"shop"}`, `{"app":`, "eyJhcHAiOiJzaG9wIn0=", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if app, err := queue.Parse(text); (err == nil) == (app == "") {
			t.Errorf("%q is read as %q, %v", text, app, err)
		}
	})
}

func TestTheQueueIsCheckedByPeeking(t *testing.T) {
	for code, want := range map[string][3]string{
		"QueueNotFound":                   {"404", "the storage account account has no queue steps", "az storage queue create --name steps --account-name account"},
		"AuthorizationPermissionMismatch": {"403", "may not read the queues of the storage account account", "--role 'Storage Queue Data Contributor'"},
	} {
		status := map[string]int{"404": http.StatusNotFound, "403": http.StatusForbidden}[want[0]]
		a := &answers{status: status, header: http.Header{"X-Ms-Error-Code": {code}}}
		found, err := answering(t, a).Preflight(t.Context())
		if err != nil || len(found) != 1 || a.asked.Method != http.MethodGet || a.asked.URL.Query().Get("peekonly") != "true" {
			t.Fatalf("%s: %+v, %v, asked %v", code, found, err, a.asked.URL)
		}
		if cause, fix := found[0].Parts(); !strings.Contains(cause, want[1]) || !strings.Contains(fix, want[2]) {
			t.Errorf("%s: %q, %q", code, cause, fix)
		}
	}
	if found, err := answering(t, &answers{status: http.StatusInternalServerError, header: http.Header{}}).Preflight(t.Context()); err == nil || found != nil {
		t.Errorf("a service in trouble: %+v, %v", found, err)
	}
}
