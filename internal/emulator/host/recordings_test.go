package host_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bluegreen/internal/emulator/host"
)

// recordings is testdata/recordings.json: what the real host sent to a handler, and answered.
type recordings struct {
	Environment map[string]string
	Readiness   recorded
	Proxying    []exchange
	Forwarding  []exchange
}

// exchange is one call of the host: the curl command or another act, the answer (a status
// or the whole of it), and what the handler received.
type exchange struct {
	Case, Sent, Answer string
	Received           []recorded
}

type recorded struct {
	Method, Target string
	Headers        [][2]string
	Body           string
}

// recordedApp is the app of the recordings.
var recordedApp = map[string]string{
	"alert-fired":  httpBinding("anonymous", `"post"`, "alert-fired"),
	"console":      httpBinding("function", `"get","post"`, "{*path}"),
	"image-pushed": eventFunction,
	"release-step": `{"bindings":[{"type":"queueTrigger","name":"message","direction":"in","queueName":"release-steps"}]}`,
	"clock-tick":   `{"bindings":[{"type":"timerTrigger","name":"tick","direction":"in","schedule":"0 * * * * *"}]}`,
}

// recorder is a handler that keeps what it receives.
type recorder struct {
	mu  sync.Mutex
	all []recorded
}

func (c *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	got := recorded{Method: r.Method, Target: r.RequestURI, Body: string(body), Headers: [][2]string{{"Host", r.Host}}}
	for name, values := range r.Header {
		for _, v := range values {
			got.Headers = append(got.Headers, [2]string{name, v})
		}
	}
	for _, v := range r.TransferEncoding {
		got.Headers = append(got.Headers, [2]string{"Transfer-Encoding", v})
	}
	c.mu.Lock()
	c.all = append(c.all, got)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if bytes.Contains(body, []byte("FAILME")) {
		w.WriteHeader(http.StatusInternalServerError)
	}
	io.WriteString(w, "{}")
}

// take returns what was received, once it is as much as expected.
func (c *recorder) take(t *testing.T, expected int) []recorded {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c.mu.Lock()
		all := slices.Clone(c.all)
		if len(all) >= expected || time.Now().After(deadline) {
			c.all = nil
			c.mu.Unlock()
			return all
		}
		c.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
}

// TestTheHostSendsWhatTheRealOneSent repeats the recordings, and compares what the handler
// receives and what the caller is answered. The handler was a process of its own then; the
// rest is the host's.
func TestTheHostSendsWhatTheRealOneSent(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/recordings.json")
	if err != nil {
		t.Fatal(err)
	}
	var real recordings
	if err := json.Unmarshal(text, &real); err != nil {
		t.Fatal(err)
	}
	for mode, exchanges := range map[string][]exchange{"proxying": real.Proxying, "forwarding": real.Forwarding} {
		t.Run(mode, func(t *testing.T) {
			repeatAll(t, map[string]string{"proxying": proxying, "forwarding": forwarding}[mode], exchanges)
		})
	}
}

func repeatAll(t *testing.T, setting string, exchanges []exchange) {
	h := &recorder{}
	w := startWith(t, host.Options{
		Root: folder(t, recordedApp), Handler: h, TimerStatus: t.TempDir(),
		Keys: host.Keys{Host: "FUNCTION-KEY", Master: "MASTER-KEY", EventGrid: "SYSTEM-KEY"},
	}, setting, "AzureFunctionsJobHost__extensions__queues__visibilityTimeout=00:00:00.050",
		"AzureFunctionsJobHost__extensions__queues__maxDequeueCount=5")
	for _, e := range exchanges {
		t.Run(e.Case, func(t *testing.T) {
			if strings.HasPrefix(e.Case, "timer") {
				w.repeatTimer(t, h, e)
				return
			}
			answer := w.repeat(t, e.Sent)
			if answer, expected := tidyAnswer(answer), tidyAnswer(e.Answer); answer != expected {
				t.Errorf("answered\n%s\nexpected\n%s", answer, expected)
			}
			compare(t, h.take(t, len(e.Received)), e.Received)
		})
	}
}

// repeatTimer fires the timer by hand: its envelope is that of a run on schedule. The status
// that it shows was kept by an earlier host.
func (w *env) repeatTimer(t *testing.T, h *recorder, e exchange) {
	for _, expected := range e.Received {
		var was struct {
			Data struct {
				Tick struct {
					ScheduleStatus map[string]any
					IsPastDue      bool
				}
			}
		}
		if err := json.Unmarshal([]byte(expected.Body), &was); err != nil {
			t.Fatal(err)
		}
		if was.Data.Tick.IsPastDue {
			return // TestAMissedOccurrenceIsMadeUpForOnce: it needs a past without a host
		}
		if got := w.call("POST", "/admin/functions/clock-tick", "{}", "x-functions-key", "MASTER-KEY"); got.status != 202 {
			t.Fatalf("%+v", got)
		}
		compare(t, h.take(t, 1), []recorded{expected})
	}
}

// repeat does what was done to the real host, and returns the answer: the status, or all of it
// for curl -D.
func (w *env) repeat(t *testing.T, sent string) string {
	t.Helper()
	words := shellWords(sent)
	if words[0] == "queue" {
		if err := w.queues.Put(t.Context(), words[2], base64.StdEncoding.EncodeToString([]byte(words[3])), 0); err != nil {
			t.Fatal(err)
		}
		return ""
	}
	request, whole := curl(t, words)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !whole {
		return fmt.Sprint(resp.StatusCode)
	}
	lines := []string{resp.Proto + " " + resp.Status}
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		lines = append(lines, name+": "+strings.Join(resp.Header[name], ", "))
	}
	return strings.TrimRight(strings.Join(lines, "\n")+"\n\n"+string(body), "\n")
}

// tidyAnswer leaves out what differs by the server: its name, the date, and how it closes.
func tidyAnswer(answer string) string {
	return strings.TrimRight(regexp.MustCompile(`(?m)^(Date|Server|Connection): .*\n?`).ReplaceAllString(answer, ""), "\n")
}

// shellWords splits a command at spaces outside single quotes.
func shellWords(command string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}

// curl writes the request that curl 7.88 makes of a command line, and reports whether the whole
// answer is printed.
func curl(t *testing.T, words []string) (request string, whole bool) {
	t.Helper()
	method, target, body := "", "", ""
	header := [][2]string{{"Host", "APP"}, {"User-Agent", "curl/7.88.1"}, {"Accept", "*/*"}}
	set := func(name, value string) {
		for i := range header {
			if strings.EqualFold(header[i][0], name) {
				header[i][1] = value
				return
			}
		}
		header = append(header, [2]string{name, value})
	}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-o", "-w":
			i++
		case "-D":
			i, whole = i+1, true
		case "-X":
			i++
			method = words[i]
		case "-I":
			method = http.MethodHead
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			set(name, value)
		case "-d":
			i++
			body = words[i]
			if file, ok := strings.CutPrefix(body, "@"); ok {
				text, err := os.ReadFile(filepath.Join("testdata", file))
				if err != nil {
					t.Fatal(err)
				}
				body = string(text)
			}
		default:
			u, err := url.Parse(words[i])
			if err != nil {
				t.Fatal(err)
			}
			target = u.RequestURI()
		}
	}
	chunked := slices.ContainsFunc(header, func(h [2]string) bool { return h[0] == "Transfer-Encoding" })
	if body != "" {
		if method == "" {
			method = http.MethodPost
		}
		if !slices.ContainsFunc(header, func(h [2]string) bool { return h[0] == "Content-Type" }) {
			set("Content-Type", "application/x-www-form-urlencoded")
		}
		if chunked {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		} else {
			set("Content-Length", fmt.Sprint(len(body)))
		}
	}
	if method == "" {
		method = http.MethodGet
	}
	request = method + " " + target + " HTTP/1.1\r\n"
	for _, h := range header {
		request += h[0] + ": " + h[1] + "\r\n"
	}
	return request + "\r\n" + body, whole
}

// compare compares requests, with what differs from run to run replaced by its form. Events
// of a batch come in any order.
func compare(t *testing.T, got, expected []recorded) {
	t.Helper()
	if len(got) != len(expected) {
		t.Errorf("the handler received %d requests, expected %d", len(got), len(expected))
		return
	}
	form := func(all []recorded) []string {
		var texts []string
		for _, r := range all {
			texts = append(texts, r.form(t))
		}
		slices.Sort(texts)
		return texts
	}
	if diff := cmp.Diff(form(expected), form(got)); diff != "" {
		t.Errorf("what the handler received (+) differs from the recording (-):\n%s", diff)
	}
}

var (
	anyID      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyPort    = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	plainTime  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$`)
	finestTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?(\+00:00|Z)$`)
)

func (r recorded) form(t *testing.T) string {
	lines := []string{r.Method + " " + r.Target}
	var header []string
	for _, h := range r.Headers {
		name, value := http.CanonicalHeaderKey(h[0]), h[1]
		if strings.HasSuffix(strings.ToLower(name), "invocation-id") || strings.HasSuffix(strings.ToLower(name), "invocationid") {
			value = anyID.ReplaceAllString(value, "ID")
		}
		header = append(header, name+": "+anyPort.ReplaceAllString(value, "127.0.0.1:PORT"))
	}
	slices.Sort(header)
	return strings.Join(append(append(lines, header...), bodyForm(t, r.Body)), "\n")
}

func bodyForm(t *testing.T, body string) string {
	var e struct {
		Data     map[string]any
		Metadata map[string]any
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if d.Decode(&e) != nil || e.Data == nil {
		return body
	}
	replace := func(m map[string]any, form *regexp.Regexp, names ...string) {
		for _, name := range names {
			if text, ok := m[name].(string); ok && form.MatchString(text) {
				m[name] = "as " + form.String()
			}
		}
	}
	replace(e.Metadata, plainTime, "ExpirationTime", "InsertionTime", "NextVisibleTime")
	replace(e.Metadata, regexp.MustCompile(`^"`+anyID.String()+`"$`), "Id")
	replace(e.Metadata, regexp.MustCompile(`^".+"$`), "PopReceipt")
	if sys, ok := e.Metadata["sys"].(map[string]any); ok {
		replace(sys, finestTime, "UtcNow")
		replace(sys, anyID, "RandGuid")
	}
	if tick, ok := e.Data["tick"].(map[string]any); ok {
		status, _ := tick["ScheduleStatus"].(map[string]any)
		replace(status, finestTime, "Last", "Next", "LastUpdated")
	}
	text, err := json.MarshalIndent(map[string]any{"Data": e.Data, "Metadata": e.Metadata}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
