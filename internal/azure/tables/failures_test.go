package tables_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// line is the transport to the service. It counts requests, and applies the failures in next to the
// following transactions, one each.
type line struct {
	mu       sync.Mutex
	next     []trouble
	requests int
}

// trouble does as it likes with a request; send takes it to the service.
type trouble func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)

func (l *line) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	send := func() (*http.Response, error) { // a copy: its body may still be written while the SDK sends it again
		c := req.Clone(req.Context())
		c.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultClient.Do(c)
	}
	l.mu.Lock()
	l.requests++
	var now trouble
	if len(l.next) > 0 && (l.next[0] != nil || req.Method == http.MethodPost) {
		now, l.next = l.next[0], l.next[1:]
	}
	l.mu.Unlock()
	if now == nil {
		return send()
	}
	return now(req, send)
}

func (l *line) brings(next ...trouble) { l.next = next }

var errLine = errors.New("the line went dead")

// refused never reaches the service.
func refused(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
	return nil, errLine
}

// unheard reaches the service, but its answer gets lost.
func unheard(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	resp, err := send()
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return nil, errLine
}

// busy is done by the service, but reported as not done.
func busy(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	resp, err := send()
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return answer(req, http.StatusServiceUnavailable, ""), nil
}

func answer(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
}

const (
	once    = -1 // the SDK's way to ask for no retries
	retried = 3
)

// open makes a store whose table exists, on a line that can have trouble.
func open(t *testing.T, retries int32) (*tables.Store, *line) {
	l := &line{}
	s := tables.New(client(t, l, retries))
	if _, err := s.Accept(t.Context(), "other", entry("first")); err != nil {
		t.Fatal(err)
	}
	return s, l
}

func entry(id string) engine.Entry {
	return engine.Entry{ID: id, Event: release.Commanded{Command: release.Cancel, By: release.Actor{Name: "ana"}}, At: time.Date(2026, 11, 24, 9, 15, 0, 0, time.UTC)}
}

func record(fence int64) engine.Record {
	return engine.Record{Schema: 2, Lease: engine.Lease{Fence: fence}}
}

func load(t *testing.T, s engine.Store) engine.Snapshot {
	t.Helper()
	snap, err := s.Load(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func inboxHas(t *testing.T, s engine.Store, want int) {
	t.Helper()
	if snap := load(t, s); len(snap.Inbox) != want {
		t.Errorf("the inbox has %d entries, not %d", len(snap.Inbox), want)
	}
}

func TestARefusedAcceptLeavesNothing(t *testing.T) {
	s, l := open(t, once)
	l.brings(refused)
	if fresh, err := s.Accept(t.Context(), "shop", entry("a")); !errors.Is(err, errLine) || fresh {
		t.Errorf("a refused accept answers %v, %v", fresh, err)
	}
	inboxHas(t, s, 0)
	if fresh, err := s.Accept(t.Context(), "shop", entry("a")); err != nil || !fresh {
		t.Errorf("the next one answers %v, %v", fresh, err)
	}
	inboxHas(t, s, 1)
}

func TestAnAcceptReportedFailedButDoneIsADuplicateTheNextTime(t *testing.T) {
	s, l := open(t, once)
	l.brings(unheard)
	if _, err := s.Accept(t.Context(), "shop", entry("a")); !errors.Is(err, errLine) {
		t.Errorf("an accept whose answer was lost returns %v", err)
	}
	inboxHas(t, s, 1)
	if fresh, err := s.Accept(t.Context(), "shop", entry("a")); err != nil || fresh {
		t.Errorf("the next one answers %v, %v", fresh, err)
	}
	inboxHas(t, s, 1)
}

func TestAnAcceptSentTwiceByTheSDKIsStillNew(t *testing.T) {
	for name, trouble := range map[string]trouble{"unheard": unheard, "busy": busy} {
		t.Run(name, func(t *testing.T) {
			s, l := open(t, retried)
			l.brings(trouble, trouble)
			if fresh, err := s.Accept(t.Context(), "shop", entry("a")); err != nil || !fresh {
				t.Errorf("answers %v, %v", fresh, err)
			}
			l.brings(trouble)
			if fresh, err := s.Accept(t.Context(), "shop", entry("a")); err != nil || fresh {
				t.Errorf("a true duplicate answers %v, %v", fresh, err)
			}
			inboxHas(t, s, 1)
		})
	}
}

func TestADuplicateCostsOneRequest(t *testing.T) {
	s, l := open(t, retried)
	for n, want := range []bool{true, false, false} {
		before := l.requests
		if fresh, err := s.Accept(t.Context(), "shop", entry("a")); err != nil || fresh != want || l.requests-before != 1 {
			t.Errorf("accept %d answers %v, %v after %d requests", n+1, fresh, err, l.requests-before)
		}
	}
	inboxHas(t, s, 1)
}

func TestARefusedCommitLeavesNothing(t *testing.T) {
	s, l := open(t, once)
	for fence := range int64(2) { // an insert, then a replacement
		from := load(t, s)
		l.brings(refused)
		if _, err := s.Commit(t.Context(), from, engine.Change{Record: record(fence + 1)}); !errors.Is(err, errLine) {
			t.Errorf("a refused commit answers %v", err)
		}
		if now := load(t, s); now.Version != from.Version {
			t.Error("a refused commit changed the record")
		}
		if _, err := s.Commit(t.Context(), from, engine.Change{Record: record(fence + 1)}); err != nil {
			t.Error(err)
		}
	}
}

func TestACommitReportedFailedButDoneIsSeenByLoading(t *testing.T) {
	s, l := open(t, once)
	for fence := range int64(2) {
		from := load(t, s)
		l.brings(unheard)
		_, err := s.Commit(t.Context(), from, engine.Change{Record: record(fence + 1)})
		if !errors.Is(err, errLine) || errors.Is(err, engine.ErrChanged) {
			t.Errorf("a commit whose answer was lost returns %v", err)
		}
		if now := load(t, s); now.Version == from.Version || now.Record.Lease.Fence != fence+1 {
			t.Errorf("the record is %v", now)
		}
	}
}

func TestACommitSentTwiceByTheSDKIsDoneOnce(t *testing.T) {
	for name, trouble := range map[string]trouble{"unheard": unheard, "busy": busy} {
		t.Run(name, func(t *testing.T) {
			s, l := open(t, retried)
			if _, err := s.Accept(t.Context(), "shop", entry("a")); err != nil {
				t.Fatal(err)
			}
			snap := load(t, s)
			for n := 1; n <= 3; n++ {
				l.brings(trouble, trouble)
				var err error
				snap, err = s.Commit(t.Context(), snap, engine.Change{Record: record(int64(n)), Consumed: snap.Inbox,
					Facts: []release.Fact{{Number: n, Kind: release.HoldSet}}})
				if err != nil {
					t.Fatal(err)
				}
			}
			if now := load(t, s); now.Version != snap.Version || len(now.Inbox) != 0 || history(t, s) != 3 {
				t.Errorf("loaded is %v, committed was %v", now, snap)
			}
		})
	}
}

func TestACommitOvertakenBeforeItWasSentAgainIsChanged(t *testing.T) {
	s, l := open(t, retried)
	from := load(t, s)
	l.brings(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if _, err := s.Commit(req.Context(), from, engine.Change{Record: record(7)}); err != nil {
			t.Error(err)
		}
		return nil, errLine
	})
	_, err := s.Commit(t.Context(), from, engine.Change{Record: record(1)})
	if !errors.Is(err, engine.ErrChanged) {
		t.Errorf("answers %v", err)
	}
	if now := load(t, s); now.Record.Lease.Fence != 7 {
		t.Errorf("the record is %v", now.Record)
	}
}

func TestACommitThatCannotBeSettledIsNeitherDoneNorChanged(t *testing.T) {
	s, l := open(t, once)
	from := load(t, s)
	if _, err := s.Commit(t.Context(), from, engine.Change{Record: record(1)}); err != nil {
		t.Fatal(err)
	}
	l.brings(nil, refused) // the transaction meets a conflict, the look at the row fails
	_, err := s.Commit(t.Context(), from, engine.Change{Record: record(2)})
	if !errors.Is(err, errLine) || errors.Is(err, engine.ErrChanged) {
		t.Errorf("answers %v", err)
	}
}

func TestAnUnreadableAnswerLeavesTheOutcomeOpen(t *testing.T) {
	const odd = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--c--\r\n--b--\r\n"
	for name, body := range map[string]string{"empty": "", "not multipart": "--b\r\n\r\nhello\r\n--b--\r\n", "without an ETag": odd} {
		t.Run(name, func(t *testing.T) {
			s, l := open(t, once)
			from := load(t, s)
			l.brings(func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				resp := answer(req, http.StatusAccepted, body)
				resp.Header.Set("Content-Type", "multipart/mixed; boundary=b")
				return resp, nil
			})
			_, err := s.Commit(t.Context(), from, engine.Change{Record: record(1)})
			if err == nil || errors.Is(err, engine.ErrChanged) {
				t.Errorf("answers %v", err)
			}
		})
	}
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	s, l := open(t, once)
	denied := func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(req, http.StatusForbidden, `{"odata.error":{"code":"AuthorizationPermissionMismatch","message":{"lang":"en-US","value":"This request is not authorized to perform this operation using this permission.\nRequestId:1"}}}`), nil
	}
	l.brings(denied, denied)
	_, accepting := s.Accept(t.Context(), "shop", entry("a"))
	_, loading := s.Load(t.Context(), "shop")
	for _, err := range []error{accepting, loading} {
		if err == nil || !strings.Contains(err.Error(), "Storage Table Data Contributor") || strings.Contains(err.Error(), "\n") {
			t.Errorf("answers %v", err)
		}
	}
}

func TestACanceledCallReturnsTheCancellation(t *testing.T) {
	s, _ := open(t, retried)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, "shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("load answers %v", err)
	}
	if _, err := s.Accept(ctx, "shop", entry("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("accept answers %v", err)
	}
}

func TestTheTableIsCheckedByReading(t *testing.T) {
	says := func(status int, code string) trouble {
		return func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			if req.Method != http.MethodGet {
				t.Errorf("the check makes a %s", req.Method)
			}
			return answer(req, status, `{"odata.error":{"code":"`+code+`","message":{"lang":"en-US","value":"x"}}}`), nil
		}
	}
	for name, c := range map[string]struct {
		next       trouble
		cause, fix string
	}{
		"no table": {says(http.StatusNotFound, "TableNotFound"), "has no table with the state of apps", "az storage table create --name bluegreen --account-name devstoreaccount1"},
		"no role":  {says(http.StatusForbidden, "AuthorizationPermissionMismatch"), "may not read the tables of the storage account devstoreaccount1", "--role 'Storage Table Data Contributor'"},
		"no entry": {says(http.StatusForbidden, "AuthorizationFailure"), "(AuthorizationFailure)", "the account's firewall"},
	} {
		l := &line{next: []trouble{c.next}}
		found, err := tables.New(offline(t, l)).Preflight(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %+v, %v", name, found, err)
		}
		if cause, fix := found[0].Parts(); !strings.Contains(cause, c.cause) || !strings.Contains(fix, c.fix) {
			t.Errorf("%s: %q, %q", name, cause, fix)
		}
	}
	l := &line{next: []trouble{func(*http.Request, func() (*http.Response, error)) (*http.Response, error) { return nil, errLine }}}
	if found, err := tables.New(offline(t, l)).Preflight(t.Context()); !errors.Is(err, errLine) || found != nil {
		t.Errorf("a dead line: %+v, %v", found, err)
	}
}

// offline is a client of a service that the line answers for.
func offline(t *testing.T, l *line) *aztables.Client {
	t.Helper()
	c, err := aztables.NewClientWithNoCredential("http://127.0.0.1:1/devstoreaccount1/bluegreen", &aztables.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: l, Retry: policy.RetryOptions{MaxRetries: once}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
