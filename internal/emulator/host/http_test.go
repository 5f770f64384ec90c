package host_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
)

const (
	proxying   = "AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest=true"
	forwarding = "AzureFunctionsJobHost__customHandler__enableForwardingHttpRequest=true"
)

func httpBinding(level, methods, route string) string {
	return fmt.Sprintf(`{"bindings":[{"type":"httpTrigger","name":"req","direction":"in","authLevel":%q,"methods":[%s],"route":%q},
		{"type":"http","name":"res","direction":"out"}]}`, level, methods, route)
}

var httpApp = map[string]string{
	"alert":  httpBinding("function", `"post"`, "alert-fired"),
	"all":    httpBinding("anonymous", `"get","post","put"`, "{*path}"),
	"thing":  httpBinding("anonymous", "", "things/{id:int}/{part?}"),
	"secret": httpBinding("admin", `"get"`, "secret"),
	"plain":  httpBinding("anonymous", `"get"`, `plain/{*path:regex(^[a-z\x2f]+$)}`),
	"off":    httpBinding("anonymous", `"get"`, "off"),
}

func TestRequestsFindTheirFunction(t *testing.T) {
	t.Parallel()
	w := start(t, httpApp, proxying, "AzureWebJobs.off.Disabled=true").ready()
	key := []string{"x-functions-key", w.HostKey()}
	tests := []struct {
		method, path string
		headers      []string
		status       int
		function     string
	}{
		{"POST", "/api/alert-fired", key, 418, "alert"},
		{"POST", "/api/Alert-Fired?code=" + w.HostKey(), nil, 418, "alert"},
		{"POST", "/api/alert-fired?code=" + w.MasterKey(), nil, 418, "alert"},
		{"POST", "/api/alert-fired?code=" + w.KeyOf("alert"), nil, 418, "alert"},
		{"POST", "/api/alert-fired?code=" + w.KeyOf("secret"), nil, 401, ""},
		{"GET", "/api/secret?code=" + w.KeyOf("secret"), nil, 401, ""},
		{"POST", "/api/alert-fired", nil, 401, ""},
		{"POST", "/api/alert-fired?code=" + w.HostKey(), []string{"x-functions-key", "wrong"}, 401, ""},
		{"GET", "/api/alert-fired", nil, 418, "all"},
		{"GET", "/api", nil, 418, "all"},
		{"GET", "/api/", nil, 418, "all"},
		{"POST", "/api/Alert-Fired/", key, 418, "alert"},
		{"GET", "/api//", nil, 404, ""},
		{"GET", "//api/apps", nil, 404, ""},
		{"GET", "/api//apps", nil, 404, ""},
		{"GET", "/api/apps//web", nil, 404, ""},
		{"GET", "/api/apps//", nil, 404, ""},
		{"HEAD", "/api/apps", nil, 404, ""},
		{"OPTIONS", "/api/apps", nil, 404, ""},
		{"GET", "/api/apps/web/history", nil, 418, "all"},
		{"DELETE", "/api/apps/web", nil, 404, ""},
		{"DELETE", "/api/things/4", nil, 418, "thing"},
		{"GET", "/api/things/4/wheel", nil, 418, "thing"},
		{"GET", "/api/things/four", nil, 418, "all"},
		{"GET", "/api/plain/a/B", nil, 418, "plain"},
		{"GET", "/api/plain/a/%2e%2e", nil, 418, "all"},
		{"GET", "/api/plain/", nil, 418, "all"},
		{"GET", "/api/secret", key, 401, ""},
		{"GET", "/api/secret?code=" + w.MasterKey(), nil, 418, "secret"},
		{"GET", "/api/off", nil, 404, ""},
		{"GET", "/elsewhere", nil, 404, ""},
		{"GET", "/", nil, 200, ""},
		{"GET", "/admin/host/status", key, 401, ""},
		{"GET", "/admin/host/status?code=" + w.MasterKey(), nil, 200, ""},
	}
	for _, test := range tests {
		before := len(w.Invocations(""))
		got := w.call(test.method, test.path, "", test.headers...)
		called := ""
		if got.status == http.StatusTeapot { // its invocation is noted a moment after the answer
			eventually(t, "an invocation", func() bool { return len(w.Invocations("")) > before })
		}
		if all := w.Invocations(""); len(all) > before {
			called = all[len(all)-1].Function
		}
		if got.status != test.status || called != test.function {
			t.Errorf("%s %s: %d by %q, want %d by %q", test.method, test.path, got.status, called, test.status, test.function)
		}
	}
}

func TestAProxiedRequestIsStreamedWithItsHeaders(t *testing.T) {
	t.Parallel()
	w := start(t, httpApp, proxying, forwarding).ready()
	chunked := struct{ io.Reader }{strings.NewReader("in chunks")} // of unknown length
	got := w.send("POST", "/api/a%2Fb/c%3Fd?x=1&x=2&code=k", chunked, "Content-Encoding", "own", "X-Forwarded-For", "203.0.113.9", "Cookie", "a=b")
	if got.status != http.StatusTeapot || got.header.Get("X-Handler") != "fake" {
		t.Errorf("answer %+v", got)
	}
	s := parseSeen(t, got.body)
	if s.URI != "/api/a%252Fb/c%3Fd?x=1&x=2&code=k" || s.Body != "in chunks" || "http://"+s.Host == w.URL() {
		t.Errorf("the handler saw %+v", s)
	}
	for k, v := range map[string]string{"Content-Encoding": "own", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": strings.TrimPrefix(w.URL(), "http://"), "Cookie": "a=b"} {
		if s.Header.Get(k) != v {
			t.Errorf("%s is %q", k, s.Header.Get(k))
		}
	}
	i := w.ended("all", 1)
	if i.Err != nil || i.Status != http.StatusTeapot || s.Header.Get("X-Azure-Functions-Invocationid") != i.ID || s.Header.Get("X-Ms-Invocation-Id") != i.ID {
		t.Errorf("invocation %+v, headers %v", i, s.Header)
	}
}

func TestForwardingLosesTheSameAsTheRealHost(t *testing.T) {
	t.Parallel()
	w := start(t, httpApp, forwarding).ready()
	got := w.call("POST", "/api/things/1?x=1&x=2", "sized", "Content-Encoding", "own", "User-Agent", "me", "Content-Type", "text/csv")
	s := parseSeen(t, got.body)
	if got.status != http.StatusTeapot || s.Body != "sized" || s.URI != "/api/things/1?x=1,2" || "http://"+s.Host != w.URL() {
		t.Errorf("the handler saw %+v", s)
	}
	if s.Header.Get("Content-Encoding") != "" || s.Header.Get("Content-Type") != "text/csv" || !strings.HasPrefix(s.Header.Get("User-Agent"), "me Azure-Functions-Host/") {
		t.Errorf("headers %v", s.Header)
	}
	chunked := struct{ io.Reader }{strings.NewReader("lost")}
	if got := w.send("POST", "/api/things/1", chunked); got.status != http.StatusInternalServerError {
		t.Errorf("a chunked request: %+v", got)
	}
	if s := parseSeen(t, w.call("GET", "/api/a%3Fb", "").body); s.URI != "/api/a?b" {
		t.Errorf("an encoded ? arrived as %s", s.URI)
	}
	if got := w.call("POST", "/api/things/1", order{Reply: "redirect"}.String()); got.status != http.StatusFound {
		t.Errorf("a redirect was followed: %+v", got)
	}
}

func TestTheDefaultFormCarriesARequestAsAnObject(t *testing.T) {
	t.Parallel()
	extra := strings.Replace(httpFunction, `"direction":"out"}`, `"direction":"out"},{"type":"queue","name":"out","direction":"out","queueName":"results"}`, 1)
	w := start(t, map[string]string{"on-http": extra}, forwarding, proxying).ready()
	got := w.call("POST", "/api/things/web-7?step=2&code="+w.HostKey(), `{"go":true}`, "Content-Type", "application/json")
	if got.status != http.StatusNoContent {
		t.Errorf("answer %+v", got)
	}
	e := readEnvelope(t, heard(t, w.ended("on-http", 1)))
	req, _ := e.Data["req"].(map[string]any)
	if req["Method"] != "POST" || req["Body"] != `{"go":true}` || req["Url"] != w.URL()+"/api/things/web-7?step=2&code="+w.HostKey() {
		t.Errorf("request %v", req)
	}
	for name, want := range map[string]string{"Query": `"step":"2"`, "Params": `"id":"web-7"`, "Headers": `"Content-Type":["application/json"]`} {
		if !strings.Contains(flat(t, req[name]), want) {
			t.Errorf("%s is %v", name, req[name])
		}
	}
	for k, want := range map[string]string{"step": `"2"`, "id": `"web-7"`, "go": `"True"`} {
		if e.Metadata[k] != want {
			t.Errorf("metadata %s is %v", k, e.Metadata[k])
		}
	}
	got = w.call("POST", "/api/things/1", order{Reply: "http"}.String(), "x-functions-key", w.HostKey())
	if got.status != 202 || got.header.Get("X-Own") != "yes" || got.body != `{"a":1}` {
		t.Errorf("answer %+v", got)
	}
	if got := w.call("POST", "/api/things/1", order{Reply: "500"}.String(), "x-functions-key", w.HostKey()); got.status != 500 || got.body != "" {
		t.Errorf("answer %+v", got)
	}
}

func TestAChunkedBodyIsMissingInTheDefaultForm(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"on-http": httpFunction}).ready()
	w.send("POST", "/api/things/1?code="+w.HostKey(), struct{ io.Reader }{strings.NewReader("lost")})
	req, _ := readEnvelope(t, heard(t, w.ended("on-http", 1))).Data["req"].(map[string]any)
	if body, ok := req["Body"]; ok {
		t.Errorf("the body is %v", body)
	}
}

// inProcess serves a handler of the test itself through the proxy.
func inProcess(t *testing.T, front time.Duration, handler http.HandlerFunc) *env {
	t.Helper()
	return startWith(t, host.Options{Root: folder(t, httpApp), Handler: handler, Times: host.Times{FrontEnd: front}}, proxying)
}

func TestAProxiedAnswerIsStreamed(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	w := inProcess(t, 0, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		http.NewResponseController(w).Flush()
		<-more
		fmt.Fprintln(w, "second")
	})
	resp, err := http.Get(w.URL() + "/api/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if first, err := lines.ReadString('\n'); err != nil || first != "first\n" {
		t.Errorf("%q %v", first, err)
	}
	close(more)
	if second, err := lines.ReadString('\n'); err != nil || second != "second\n" {
		t.Errorf("%q %v", second, err)
	}
}

func TestTheFrontEndCutsOffAnAnswerThatStandsStill(t *testing.T) {
	t.Parallel()
	w := inProcess(t, 300*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/begun" {
			fmt.Fprintln(w, "begun")
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	if got := w.call("GET", "/api/silent", ""); got.status != http.StatusGatewayTimeout {
		t.Errorf("answer %+v", got)
	}
	resp, err := http.Get(w.URL() + "/api/begun")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the answer ended well with %q", data)
	}
}

// TestAClosedConnectionIsTriedAgainWithoutABody has a handler that takes each request and
// closes the connection.
func TestAClosedConnectionIsTriedAgainWithoutABody(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	w := inProcess(t, 0, func(http.ResponseWriter, *http.Request) {
		arrived.Add(1)
		panic(http.ErrAbortHandler)
	})
	for _, test := range []struct {
		method, body string
		deliveries   int32
	}{{"GET", "", 40}, {"POST", "", 40}, {"POST", "a body", 1}} {
		arrived.Store(0)
		if got := w.call(test.method, "/api/x", test.body); got.status != http.StatusInternalServerError || arrived.Load() != test.deliveries {
			t.Errorf("%s %q: %d after %d deliveries, expected 500 after %d", test.method, test.body, got.status, arrived.Load(), test.deliveries)
		}
	}
}

func TestAnUnreachableHandlerIs500(t *testing.T) {
	t.Parallel()
	w := start(t, httpApp, proxying).ready()
	code := 0
	w.call("POST", "/api/x", order{Exit: &code}.String())
	eventually(t, "the host logs it", func() bool { return strings.Contains(w.log.String(), "exit code 0") })
	if got := w.call("GET", "/api/x", ""); got.status != http.StatusInternalServerError {
		t.Errorf("answer %+v", got)
	}
}

func TestTheAdminAPIShowsStateAndKeys(t *testing.T) {
	t.Parallel()
	w := start(t, with(httpApp, eventApp)).ready()
	var status struct{ State string }
	if err := json.Unmarshal([]byte(w.call("GET", "/admin/host/status", "", "x-functions-key", w.MasterKey()).body), &status); err != nil || status.State != "Running" {
		t.Errorf("%+v %v", status, err)
	}
	var key struct{ Value string }
	body := w.call("GET", "/admin/host/systemkeys/eventgrid_extension?code="+w.MasterKey(), "").body
	if err := json.Unmarshal([]byte(body), &key); err != nil || !strings.HasSuffix(w.EventGridURL("x"), "code="+key.Value+"&functionName=x") {
		t.Errorf("%s %v", body, err)
	}
	if got := w.call("POST", "/admin/functions/on-event", `{"input":"{\"id\":\"7\"}"}`, "x-functions-key", w.MasterKey()); got.status != 202 {
		t.Errorf("%+v", got)
	}
	if e := readEnvelope(t, heard(t, w.ended("on-event", 1))); flat(t, e.Data["event"]) != `{"id":"7"}` {
		t.Errorf("event %v", e.Data)
	}
	for path, want := range map[string]int{"/admin/functions/nobody": 404, "/admin/functions/alert": 400} {
		if got := w.call("POST", path, "{}", "x-functions-key", w.MasterKey()); got.status != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
