package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// post sends an alert without a network.
func (w *env) post(body []byte) (*httptest.ResponseRecorder, api.AlertAnswer) {
	w.t.Helper()
	return w.request(http.MethodPost, body)
}

func (w *env) request(method string, body []byte) (*httptest.ResponseRecorder, api.AlertAnswer) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.intake.Alerts().ServeHTTP(rec, httptest.NewRequest(method, "/api/alerts?code=s3cr3t", strings.NewReader(string(body))))
	var a struct {
		api.AlertAnswer
		Problem *api.AlertAnswer `json:"alert"` // which is the id of the alert where it is no problem
	}
	media := "application/json"
	if rec.Code >= 400 {
		media = api.ProblemType
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err == nil && a.Problem != nil {
			a.AlertAnswer = *a.Problem
		}
	} else if err := json.Unmarshal(rec.Body.Bytes(), &a.AlertAnswer); err != nil {
		w.t.Fatalf("%v: %s", err, rec.Body)
	}
	if got := rec.Header().Get("Content-Type"); got != media {
		w.t.Fatalf("answered %q as %s, expected %s", rec.Body, got, media)
	}
	return rec, a.AlertAnswer
}

func id(n string) string { return strings.ToLower("/subscriptions/s/providers/alerts/" + n) }

func TestAnAlertBeginsTheReturnBeforeItIsAnswered(t *testing.T) {
	w := newEnv(t, changes{})
	w.baking()
	_ = w.sleep(t.Context(), time.Minute)
	rec, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "shop-5xx", FiredAt: w.now()}.Metric("shop-green", 57, 20))
	if rec.Code != http.StatusAccepted || a.Result != "accepted" || len(a.Apps) != 1 || a.Apps[0].App != "shop" || a.Apps[0].Color != release.Green || a.Apps[0].Decision == nil {
		t.Errorf("%d %+v", rec.Code, a)
	}
	if live := w.gateway["shop"].Effective(); live != release.Blue {
		t.Errorf("traffic goes to %s: %s", live, release.StatusOf(w.state("shop"), release.Policy{}, w.now()))
	}
	kept := w.alertOf("shop", id("1"))
	want := release.AlertFired{ID: id("1"), Rule: "shop-5xx", Severity: "Sev1", Summary: "5xx answers of shop-green: 57, threshold 20 in 5m", Color: release.Green, By: release.Actor{Route: "alerts", Key: "4e738ca5"}}
	if diff := cmp.Diff(want, kept, cmpopts.IgnoreFields(release.AlertFired{}, "At")); diff != "" || kept.At.IsZero() {
		t.Errorf("kept %s", diff)
	}
	facts, err := w.store.History(t.Context(), "shop", 10, 0)
	if err != nil || !slices.ContainsFunc(facts, func(f release.Fact) bool { return f.Reason == reason.Returning && f.By == want.By }) {
		t.Errorf("no fact names the sender of the alert: %+v %v", facts, err)
	}
}

func TestARepeatedAlertIsKnown(t *testing.T) {
	w := newEnv(t, changes{})
	alert := actiongroup.Alert{ID: id("1"), Rule: "shop-5xx"}
	if rec, _ := w.post(alert.Metric("shop-green", 57, 20)); rec.Code != http.StatusAccepted {
		t.Fatalf("first: %d", rec.Code)
	}
	alert.ID = strings.ToUpper(alert.ID)
	rec, a := w.post(alert.Metric("shop-green", 60, 20))
	if want := []api.AlertOfApp{{App: "shop", Result: "known already", Color: release.Green}}; rec.Code != http.StatusOK || a.Result != "known already" || !cmp.Equal(want, a.Apps) {
		t.Errorf("%d %+v", rec.Code, a)
	}
}

func TestAnAlertThatMovesNoTrafficIsAnsweredWithItsReason(t *testing.T) {
	w := newEnv(t, changes{})
	tests := []struct {
		name   string
		body   []byte
		result string
	}{
		{"resolved", actiongroup.Alert{Rule: "shop-5xx", Resolved: true}.Metric("shop-green", 0, 20), "ignored: the alert was resolved, which moves no traffic"},
		{"budget", actiongroup.Budget(), "ignored: the alert is about a budget, which moves no traffic"},
		{"portal test", actiongroup.PortalTest(), "ignored: this is a test from the portal, and it has arrived"},
		{"unknown rule", actiongroup.Alert{Rule: "disk-full"}.Log("Computer", "vm", 1), `ignored: no app watches the rule "disk-full"; watched are GreenErrors, agw-*, broken, carts-*, orders-*, shop-*`},
		{"mild", actiongroup.Alert{Rule: "shop-5xx", Severity: "Sev3"}.Metric("shop-green", 57, 20), `ignored: no app watches the rule "shop-5xx" with severity "Sev3"`},
		{"another's pool", actiongroup.Alert{Rule: "agw-5xx"}.Metric("blog-green", 57, 20), "ignored: the alert is about none of the apps that watch its rule"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec, a := w.post(test.body)
			if rec.Code != http.StatusOK || a.Result != test.result {
				t.Errorf("%d %+v", rec.Code, a)
			}
			if !strings.Contains(w.log.String(), "ignored: ") {
				t.Errorf("not in the log:\n%s", w.log)
			}
			w.log.Reset()
		})
	}
	for _, app := range []string{"shop", "shop-eu", "tools"} {
		if n := len(w.inbox(app)); n != 0 {
			t.Errorf("%s has kept %d alerts", app, n)
		}
	}
}

func TestAnAlertThatIsTooMildSaysForWhichAppAndWhatWouldCount(t *testing.T) {
	w := newEnv(t, changes{})
	_, a := w.post(actiongroup.Alert{Rule: "shop-5xx", Severity: "Sev3"}.Metric("shop-green", 57, 20))
	want := `ignored: it watches the rule with severity "<=Sev2", and this alert has "Sev3"`
	if len(a.Apps) != 1 || a.Apps[0].App != "shop" || a.Apps[0].Result != want {
		t.Errorf("%+v", a)
	}
	if !strings.Contains(w.log.String(), "app.shop=") || !strings.Contains(w.log.String(), "and this alert has") {
		t.Errorf("not in the log:\n%s", w.log)
	}
}

func TestAnAlertGoesToTheAppsAndTheColorThatItIsAbout(t *testing.T) {
	agw := actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}
	with := func(custom map[string]string) actiongroup.Alert { a := agw; a.Custom = custom; return a }
	about := func(target string) actiongroup.Alert { a := agw; a.Target = target; return a }
	green := actiongroup.Alert{ID: id("1"), Rule: "GreenErrors"}
	bothPools := strings.Replace(string(agw.Metric("shop-blue", 1, 0)), `{"name":"HttpStatusGroup","value":"5xx"}`, `{"name":"BackendPool","value":"shop-green"}`, 1)
	tests := []struct {
		name string
		body []byte
		want map[string]release.Color
	}{
		{"pool of one app", agw.Metric("shop-green", 1, 0), map[string]release.Color{"shop": release.Green}},
		{"share of a pool's requests", agw.Share("shop-green", 12.5, 5), map[string]release.Color{"shop": release.Green}},
		{"pool in other case", agw.Metric("EU-Blue", 1, 0), map[string]release.Color{"shop-eu": release.Blue}},
		{"pool and setting", []byte(strings.Replace(string(agw.Metric("shop-blue~set", 1, 0)), "BackendPool", "BackendSettingsPool", 1)), map[string]release.Color{"shop": release.Blue}},
		{"both pools", []byte(bothPools), map[string]release.Color{"shop": ""}},
		{"no pool", agw.Log("Host", "a", 1), map[string]release.Color{"shop": "", "shop-eu": ""}},
		{"custom property", with(map[string]string{"bluegreen.app": "shop-eu"}).Activity(), map[string]release.Color{"shop-eu": ""}},
		{"short custom property", with(map[string]string{"App": "shop"}).Activity(), map[string]release.Color{"shop": ""}},
		{"custom property against the pool", with(map[string]string{"app": "shop-eu"}).Metric("shop-green", 1, 0), map[string]release.Color{"shop-eu": ""}},
		{"custom property that means something else", with(map[string]string{"app": "frontend"}).Activity(), map[string]release.Color{"shop": "", "shop-eu": ""}},
		{"what serves one color only", about("/subscriptions/S/resourceGroups/g/providers/microsoft.network/applicationGateways/front-blue").Metric("", 1, 0), map[string]release.Color{"shop": release.Blue, "shop-eu": ""}},
		{"pool against what serves the other", about("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/front-blue").Metric("shop-green", 1, 0), map[string]release.Color{"shop": ""}},
		{"label", green.Prometheus("group", map[string]string{"color": "green"}), map[string]release.Color{"tools": release.Green}},
		{"no label", green.Prometheus("group", nil), map[string]release.Color{"tools": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t, changes{})
			if rec, a := w.post(test.body); rec.Code != http.StatusAccepted {
				t.Errorf("%d %+v", rec.Code, a)
			}
			got := map[string]release.Color{}
			for _, app := range []string{"shop", "shop-eu", "tools"} {
				if kept := w.alertOf(app, id("1")); kept.ID != "" {
					got[app] = kept.Color
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnAlertThatHasToBeCorroboratedIsKeptAsSuch, and so is its end; that of any other is not.
func TestAnAlertThatHasToBeCorroboratedIsKeptAsSuch(t *testing.T) {
	w := newEnv(t, changes{file: strings.ReplaceAll(file, `{rule: "agw-*"}`, `{rule: "agw-*", corroborate: true}`)})
	w.baking()
	_ = w.sleep(t.Context(), time.Minute)
	fired := actiongroup.Alert{ID: id("1"), Rule: "agw-5xx"}
	rec, a := w.post(fired.Share("shop-green", 12.5, 5))
	if rec.Code != http.StatusAccepted || a.Apps[0].Decision == nil || a.Apps[0].Decision.Reason != "alert-awaits-corroboration" {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if kept := w.alertOf("shop", id("1")); !kept.Corroborate || w.state("shop").Alert.IsZero() || w.gateway["shop"].Effective() != release.Green {
		t.Errorf("kept %+v: %s", kept, release.StatusOf(w.state("shop"), release.Policy{}, w.now()))
	}
	fired.Resolved = true
	rec, a = w.post(fired.Share("shop-green", 0, 5))
	if rec.Code != http.StatusAccepted || a.Apps[0].Decision == nil || a.Apps[0].Decision.Reason != "alert-resolved" || !w.state("shop").Alert.IsZero() {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	other := actiongroup.Alert{ID: id("2"), Rule: "shop-5xx", Resolved: true}
	if rec, a := w.post(other.Share("shop-green", 0, 5)); rec.Code != http.StatusOK || a.Result != "ignored: the alert was resolved, which moves no traffic" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestAnAlertForAnAppThatCannotBeServedIsKept(t *testing.T) {
	w := newEnv(t, changes{})
	rec, a := w.post(actiongroup.Alert{ID: id("1"), Rule: "broken"}.Activity())
	if rec.Code != http.StatusAccepted || len(a.Apps) != 1 || !strings.HasPrefix(a.Apps[0].Note, "it waits until the configuration of the app is fixed: line ") || len(w.inbox("broken")) != 1 {
		t.Errorf("%d %+v", rec.Code, a)
	}
}

func TestBadAlertsAreAnsweredClearly(t *testing.T) {
	w := newEnv(t, changes{})
	tests := []struct {
		name, method, body string
		status             int
		code, message      string
	}{
		{"GET", "GET", "", 405, "method", "GET is not answered here: action groups POST their alerts"},
		{"empty", "POST", "", 400, "invalid", "the body is not JSON: unexpected end of JSON input"},
		{"malformed", "POST", `{"schemaId"`, 400, "invalid", "the body is not JSON: unexpected end of JSON input"},
		{"a push", "POST", string(push("team/shop", "1", w.now())), 400, "invalid", "the body has no schemaId: it is not an alert in the common alert schema of Azure Monitor; turn that schema on for this receiver of the action group"},
		{"legacy", "POST", string(actiongroup.Legacy()), 400, "invalid", `the alert came in the schema "AzureMonitorMetricAlert": turn the common alert schema on for this receiver of the action group`},
		{"a byte too many", "POST", strings.Repeat(" ", 256<<10+1), 413, "too-large", "the body has more than 262144 bytes, the most that an alert has"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec, _ := w.request(test.method, []byte(test.body))
			want := map[string]any{"type": "/api/problems#" + test.code, "status": float64(test.status), "code": test.code, "detail": test.message, "instance": "/api/alerts"}
			var got map[string]any
			err := json.Unmarshal(rec.Body.Bytes(), &got)
			if delete(got, "title"); err != nil || rec.Code != test.status || !cmp.Equal(want, got) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if lines := strings.Count(w.log.String(), "\n"); lines != 1 {
				t.Errorf("%d lines in the log:\n%s", lines, w.log)
			}
			w.log.Reset()
		})
	}
	full := append(actiongroup.Alert{Rule: "nobody"}.Activity(), []byte(strings.Repeat(" ", 200<<10))...)
	if rec, _ := w.post(full); rec.Code != http.StatusOK {
		t.Errorf("an alert of %d bytes: %d", len(full), rec.Code)
	}
}

func TestALargeBodyGetsAnAnswerAndNotABrokenConnection(t *testing.T) {
	w := newEnv(t, changes{})
	s := httptest.NewServer(w.intake.Alerts())
	defer s.Close()
	for _, size := range []int{1 << 20, 4 << 20} {
		resp, err := http.Post(s.URL, "application/json", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "262144") {
			t.Errorf("%d bytes: %d %s %v", size, resp.StatusCode, body, err)
		}
	}
}

func TestABodyThatNeverComesIsAnsweredInTime(t *testing.T) {
	w := newEnv(t, changes{})
	s := httptest.NewServer(w.intake.Alerts())
	defer s.Close()
	r, stuck := io.Pipe()
	defer stuck.Close()
	began := time.Now()
	resp, err := http.Post(s.URL, "application/json", r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%d after %s", resp.StatusCode, time.Since(began))
	}
}

func TestAnAlertSurvivesStorageTroubleOfAMinute(t *testing.T) {
	var fails atomic.Int32
	fails.Store(3)
	w := newEnv(t, changes{hook: func(call string, after bool) error {
		if call == "accept" && !after && fails.Add(-1) >= 0 {
			return errors.New("the storage is away")
		}
		return nil
	}})
	s := httptest.NewServer(w.intake.Alerts())
	defer s.Close()
	alert := actiongroup.Alert{ID: id("1"), Rule: "shop-5xx"}.Metric("shop-green", 57, 20)
	o, err := actiongroup.New(actiongroup.Options{URL: s.URL, Scale: 1000}).Send(t.Context(), alert)
	if err != nil || !o.Delivered() || o.Attempts != 4 || w.alertOf("shop", id("1")).ID == "" {
		t.Errorf("%+v, error %v", o, err)
	}
}

func TestStorageTroubleIsUnavailableAndNothingElse(t *testing.T) {
	w := newEnv(t, changes{hook: func(call string, after bool) error { return errors.New("the storage is away") }})
	rec, a := w.post(actiongroup.Alert{Rule: "agw-5xx"}.Activity())
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "5" || a.Result != "not kept: the storage does not answer as it should; it is asked for again" || len(a.Apps) != 2 {
		t.Errorf("%d %+v", rec.Code, a)
	}
	if !strings.Contains(w.log.String(), "the storage is away") {
		t.Errorf("the reason is not in the log:\n%s", w.log)
	}
}

// hanging is a store whose Accept takes for ever.
type hanging struct{ engine.Store }

func (hanging) Accept(ctx context.Context, _ string, _ engine.Entry) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// stuck is a gateway that does not answer.
type stuck struct{ engine.Gateway }

func (stuck) Live(ctx context.Context) (engine.Reading, error) {
	<-ctx.Done()
	return engine.Reading{}, ctx.Err()
}

func TestTheAnswerComesInTimeWhateverHangs(t *testing.T) {
	tests := []struct {
		name   string
		with   changes
		status int
	}{
		{"storage", changes{store: func(s engine.Store) engine.Store { return hanging{s} }}, http.StatusServiceUnavailable},
		{"gateway", changes{gateway: func(g engine.Gateway) engine.Gateway { return stuck{g} }}, http.StatusAccepted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newEnv(t, test.with)
				began := time.Now()
				rec, _ := w.post(actiongroup.Alert{Rule: "agw-5xx"}.Activity())
				if took := time.Since(began); rec.Code != test.status || took >= 5*time.Second {
					t.Errorf("%d after %s", rec.Code, took)
				}
				time.Sleep(time.Minute) // in the bubble's time, so that hanging calls end
			})
		})
	}
}

func FuzzAlert(f *testing.F) {
	a := actiongroup.Alert{Rule: "agw-5xx"}
	for _, seed := range [][]byte{a.Metric("shop-green", 1, 2), a.Activity(), a.Prometheus("g", nil), actiongroup.Legacy(), []byte("{}")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rec, _ := newEnv(t, changes{}).post(body)
		if rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
