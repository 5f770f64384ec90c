package console_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

var _ console.Engine = (*engine.Engine)(nil)

func TestReadsReportTheState(t *testing.T) {
	s := newSite(t)
	s.engine.does("shop", release.ImagePushed{Image: s.engine.images["2.0"]})
	a := read[api.App](t, s.ask("GET", "/api/apps/shop", ""), 200)
	if a.Name != "shop" || a.Phase != release.Deploying || a.Live != release.Blue || a.Release.ID != 1 || a.Release.Image.Tag != "2.0" {
		t.Errorf("%+v", a)
	}
	if a.Colors.Blue.Role != api.Live || a.Colors.Green.Role != api.Idle || a.Colors.Blue.Image.Tag != "1.0" || a.Colors.Blue.Replicas[0] != 3 {
		t.Errorf("%+v", a.Colors)
	}
	if !a.UpdatedAt.Equal(noon) || !strings.HasPrefix(a.Status.Headline, "Deploying 2.0") {
		t.Errorf("%s %s", a.UpdatedAt, a.Status)
	}
	s.engine.arrives("shop")
	a = read[api.App](t, s.ask("GET", "/api/apps/shop/", ""), 200)
	if a.Colors.Green.Role != api.Live || a.Colors.Blue.Role != api.RollbackTarget {
		t.Errorf("%+v", a.Colors)
	}
}

func TestTheGatewaysTokenStaysInside(t *testing.T) {
	s := newSite(t)
	s.engine.does("shop", release.ColorSeen{Color: release.Green, Seen: release.Observed{Image: s.engine.images["2.0"], Replicas: []int32{3}, Ready: 3}})
	s.post("/api/apps/shop/switch", `{"force": true}`)
	s.engine.does("shop", release.RouteObserved{Release: 1, To: release.Green, Status: release.Underway, Operation: "https://arm/operations/1?s=SIGNATURE"})
	if s.engine.state("shop").Release.Progress.Operation == "" {
		t.Fatal("no operation runs")
	}
	if body := s.ask("GET", "/api/apps/shop", "").Body.String(); strings.Contains(body, "SIGNATURE") {
		t.Error(body)
	}
}

func TestOneAppThatCannotBeReadHidesNoOther(t *testing.T) {
	s := newSite(t)
	s.engine.down = errors.New("the table\nis away")
	apps := read[api.Apps](t, s.ask("GET", "/api/apps", ""), 200).Apps
	if len(apps) != 3 || apps[1].Name != "pay" || !strings.Contains(apps[1].Status.Headline, "the table is away") || !strings.HasPrefix(apps[2].Status.Headline, "Blue is live") {
		t.Errorf("%+v", apps)
	}
	e := s.fails(503, "unavailable", "GET", "/api/apps/pay", "")
	if !strings.Contains(e.Message, "the table is away") {
		t.Error(e)
	}
}

func TestHealthNamesWhatKeepsAppsFromBeingServed(t *testing.T) {
	s := newSite(t)
	s.engine.down = errors.New("away")
	h := read[api.Health](t, s.ask("GET", "/api/health?needs=false", ""), 200)
	want := api.Health{Status: "problems", Apps: []api.AppHealth{{Name: "broken", Problems: []string{"line 3: apps[2].bake: is wrong"}}, {Name: "pay"}, {Name: "shop"}}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	delete(s.engine.states, "broken")
	if h := read[api.Health](t, s.ask("GET", "/api/health", ""), 200); h.Status != "ok" {
		t.Errorf("%+v", h)
	}
	s.engine.outdated = map[string][]string{"pay": {"line 9: apps[0].bake: is wrong"}}
	if h := read[api.Health](t, s.ask("GET", "/api/health", ""), 200); h.Status != "problems" || len(h.Apps[0].Problems) != 1 {
		t.Errorf("one is served with its last good configuration: %+v", h)
	}
}

func TestHistoryComesInPagesNewestFirst(t *testing.T) {
	s := newSite(t)
	for range 3 {
		s.post("/api/apps/shop/pause", `{"why": "lunch"}`)
	}
	h := read[api.History](t, s.ask("GET", "/api/apps/shop/history?limit=3", ""), 200)
	if len(h.Facts) != 3 || h.Facts[0].Number != 4 || h.Before != 2 || h.Headline == "" {
		t.Errorf("%+v", h)
	}
	h = read[api.History](t, s.ask("GET", "/api/apps/shop/history?limit=3&before=2", ""), 200)
	if len(h.Facts) != 1 || h.Facts[0].Number != 1 || h.Before != 0 {
		t.Errorf("%+v", h)
	}
	for _, q := range []string{"limit=0", "limit=501", "limit=x", "before=-1"} {
		if e := s.fails(400, "invalid", "GET", "/api/apps/shop/history?"+q, ""); !strings.HasPrefix(q, e.Field+"=") {
			t.Errorf("%s: %+v", q, e)
		}
	}
}

func TestPlainTextIsTheHeadlineOrAllParts(t *testing.T) {
	s := newSite(t)
	for path, want := range map[string]string{
		"/api/apps/shop": "shop: Blue is live with 1.0\n" +
			"  LIVE      blue with 1.0 (111111111111); 3 of 3 pods ready, seen 0 s ago (12:00 UTC)\n" +
			"  DOING     no release so far\n  ROLLBACK  none: no version before this one is known\n  NEXT      the next image goes to green\n",
		"/api/apps/shop/history": "2026-11-24 12:00:00 UTC  decided           taken over: blue is live with 1.0 (111111111111)\n",
		"/api/apps": "broken: Not taken over yet: the gateway and both colors are read with the first event or tick\n" +
			"pay: Blue is live with 1.0\n" +
			"shop: Blue is live with 1.0\n",
	} {
		w := s.ask("GET", path, "", "Accept", "text/plain")
		if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s %s:\n%s", path, w.Header(), diff)
		}
		if w := s.ask("GET", path, "", "Accept", "*/*"); !strings.HasPrefix(w.Body.String(), "{\n  \"") {
			t.Errorf("%s is not indented JSON: %s", path, w.Body)
		}
	}
}

func TestPlainTextSaysWhatBecameOfACommandAndWhoWasRefused(t *testing.T) {
	s := newSite(t)
	plain := func(method, path string) string {
		return s.ask(method, path, `{"by": "ana"}`, "Accept", "text/plain").Body.String()
	}
	if text := plain("POST", "/api/apps/shop/switch"); !strings.HasPrefix(text, "shop: switch is under way: release 1: ") || !strings.Contains(text, "\nshop: Deploying") {
		t.Error(text)
	}
	if text := plain("POST", "/api/apps/shop/pause"); !strings.HasPrefix(text, "shop: pause is done: paused, ") || !strings.Contains(text, "\nshop: Deploying") {
		t.Error(text)
	}
	plain("POST", "/api/apps/shop/rollback")
	want := "refused           release 1 is deploying and has no traffic yet: cancel it (asked by ana (claimed), function key 4e738ca5)\n"
	if text := plain("GET", "/api/apps/shop/history"); !strings.Contains(text, want) {
		t.Error(text)
	}
}

func TestTheIndexListsEveryEndpoint(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/api", "/api/"} {
		index := read[api.Index](t, s.ask("GET", path, ""), 200)
		if len(index.Endpoints) != 14+2*len(release.Commands) || !slices.Contains(index.Endpoints, "GET /api/apps/{app}/history?limit=&before=") {
			t.Errorf("%v", index.Endpoints)
		}
	}
}

func TestEveryCommandReachesTheCore(t *testing.T) {
	s := newSite(t)
	for _, step := range []struct {
		command, body string
		outcome       api.Outcome
		phase         release.Phase
	}{
		{"pause", `{"why": "lunch"}`, api.Done, ""},
		{"resume", `{}`, api.Done, ""},
		{"deploy", `{"image": "2.0", "why": "ready"}`, api.Underway, release.Deploying},
		{"cancel", `{}`, api.Done, release.Canceled},
		{"deploy", `{"image": "` + digest("2") + `"}`, api.Underway, release.Deploying},
		{"promote", `{"digest": "` + digest("2") + `"}`, api.Underway, release.Deploying},
	} {
		a := s.post("/api/apps/shop/"+step.command, step.body)
		if a.Outcome != step.outcome || a.App.Phase != step.phase || a.Decision == nil {
			t.Fatalf("%s: %+v", step.command, a)
		}
	}
	s.engine.arrives("shop")
	if a := s.post("/api/apps/shop/rollback", `{"why": "slow"}`); a.Outcome != api.Underway || a.App.Phase != release.Returning {
		t.Fatalf("%+v", a)
	}
	s.engine.does("shop", release.RouteObserved{Release: 2, To: release.Blue, Status: release.Confirmed, Live: release.Blue})
	a := s.post("/api/apps/shop/release-quarantine", `{"digest": "`+digest("2")+`"}`)
	if a.Outcome != api.Done || len(a.App.Quarantined) != 0 || a.App.Hold == nil {
		t.Fatalf("%+v", a)
	}
	if a = s.post("/api/apps/shop/switch", `{"to": "green", "force": true}`); a.Outcome != api.Underway || !a.App.Release.Force {
		t.Fatalf("%+v", a)
	}
	facts := s.engine.facts["shop"]
	if last := facts[len(facts)-1]; last.By.String() != "function key 4e738ca5" {
		t.Errorf("%+v", last)
	}
}

func TestARefusalSaysWhyAndWhatTheAppDoes(t *testing.T) {
	s := newSite(t)
	e := s.fails(409, "refused", "POST", "/api/apps/shop/switch", `{"to": "blue"}`)
	if e.Reason != reason.AlreadyLive || e.Message != "1.0 (111111111111) is already live on blue" || !strings.HasPrefix(e.Headline, "Blue is live") {
		t.Errorf("%+v", e)
	}
	e = s.fails(409, "not-served", "POST", "/api/apps/broken/switch", `{}`)
	if !strings.Contains(e.Message, "line 3") || len(s.engine.entries) != 1 {
		t.Errorf("%+v, accepted: %v", e, s.engine.entries)
	}
}

func TestADigestIsDeployedEvenWhenTheRegistryCannotBeAsked(t *testing.T) {
	s := newSite(t)
	if a := s.post("/api/apps/shop/deploy", `{"image": "`+digest("e")+`"}`); a.App.Release.Image.Digest != digest("e") {
		t.Errorf("%+v", a)
	}
	s.fails(404, "image-not-found", "POST", "/api/apps/pay/deploy", `{"image": "`+digest("f")+`"}`)
}

func TestRepeatingWithTheSameKeyDoesNothingTwice(t *testing.T) {
	s := newSite(t)
	body := `{"image": "2.0"}`
	first := s.post("/api/apps/shop/deploy", body, api.KeyHeader, "k1")
	s.engine.images["2.0"] = release.Image{Tag: "2.0", Digest: digest("3")} // the tag moved
	again := s.post("/api/apps/shop/deploy", body, api.KeyHeader, "k1")
	if first.ID != "command|k1" || again.ID != first.ID || *again.Decision != *first.Decision || s.engine.state("shop").Release.ID != 1 || s.engine.resolved != 1 {
		t.Errorf("%+v\n%+v", first, again)
	}
	s.engine.arrives("shop")
	if a := s.post("/api/apps/shop/deploy", body, api.KeyHeader, "k1"); a.Outcome != api.Switched {
		t.Errorf("%+v", a)
	}
	for _, other := range [][2]string{{"deploy", `{"image": "1.0"}`}, {"switch", `{}`}} {
		if e := s.fails(409, "key-reused", "POST", "/api/apps/shop/"+other[0], other[1], api.KeyHeader, "k1"); e.Field != api.KeyHeader {
			t.Errorf("%+v", e)
		}
	}
	s.fails(409, "refused", "POST", "/api/apps/shop/switch", `{"to": "blue"}`, api.KeyHeader, "k3")
	s.fails(409, "key-reused", "POST", "/api/apps/shop/switch", `{"to": "green"}`, api.KeyHeader, "k3")
	e := s.fails(409, "key-reused", "POST", "/api/apps/shop/deploy", `{"image": "2.0", "by": "eve"}`, api.KeyHeader, "k1") // nothing is done for her
	if !strings.Contains(e.Message, "12:00:00 UTC on 24 Nov for another request (deploy, by function key 4e738ca5)") {
		t.Error(e.Message)
	}
	// The same key for another app is another request.
	s.post("/api/apps/pay/pause", `{}`, api.KeyHeader, "k1")
}

func TestTheOutcomeOfACommandIsReportedLongAfter(t *testing.T) {
	s := newSite(t)
	s.post("/api/apps/shop/switch", `{}`, api.KeyHeader, "good")
	s.engine.arrives("shop")
	s.post("/api/apps/shop/promote", `{}`)
	s.post("/api/apps/shop/deploy", `{"image": "2.0"}`, api.KeyHeader, "bad")
	s.engine.does("shop", release.RolloutObserved{Release: 2, Color: release.Blue, Status: release.Broken, Detail: "crash"})
	failed := func() {
		t.Helper()
		e := s.fails(409, "failed", "POST", "/api/apps/shop/deploy", `{"image": "2.0"}`, api.KeyHeader, "bad")
		if !strings.Contains(e.Message, "deploy failed") || e.Reason != reason.Started || e.Headline == "" {
			t.Errorf("%+v", e)
		}
	}
	failed()
	s.post("/api/apps/shop/deploy", `{"image": "1.0"}`)
	failed()
	if a := s.post("/api/apps/shop/switch", `{}`, api.KeyHeader, "good"); a.Outcome != api.Done {
		t.Errorf("%+v", a)
	}
}

func TestAnEarlierSwitchIsNotTakenForALaterOne(t *testing.T) {
	s := newSite(t)
	three := release.Image{Tag: "3.0", Digest: digest("3"), PushedAt: noon.Add(24 * time.Hour)}
	s.post("/api/apps/shop/deploy", `{"image": "2.0"}`)
	s.engine.arrives("shop")
	s.post("/api/apps/shop/promote", `{}`)
	s.engine.images["3.0"], s.engine.now = three, noon.Add(24*time.Hour)
	s.post("/api/apps/shop/deploy", `{"image": "3.0"}`)
	s.engine.arrives("shop")
	s.post("/api/apps/shop/promote", `{}`)
	s.post("/api/apps/shop/deploy", `{"image": "2.0"}`, api.KeyHeader, "again")
	s.engine.does("shop", release.ImagePushed{Image: release.Image{Tag: "4.0", Digest: digest("4"), PushedAt: noon.Add(24 * time.Hour)}})
	s.fails(409, "failed", "POST", "/api/apps/shop/deploy", `{"image": "2.0"}`, api.KeyHeader, "again") // it is superseded
}

func TestBadInputIsNamedAndChangesNothing(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		code       string
		field      string
	}{
		"not JSON":               {"shop/pause", `{`, nil, 400, "invalid", ""},
		"two values":             {"shop/pause", `{} {}`, nil, 400, "invalid", ""},
		"a list":                 {"shop/pause", `[]`, nil, 400, "invalid", ""},
		"null":                   {"shop/pause", `null`, nil, 400, "invalid", ""},
		"empty":                  {"shop/pause", ``, nil, 400, "invalid", ""},
		"unknown field":          {"shop/pause", `{"wy": "x"}`, nil, 400, "invalid", "wy"},
		"field of another":       {"shop/pause", `{"to": "green"}`, nil, 400, "invalid", "to"},
		"wrong type":             {"shop/pause", `{"why": 1}`, nil, 400, "invalid", "why"},
		"wrong flag":             {"shop/switch", `{"force": "yes"}`, nil, 400, "invalid", "force"},
		"color":                  {"shop/switch", `{"to": "red"}`, nil, 400, "invalid", "to"},
		"long why":               {"shop/pause", `{"why": "` + long + `"}`, nil, 400, "invalid", "why"},
		"why with a line break":  {"shop/pause", `{"why": "a\nb"}`, nil, 400, "invalid", "why"},
		"why in another order":   {"shop/pause", `{"why": "kcab \u202efo"}`, nil, 400, "invalid", "why"},
		"why in two paragraphs":  {"shop/pause", `{"why": "a\u2029b"}`, nil, 400, "invalid", "why"},
		"by with an escape":      {"shop/pause", `{"by": "\u001b[2J"}`, nil, 400, "invalid", "by"},
		"no image":               {"shop/deploy", `{}`, nil, 400, "invalid", "image"},
		"image with repository":  {"shop/deploy", `{"image": "evil.io/shop:1"}`, nil, 400, "invalid", "image"},
		"short digest":           {"shop/deploy", `{"image": "sha256:abc"}`, nil, 400, "invalid", "image"},
		"unknown tag":            {"shop/deploy", `{"image": "9.9"}`, nil, 404, "image-not-found", "image"},
		"a chart":                {"shop/deploy", `{"image": "chart"}`, nil, 400, "invalid", "image"},
		"registry in trouble":    {"shop/deploy", `{"image": "secret"}`, nil, 503, "unavailable", ""},
		"bad digest":             {"shop/promote", `{"digest": "sha256:XYZ"}`, nil, 400, "invalid", "digest"},
		"no digest":              {"shop/release-quarantine", `{}`, nil, 400, "invalid", "digest"},
		"64 KiB":                 {"shop/pause", `{"why": "` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "too-large", ""},
		"1 MiB":                  {"shop/pause", strings.Repeat(" ", 1<<20), nil, 413, "too-large", ""},
		"no content type":        {"shop/pause", `{}`, []string{"Content-Type", ""}, 415, "content-type", ""},
		"a form":                 {"shop/pause", `{}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content-type", ""},
		"plain text":             {"shop/pause", `{}`, []string{"Content-Type", "text/plain"}, 415, "content-type", ""},
		"no key":                 {"shop/pause", `{}`, []string{api.KeyHeader, ""}, 400, "invalid", api.KeyHeader},
		"bad key":                {"shop/pause", `{}`, []string{api.KeyHeader, "a/b"}, 400, "invalid", api.KeyHeader},
		"long key":               {"shop/pause", `{}`, []string{api.KeyHeader, strings.Repeat("k", 129)}, 400, "invalid", api.KeyHeader},
		"nobody":                 {"shop/pause", `{}`, []string{"x-functions-key", ""}, 401, "identity", ""},
		"principal not base64":   {"shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", "%%"}, 400, "invalid", "X-MS-CLIENT-PRINCIPAL"},
		"principal not JSON":     {"shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", "eA=="}, 400, "invalid", "X-MS-CLIENT-PRINCIPAL"},
		"principal without name": {"shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", "e30="}, 400, "invalid", "X-MS-CLIENT-PRINCIPAL"},
		"another site":           {"shop/pause", `{}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "origin", ""},
		"another origin":         {"shop/pause", `{}`, []string{"Origin", "https://evil.example"}, 403, "origin", ""},
		"unknown app":            {"nope/pause", `{}`, nil, 404, "app", ""},
		"unknown command":        {"shop/stop", `{}`, nil, 404, "command", ""},
		"history by POST":        {"shop/history", `{}`, nil, 405, "method", ""},
		"too deep":               {"shop/pause/now", `{}`, nil, 404, "path", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if e := s.fails(c.status, c.code, "POST", "/api/apps/"+c.path, c.body, c.headers...); e.Field != c.field {
				t.Errorf("%+v", e)
			}
			if len(s.engine.entries) > 0 {
				t.Errorf("accepted all the same: %v", s.engine.entries)
			}
		})
	}
}

func TestOtherMethodsAndPathsAreAnswered(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"PUT", "/api/apps/shop/switch", 405, "method", "GET, POST"}, {"DELETE", "/api/apps/shop", 405, "method", "GET"},
		{"POST", "/api/apps", 405, "method", "GET"}, {"PUT", "/api/health", 405, "method", "GET"},
		{"GET", "/api/apps/nope", 404, "app", ""}, {"GET", "/api/x", 404, "path", ""},
		{"GET", "/api/apps/..%2f", 404, "app", ""}, {"GET", "/api/apps/" + strings.Repeat("x", 9000), 404, "app", ""},
	} {
		w := s.ask(c.method, c.path, "")
		if e := api.ReadError(c.status, read[json.RawMessage](t, w, c.status)); e.Code != c.code || w.Header().Get("Allow") != c.allow || len(e.Message) > 1000 {
			t.Errorf("%s %.60s: %+v, Allow %q", c.method, c.path, e, w.Header().Get("Allow"))
		}
	}
	if w := s.ask("HEAD", "/api/apps/shop", ""); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

func TestWhoAsksIsRecordedAsItIsProven(t *testing.T) {
	const key = "4e738ca5"
	ana := principal("oid", "7f", "preferred_username", "ana@example.com", "roles", "bluegreen.operator")
	job := principal("appid", "9c", "roles", "bluegreen.operator")
	for name, c := range map[string]struct {
		signIn  bool
		path    string
		body    string
		headers []string
		want    release.Actor
		text    string
	}{
		"key":              {false, "/api/apps/shop/pause", `{}`, nil, release.Actor{Route: "act", Key: key}, "function key " + key},
		"key in the query": {false, "/api/apps/shop/pause?Code=s3cr3t", `{}`, []string{"x-functions-key", ""}, release.Actor{Route: "act", Key: key}, "function key " + key},
		"claimed":          {false, "/api/apps/shop/pause", `{"by": "bo"}`, nil, release.Actor{Claimed: "bo", Route: "act", Key: key}, "bo (claimed), function key " + key},
		"signed in": {true, "/api/signed-in/apps/shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", ana, "x-functions-key", ""},
			release.Actor{Proven: "7f", Name: "ana@example.com", Route: "signed-in"}, "ana@example.com"},
		"signed in, with a key that does not count": {true, "/api/signed-in/apps/shop/pause", `{"by": "bo"}`, []string{"X-MS-CLIENT-PRINCIPAL", ana},
			release.Actor{Claimed: "bo", Proven: "7f", Name: "ana@example.com", Route: "signed-in"}, "bo (claimed), ana@example.com"},
		"both": {true, "/api/apps/shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", ana}, release.Actor{Proven: "7f", Name: "ana@example.com", Route: "act", Key: key}, "ana@example.com"},
		"a name that does not print": {true, "/api/signed-in/apps/shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", principal("oid", "7f", "name", "Ana\u00a0B\u202e\u001b[2J", "roles", "bluegreen.operator")},
			release.Actor{Proven: "7f", Name: "Ana B  [2J", Route: "signed-in"}, "Ana B  [2J"},
		"an application": {true, "/api/signed-in/apps/shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", job},
			release.Actor{Proven: "9c", Route: "signed-in"}, "9c"},
		"a principal while sign-in is off": {false, "/api/apps/shop/pause", `{}`, []string{"X-MS-CLIENT-PRINCIPAL", ana}, release.Actor{Route: "act", Key: key}, "function key " + key},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.handler = console.New(console.Options{Engine: s.engine, SignIn: c.signIn, Keys: access.Operator})
			a := s.post(c.path, c.body, c.headers...)
			if got := s.engine.state("shop").Pause.By; got != c.want || got.String() != c.text {
				t.Errorf("%+v (%s), not %+v (%s)", got, got, c.want, c.text)
			}
			if a.App.Pause.By != c.text || a.App.Pause.Actor != api.Actor(c.want) {
				t.Errorf("answered %+v", a.App.Pause)
			}
		})
	}
}

// principal is the header of a principal with claims, in pairs.
func principal(pairs ...string) string {
	var claims []map[string]string
	for n := 0; n < len(pairs); n += 2 {
		claims = append(claims, map[string]string{"typ": pairs[n], "val": pairs[n+1]})
	}
	data, _ := json.Marshal(map[string]any{"auth_typ": "aad", "claims": claims})
	return base64.StdEncoding.EncodeToString(data)
}

func TestKeysAreNotLogged(t *testing.T) {
	s := newSite(t)
	s.post("/api/apps/shop/pause?code=s3cr3t&wait=false", `{"why": "lunch"}`)
	s.post("/api/apps/shop/resume?Code=s3cr3t", `{}`, "x-functions-key", "") // the host reads it in any case
	s.ask("GET", "/api/apps?code=s3cr3t", "")
	s.ask("GET", "/api/apps?code=s3cr3t;x", "") // what Go does not read as a query
	s.ask("GET", "/api/apps?cod=s3cr3t", "")    // a slip
	s.fails(404, "app", "GET", "/api/apps/nope?code=s3cr3t", "")
	log := s.logged.String()
	if strings.Contains(log, "s3cr3t") || strings.Count(log, "\n") != 6 || strings.Count(log, "who=\"function key 4e738ca5\"") != 6 || !strings.Contains(log, `url="/api/apps/shop/pause?wait=false"`) {
		t.Error(log)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{`{}`, `{"why":"x","by":"y","wait":true}`, `{"image":"1.0"}`, `{"digest":"` + digest("a") + `"}`, `{"to":"green","force":true}`, `[`, `{"why":{}}`, "{\"why\":\"\\u0007\"}"} {
		for i := range release.Commands {
			f.Add([]byte(body), i)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, i int) {
		command := release.Commands[uint(i)%uint(len(release.Commands))].Command
		r, err := console.Decode(body, command)
		if err != nil {
			var e *api.Error
			if !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Message == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if command == release.Switch && r.To != "" && release.Color(r.To).Other() == "" || strings.ContainsFunc(r.Why+r.By+r.Image+r.Digest, unicode.IsControl) {
			t.Errorf("%+v", r)
		}
		if (command == release.DeployImage) != (r.Image != "") {
			t.Errorf("%s with image %q", command, r.Image)
		}
	})
}

// A clock that stands still is the first that a person must know: nothing else reports it.
func TestTheSilenceOfTheClockIsReported(t *testing.T) {
	s := newSite(t)
	for silent, want := range map[time.Duration]string{time.Minute: "", 7 * time.Minute: "the clock has not ticked since ", never: ""} {
		s.engine.silent = silent
		all := read[api.Apps](t, s.ask("GET", "/api/apps", ""), 200)
		if !strings.HasPrefix(all.Silence, want) || (all.Silence == "") != (want == "") || silent != never && time.Since(all.LastTick) < silent {
			t.Errorf("after %s: %q, last tick %s", silent, all.Silence, all.LastTick)
		}
	}
}
