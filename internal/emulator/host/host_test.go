package host_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
	"bluegreen/testbed"
)

func TestMain(m *testing.M) {
	if os.Getenv("HOST_TEST_HANDLER") != "" {
		serveFake()
	}
	testbed.Main(m)
}

// The function folders that tests use.
const (
	eventFunction = `{"bindings":[{"type":"eventGridTrigger","name":"event","direction":"in"}]}`
	queueFunction = `{"bindings":[{"type":"queueTrigger","name":"msg","direction":"in","queueName":"Work-Items"}]}`
	timerFunction = `{"bindings":[{"type":"timerTrigger","name":"tick","direction":"in","schedule":"0 * * * * *"}]}`
	httpFunction  = `{"bindings":[{"type":"httpTrigger","name":"req","direction":"in","route":"things/{id}"},{"type":"http","name":"res","direction":"out"}]}`
)

// folder writes an app whose handler is this test binary.
func folder(t *testing.T, functions map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "host.json"), fmt.Sprintf(`{"version":"2.0",
		"customHandler":{"description":{"defaultExecutablePath":%q}},
		"extensionBundle":{"id":"Microsoft.Azure.Functions.ExtensionBundle","version":"[4.*, 5.0.0)"},
		"extensions":{"queues":{"maxPollingInterval":"00:00:00.100","maxDequeueCount":3}}}`, os.Args[0]))
	for name, text := range functions {
		write(t, filepath.Join(root, name, "function.json"), text)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// env is a host with the fake handler.
type env struct {
	*host.Host
	t      *testing.T
	queues *host.Memory
	log    *lines
	dir    string
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the functions; settings are app settings.
func start(t *testing.T, functions map[string]string, settings ...string) *env {
	t.Helper()
	return startWith(t, host.Options{Root: folder(t, functions)}, settings...)
}

func startWith(t *testing.T, o host.Options, settings ...string) *env {
	t.Helper()
	w := &env{t: t, queues: host.NewMemory(), log: &lines{}, dir: t.TempDir()}
	o.Queues = w.queues
	o.Log = slog.New(slog.NewTextHandler(w.log, nil))
	o.Env = append([]string{"HOST_TEST_HANDLER=" + w.dir}, settings...)
	h, err := host.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.Host = h
	t.Cleanup(func() {
		h.Close()
		if t.Failed() {
			t.Logf("log of host and handler:\n%s", w.log)
		}
	})
	return w
}

func (w *env) ready() *env {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.Ready(ctx); err != nil {
		w.t.Fatalf("the handler is not ready: %v\n%s", err, w.log)
	}
	return w
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !true(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// ended waits for the nth finished invocation of a function.
func (w *env) ended(function string, n int) host.Invocation {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("invocation %d of %s", n, function), func() bool { return len(w.Invocations(function)) >= n })
	return w.Invocations(function)[n-1]
}

// put sends a message as a proper sender does.
func (w *env) put(text string) {
	w.t.Helper()
	if err := w.queues.Put(w.t.Context(), "work-items", base64.StdEncoding.EncodeToString([]byte(text)), 0); err != nil {
		w.t.Fatal(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// call makes a request of the host; headers come in pairs.
func (w *env) call(method, path, body string, headers ...string) answer {
	w.t.Helper()
	return w.send(method, path, strings.NewReader(body), headers...)
}

func (w *env) send(method, path string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = w.URL() + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// seen is a request as the fake handler saw it.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Encoding          []string
	Body              string
}

// heard returns an invocation as the handler received it.
func heard(t *testing.T, i host.Invocation) seen {
	t.Helper()
	if len(i.Logs) != 1 {
		t.Fatalf("invocation %+v has no single log line", i)
	}
	return parseSeen(t, i.Logs[0])
}

func parseSeen(t *testing.T, text string) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return s
}

// order is an instruction for the fake handler, in the queue message, the event's data or the
// body of a request.
type order struct {
	Reply string        `json:"reply,omitempty"`
	Exit  *int          `json:"exit,omitempty"`
	Sleep time.Duration `json:"sleep,omitempty"`
	// Once names an action that is carried out only once, over all restarts of the handler.
	Once string `json:"once,omitempty"`
	Say  string `json:"say,omitempty"`
}

func (o order) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func exit(code int) order { return order{Exit: &code} }

// serveFake is the handler that the host spawns.
func serveFake() {
	if code := os.Getenv("FAKE_EXIT"); code != "" {
		fmt.Fprintln(os.Stderr, "cannot start: the shelf is empty")
		os.Exit(int(code[0] - '0'))
	}
	fmt.Println("the fake handler starts")
	fmt.Fprintln(os.Stderr, "a warning without a category")
	if os.Getenv("FAKE_DEAF") != "" {
		time.Sleep(time.Hour)
	}
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), http.HandlerFunc(fake))
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func fake(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s := seen{r.Method, r.RequestURI, r.Host, r.Header, r.TransferEncoding, string(body)}
	report, _ := json.Marshal(s)
	o := orderIn(body)
	if o.Once != "" {
		f, err := os.OpenFile(filepath.Join(os.Getenv("HOST_TEST_HANDLER"), o.Once), os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			o = order{}
		} else {
			f.Close()
		}
	}
	if o.Say != "" {
		fmt.Println(o.Say)
	}
	time.Sleep(o.Sleep)
	if o.Exit != nil {
		os.Exit(*o.Exit)
	}
	replyAs(w, r, o.Reply, report)
}

// orderIn finds the order in each of these forms.
func orderIn(body []byte) (o order) {
	var e struct{ Data map[string]json.RawMessage }
	if json.Unmarshal(body, &e) != nil || e.Data == nil {
		_ = json.Unmarshal(body, &o)
		return o
	}
	for _, v := range e.Data {
		var once, twice string
		var event struct {
			Data json.RawMessage
			Body string
		}
		switch {
		case json.Unmarshal(v, &once) == nil:
			_ = json.Unmarshal([]byte(once), &twice)
			_ = json.Unmarshal([]byte(twice), &o)
		case json.Unmarshal(v, &event) == nil:
			_ = json.Unmarshal(append([]byte(nil), event.Data...), &o)
			_ = json.Unmarshal([]byte(event.Body), &o)
		}
	}
	return o
}

// replies are answers to the default POST by name.
var replies = map[string]struct {
	status     int
	kind, body string
}{
	"empty":    {200, "application/json", ""},
	"204":      {204, "", ""},
	"null":     {200, "application/json", "null"},
	"text":     {200, "text/plain", "{}"},
	"invalid":  {200, "application/json", "{"},
	"500":      {500, "application/json", `{"Logs":["lost"]}`},
	"202":      {202, "application/json; charset=utf-8", "{}"},
	"http":     {200, "application/json", `{"Outputs":{"res":{"statusCode":"202","status":500,"headers":{"X-Own":"yes"},"body":{"a":1}}}}`},
	"base64":   {200, "application/json", `{"Outputs":{"out":"abcd"}}`},
	"messages": {200, "application/json", `{"Outputs":{"out":["one",{"two":2}]}}`},
}

func replyAs(w http.ResponseWriter, r *http.Request, name string, report []byte) {
	if named, ok := replies[name]; ok {
		if named.kind != "" {
			w.Header().Set("Content-Type", named.kind)
		}
		w.WriteHeader(named.status)
		io.WriteString(w, named.body)
		return
	}
	switch {
	case name == "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case strings.HasPrefix(r.URL.Path+"/", "/api/") || r.URL.Path == "/":
		w.Header().Set("X-Handler", "fake")
		w.WriteHeader(http.StatusTeapot)
		w.Write(report)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"Logs": []string{string(report)}})
	}
}

// with merges function folders.
func with(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
