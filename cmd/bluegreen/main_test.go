package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// site is a console before a real engine on fakes, with a worker that carries out pending effects.
type site struct {
	*testing.T
	url     string
	cluster *fake.Cluster
	gateway *fake.Gateway
	hung    sync.RWMutex  // while it is locked, calls of the cluster hang
	waiting chan struct{} // one call hangs
	front   atomic.Value  // of http.HandlerFunc: what answers in place of the app
	stdin   string
	console http.Handler
	now     time.Time // of the command line; zero for the present
}

func (s *site) clock() func() time.Time {
	if s.now.IsZero() {
		return time.Now
	}
	return func() time.Time { return s.now }
}

// holds makes a worker hold the app, in a call of its cluster, until the returned function is called.
func (s *site) holds() (free func()) {
	s.Helper()
	s.cluster.Behave("2.0", fake.Behaviour{Never: "pods are starting", Status: release.Progressing})
	s.expects(s.run("deploy", "shop", "--image", "2.0"), 0)
	s.hung.Lock()
	select {
	case <-s.waiting:
	case <-time.After(20 * time.Second):
		s.Fatal("no worker looks at the cluster")
	}
	return s.hung.Unlock
}

// calls is the hook of the cluster.
func (s *site) calls(_ string, after bool) error {
	if after {
		return nil
	}
	if !s.hung.TryRLock() {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
		s.hung.RLock()
	}
	s.hung.RUnlock()
	return nil
}

// ServeHTTP lets another answer in the app's place, while there is one.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if instead, ok := s.front.Load().(http.HandlerFunc); ok && instead != nil {
		instead(w, r)
		return
	}
	s.console.ServeHTTP(w, r)
}

func digestOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

type registry map[string]release.Image

func (r registry) Resolve(_ context.Context, ref string) (release.Image, error) {
	if i, ok := r[ref]; ok {
		return i, nil
	}
	return release.Image{}, engine.ErrNotFound
}

func (r registry) Newest(context.Context, int) ([]release.Image, error) { return nil, nil }

func pause(ctx context.Context, _ time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

// newSite serves the app shop, live on blue with 1.0, and nothing on green.
func newSite(t *testing.T, changes ...func(*release.Policy)) *site {
	one, two := release.Image{Tag: "1.0", Digest: digestOf("1")}, release.Image{Tag: "2.0", Digest: digestOf("2")}
	s := &site{T: t, waiting: make(chan struct{}), gateway: fake.NewGateway(release.Blue, 20*time.Millisecond, time.Now, nil)}
	s.cluster = fake.NewCluster(time.Now, pause, s.calls)
	s.cluster.Behave("", fake.Behaviour{Ready: 20 * time.Millisecond})
	s.cluster.Seed(release.Blue, one, 3)
	wakeups := fake.NewWakeups(nil)
	app := engine.App{
		Name: "shop", Repository: "registry/shop", Gateway: s.gateway, Workloads: s.cluster, Registry: registry{"1.0": one, "2.0": two, "3.0": {Tag: "3.0", Digest: digestOf("3")}},
		Policy: release.Policy{
			First: release.Blue, RolloutTimeout: time.Minute, VerifyTimeout: time.Minute, SwitchTimeout: time.Minute, PullGrace: time.Minute,
			Bake: time.Hour, ProbeEvery: time.Minute, ProbeMisses: 3, RollbackWindow: time.Hour, RetireAfter: time.Hour,
		},
	}
	for _, change := range changes {
		change(&app.Policy)
	}
	broken := engine.App{Name: "broken", Problems: []string{"line 3: apps[1].bake: is wrong"}}
	e := engine.New(engine.Options{Store: fake.NewStore(nil), Wakeups: wakeups, Apps: []engine.App{app, broken}, Sleep: pause, Poll: time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	var worker sync.WaitGroup
	worker.Go(func() {
		for pause(ctx, 0) == nil {
			if wake, due := wakeups.Due(time.Now()); due {
				_ = e.Step(ctx, wake.App, 0) // ends with the test
			}
		}
	})
	t.Cleanup(func() { stop(); worker.Wait() })
	s.console = locked(console.New(console.Options{Engine: e, Keys: access.Admin, Configured: func(app string) []api.Setting {
		return map[string][]api.Setting{"shop": {
			{Key: "image.registry", Value: "shopacr.azurecr.io"}, {Key: "image.repository", Value: "team/shop"}, {Key: "alerts[0].rule", Value: "shop-*"},
		}}[app]
	}, Poll: time.Millisecond, Decide: 20 * time.Millisecond}))
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	if err := wakeups.Wake(ctx, "shop", time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

// locked asks for a function key, like the host.
func locked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-functions-key") != "s3cr3t" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ran is what a command line did.
type ran struct {
	code     int
	out, err string
}

func (s *site) run(args ...string) ran { return s.in(s.Context(), nil, args...) }

func (s *site) in(ctx context.Context, env map[string]string, args ...string) ran {
	var out, errs bytes.Buffer
	values := map[string]string{"BLUEGREEN_URL": s.url, "BLUEGREEN_KEY": "s3cr3t", "USER": "ana"}
	for k, v := range env {
		values[k] = v
	}
	sh := &shell{
		getenv: func(k string) string { return values[k] }, stdin: strings.NewReader(s.stdin), stdout: &out, stderr: &errs,
		every: time.Millisecond, now: s.clock(),
	}
	code := sh.run(ctx, args)
	return ran{code, out.String(), errs.String()}
}

// expects fails the test unless the exit status is right and every text is printed.
func (s *site) expects(r ran, code int, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			s.Errorf("%q is not printed", text)
		}
	}
	if r.code != code || s.Failed() {
		s.Fatalf("exit status %d, expected %d\n%s\n%s", r.code, code, r.out, r.err)
	}
}

// until repeats a command until it says something.
func (s *site) until(text string, args ...string) {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		r := s.run(args...)
		if strings.Contains(r.out, text) {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("never %q: %s %s", text, r.out, r.err)
		}
	}
}

func TestAPersonSeesAndMovesTrafficFromTheShell(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live with 1.0", "status", "shop")
	s.expects(s.run("status"), 0, "NEEDS YOU\n  broken ", "not served because of its configuration: line 3", "AT REST\n  shop    BLUE 1.0 3/3 ◀ users  green nothing")

	s.expects(s.run("deploy", "shop", "--image", "2.0", "--why", "it is ready", "--wait=switched"), 0, "shop: deploy has moved traffic to green; the bake still runs, and may return it: it ends in ")
	s.expects(s.run("history", "shop"), 0, "release 1: 2.0 (222222222222) goes to green, asked by ana (claimed), function key 4e738ca5: it is ready")
	if got := s.gateway.Effective(); got != release.Green {
		t.Fatalf("traffic goes to %s", got)
	}
	s.expects(s.run("status", "shop"), 0, "shop: Green is live with 2.0; baking until", "  blue 1.0 3/3  GREEN 2.0 3/3 ◀ users", "  ROLLBACK    to blue with 1.0")

	s.expects(s.run("rollback", "shop", "--why", "slow", "--wait"), 0, "shop: rollback is done, traffic is on blue: release 1 is returning")
	if got := s.gateway.Effective(); got != release.Blue {
		t.Fatalf("traffic goes to %s", got)
	}
	s.expects(s.run("status", "shop"), 0, "QUARANTINED 2.0 (222222222222) since", "bluegreen release-quarantine shop 2.0")
	s.expects(s.run("deploy", "shop", "--image", "2.0"), 1, "is quarantined since", "release it from quarantine first", "Blue is live")
	s.expects(s.run("release-quarantine", "shop", "2222222222223"), 1, "2222222222223 is not quarantined; give one of 2.0 (222222222222)")
	s.expects(s.run("release-quarantine", "shop", "222222222222"), 0, "2.0 (222222222222) is out of quarantine")
	s.expects(s.run("pause", "shop", "--why", "lunch"), 0, "paused")
	s.expects(s.run("resume", "shop", "--by", "bob"), 0, "resumed, asked by bob (claimed)")
	s.expects(s.run("switch", "shop", "--force", "--to", "green", "--wait=switched"), 0, "switch has moved traffic to green;")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2")), 0, "bake ended early")
	s.expects(s.run("cancel", "shop"), 1, "nothing to cancel")

	history := s.run("history", "shop", "--limit", "500")
	s.expects(history, 0, "release-returned", "hold-set", "bake ended early")
	if first, last := strings.Index(history.out, "taken over"), strings.Index(history.out, "nothing to cancel"); first < last {
		t.Errorf("the newest is not first:\n%s", history.out)
	}
	s.expects(s.run("history", "shop", "-n", "1"), 0, "… older: --before")
}

func TestWaitingForABadReleaseEndsInFailure(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Never: "web-1 \x1b[2Jcrashes", Status: release.Broken})
	r := s.run("deploy", "shop", "--image", "2.0", "--wait")
	s.expects(r, 1, "deploy failed, see the history of shop", "crashes")
	if strings.Contains(r.out+r.err+s.run("status").out+s.run("history", "shop").out, "\x1b") {
		t.Error("what a pod says reaches the terminal as it is")
	}
}

func TestAGateIsShownWithTheCommandThatOpensIt(t *testing.T) {
	s := newSite(t, func(p *release.Policy) { p.Manual = true })
	s.until("Blue is live", "status", "shop")
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait"), 3, "shop: deploy waits for an operator: bluegreen promote shop --digest "+digestOf("2"), "shop is not live: an operator decides")
	s.expects(s.run("promote", "shop", "--digest", digestOf("1")), 1, "not of")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2"), "--idempotency-key", "k", "--wait=switched"), 0, "promote has moved traffic to green")
	s.until("Green is live with 2.0", "status", "shop")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2"), "--idempotency-key", "k"), 0, "promote has moved traffic to green")
	s.expects(s.run("status", "shop"), 0, "baking until") // the repeated word ended no bake
}

func TestAPausedSwitchIsShownWithTheCommandThatResumesIt(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Never: "pods are starting", Status: release.Progressing})
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--idempotency-key", "k"), 0)
	s.run("pause", "shop")
	s.until("paused by", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Ready: 20 * time.Millisecond})
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--idempotency-key", "k", "--wait"), 3, "shop: deploy waits, because releases are paused: bluegreen resume shop lets it go on")
	s.expects(s.run("promote", "shop"), 1, "resume first")
	s.expects(s.run("resume", "shop"), 0)
	s.until("Green is live with 2.0", "status", "shop")
	s.expects(s.run("pause", "shop"), 0)
	s.expects(s.run("promote", "shop"), 0) // ends the bake
	s.expects(s.run("switch", "shop"), 1, "resume first, or force the switch")
}

func TestJSONIsForScripts(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	for _, c := range []struct {
		into any
		args []string
	}{
		{new(api.Apps), []string{"status"}}, {new(api.App), []string{"status", "shop"}}, {new(api.History), []string{"history", "shop"}},
		{new(api.Answer), []string{"pause", "shop"}}, {new(map[string]string), []string{"version"}},
	} {
		r := s.run(append(c.args, "--output", "json")...)
		d := json.NewDecoder(strings.NewReader(r.out))
		d.DisallowUnknownFields()
		if err := d.Decode(c.into); err != nil || r.code != 0 || d.More() {
			t.Errorf("%v: %v\n%s%s", c.args, err, r.out, r.err)
		}
	}
}

func TestErrorsAreJSONForScriptsToo(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, "refused already-live", []string{"switch", "shop", "--to", "blue", "-o", "json"}},
		{1, "app ", []string{"status", "nope", "--output=json"}},
		{1, "failed ", []string{"config", "check", "missing.yaml", "-ojson"}},
		{2, "usage ", []string{"status", "-o", "json", "--wath"}},
		{2, "usage ", []string{"stauts", "-o=json"}},
		{3, "unknown ", []string{"status", "--url", "http://127.0.0.1:1", "-o", "json"}},
	} {
		r := s.run(c.args...)
		var got struct {
			api.Error
			Exit int
		}
		if err := json.Unmarshal([]byte(r.err), &got); err != nil || got.Exit != c.code || got.Message == "" || got.Code+" "+string(got.Reason) != c.want {
			t.Errorf("%v: %v %+v\n%s", c.args, err, got, r.err)
		}
		s.expects(r, c.code)
	}
}

func TestWatchingPrintsOnlyChanges(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watched := make(chan ran)
	go func() { watched <- s.in(ctx, nil, "watch", "shop") }()
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait=switched"), 0)
	s.expects(s.run("promote", "shop"), 0)
	s.until("blue is scaled down in", "status", "shop")
	time.AfterFunc(100*time.Millisecond, stop)
	r := <-watched
	s.expects(r, 0, "shop: Green is live")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	for i := range lines[1:] {
		if lines[i][8:] == lines[i+1][8:] {
			t.Errorf("the same twice: %s", lines[i])
		}
	}
}

func TestExitStatusesDistinguishRefusedFromMisunderstood(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{1, `no app is called "nope"`, []string{"status", "nope"}},
		{1, `the configuration names broken, shop`, []string{"switch", "nope"}},
		{1, "line 3: apps[1].bake", []string{"switch", "broken"}},
		{1, "neither blue nor green", []string{"switch", "shop", "--to", "red"}},
		{1, "has no 9.9", []string{"deploy", "shop", "--image", "9.9"}},
		{1, "give a function key (BLUEGREEN_KEY)", []string{"status", "--key", "wrong"}},
		{1, "is not the address", []string{"status", "--url", "nowhere"}},
		{1, "read the configuration", []string{"config", "check", "missing.yaml"}},
		{2, `unknown command "stauts" for "bluegreen"; is status meant?`, []string{"stauts"}},
		{2, "unknown flag", []string{"status", "--wath"}},
		{2, "switch takes APP: given are 0 of 1", []string{"switch"}},
		{2, `required flag(s) "image" not set`, []string{"deploy", "shop"}},
		{2, `release-quarantine takes APP REFERENCE: given are 1 of 2`, []string{"release-quarantine", "shop"}},
		{2, "use text or json", []string{"status", "--output", "yaml"}},
	} {
		r := s.run(c.args...)
		s.expects(r, c.code, c.says)
		if r.out != "" || strings.Contains(r.err, "s3cr3t") {
			t.Errorf("%v: %s%s", c.args, r.out, r.err)
		}
	}
	s.expects(s.in(t.Context(), map[string]string{"BLUEGREEN_URL": ""}, "status"), 2, "Set BLUEGREEN_URL")
	s.expects(s.run(), 0, "release-quarantine", "Exit status")
}

func TestASuggestionIsMadeForAWordThatIsNearlyRight(t *testing.T) {
	s := newSite(t)
	s.expects(s.run("config", "chekc"), 2, `unknown command "chekc" for "bluegreen config"; is check meant?`)
	s.expects(s.run("rollbak", "shop"), 2, "is rollback meant?")
}

func TestAnUnknownOutcomeSaysHowToRepeat(t *testing.T) {
	s := newSite(t)
	s.url = "http://127.0.0.1:1"
	r := s.run("pause", "shop")
	s.expects(r, 3, "connection refused")
	if !regexp.MustCompile(`--idempotency-key [A-Z2-7]{20,} is safe`).MatchString(r.err) {
		t.Error(r.err)
	}
}

func TestTheExampleInTheReadmeIsRight(t *testing.T) {
	s := &site{T: t}
	s.expects(s.run("config", "check", example(t)), 0, "1 apps")
}

// TestTheEventsOfTheDocsReturnTraffic simulates the push and the alert that docs/alerts.md has
// for the app of the README.
func TestTheEventsOfTheDocsReturnTraffic(t *testing.T) {
	events := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(events, block(t, "docs/alerts.md", "json"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &site{T: t}
	s.expects(s.run("simulate", "--config", example(t), events), 0, "goes to green", "traffic returns to blue: alert podinfo-agw-green-backend-5xx: PercentFailed of pool-green: 12.5, threshold 5")
}

// example is a file with the configuration that the README shows.
func example(t *testing.T) string {
	t.Helper()
	text := bytes.ReplaceAll(block(t, "README.md", "yaml"), []byte("/subscriptions/…/managedClusters"), []byte("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters"))
	text = bytes.ReplaceAll(text, []byte("/subscriptions/…/applicationGateways"), []byte("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways"))
	file := filepath.Join(t.TempDir(), "bluegreen.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// block is the first code of a language on a page.
func block(t *testing.T, page, language string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no %s", page, language)
	}
	return found[1]
}
