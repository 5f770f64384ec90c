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
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/config"
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
	s := &site{T: t, cluster: fake.NewCluster(time.Now, pause, nil), gateway: fake.NewGateway(release.Blue, 20*time.Millisecond, time.Now, nil)}
	s.cluster.Behave("", fake.Behaviour{Ready: 20 * time.Millisecond})
	s.cluster.Seed(release.Blue, one, 3)
	wakeups := fake.NewWakeups(nil)
	app := engine.App{
		Name: "shop", Repository: "registry/shop", Gateway: s.gateway, Workloads: s.cluster, Registry: registry{"1.0": one, "2.0": two},
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
	server := httptest.NewServer(locked(console.New(console.Options{Engine: e, Keys: access.Admin, Poll: time.Millisecond})))
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
	sh := &shell{getenv: func(k string) string { return values[k] }, stdout: &out, stderr: &errs, every: time.Millisecond}
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
	s.expects(s.run("status"), 0, "shop: Blue is live", "  blue   1.0 (111111111111), live, 3 wanted\n", "  green  nothing, idle\n", "broken: Needs you: ", "problem: line 3")

	s.expects(s.run("deploy", "shop", "--image", "2.0", "--why", "it is ready", "--wait"), 0, "shop: done, traffic is on green: release 1: 2.0 (222222222222) goes to green, asked by ana (claimed), function key 4e738ca5: it is ready")
	if got := s.gateway.Effective(); got != release.Green {
		t.Fatalf("traffic goes to %s", got)
	}
	s.expects(s.run("status", "shop"), 0, "1.0 (111111111111), rollback target, 3 wanted", "2.0 (222222222222), live, 3 wanted, checks passed")

	s.expects(s.run("rollback", "shop", "--why", "slow", "--wait"), 0, "shop: done, traffic is on blue: release 1 is returning")
	if got := s.gateway.Effective(); got != release.Blue {
		t.Fatalf("traffic goes to %s", got)
	}
	s.expects(s.run("status", "shop"), 0, "quarantined since", digestOf("2"))
	s.expects(s.run("deploy", "shop", "--image", "2.0"), 1, "is quarantined since", "release it from quarantine first", "Blue is live")
	s.expects(s.run("release-quarantine", "shop", "--digest", digestOf("2")), 0, "out of quarantine")
	s.expects(s.run("pause", "shop", "--why", "lunch"), 0, "paused")
	s.expects(s.run("resume", "shop", "--by", "bob"), 0, "resumed, asked by bob (claimed)")
	s.expects(s.run("switch", "shop", "--force", "--to", "green", "--wait"), 0, "done, traffic is on green:")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2")), 0, "bake ended early")
	s.expects(s.run("cancel", "shop"), 1, "nothing to cancel")

	history := s.run("history", "shop", "--limit", "500")
	s.expects(history, 0, "release-returned", "hold-set", "bake ended early")
	if first, last := strings.Index(history.out, "taken over"), strings.Index(history.out, "nothing to cancel"); first > last {
		t.Errorf("the newest is not last:\n%s", history.out)
	}
	s.expects(s.run("history", "shop", "-n", "1"), 0, "… older: --before")
}

func TestWaitingForABadReleaseEndsInFailure(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	s.cluster.Behave("2.0", fake.Behaviour{Never: "web-1 \x1b[2Jcrashes", Status: release.Broken})
	r := s.run("deploy", "shop", "--image", "2.0", "--wait")
	s.expects(r, 1, "failed:", "see bluegreen history shop", "crashes")
	if strings.Contains(r.out+r.err+s.run("status").out+s.run("history", "shop").out, "\x1b") {
		t.Error("what a pod says reaches the terminal as it is")
	}
}

func TestAGateIsShownWithTheCommandThatOpensIt(t *testing.T) {
	s := newSite(t, func(p *release.Policy) { p.Manual = true })
	s.until("Blue is live", "status", "shop")
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait"), 0, "shop: waits for an operator: bluegreen promote shop --digest "+digestOf("2"))
	s.expects(s.run("promote", "shop", "--digest", digestOf("1")), 1, "not of")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2"), "--idempotency-key", "k"), 0, "done: release 1 is approved")
	s.until("Green is live with 2.0", "status", "shop")
	s.expects(s.run("promote", "shop", "--digest", digestOf("2"), "--idempotency-key", "k"), 0, "done: release 1 is approved")
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
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--idempotency-key", "k", "--wait"), 0, "shop: waits: releases are paused; bluegreen resume shop lets it go on")
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
		{new(api.Answer), []string{"pause", "shop"}},
	} {
		r := s.run(append(c.args, "--output", "json")...)
		d := json.NewDecoder(strings.NewReader(r.out))
		d.DisallowUnknownFields()
		if err := d.Decode(c.into); err != nil || r.code != 0 || d.More() {
			t.Errorf("%v: %v\n%s%s", c.args, err, r.out, r.err)
		}
	}
}

func TestWatchingPrintsOnlyChanges(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watched := make(chan ran)
	go func() { watched <- s.in(ctx, nil, "status", "shop", "--watch") }()
	s.expects(s.run("deploy", "shop", "--image", "2.0", "--wait"), 0)
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
		{2, "unknown command", []string{"stauts"}},
		{2, "unknown flag", []string{"status", "--wath"}},
		{2, "accepts 1 arg", []string{"switch"}},
		{2, `required flag(s) "image" not set`, []string{"deploy", "shop"}},
		{2, `required flag(s) "digest" not set`, []string{"release-quarantine", "shop"}},
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

func TestAnUnknownOutcomeSaysHowToRepeat(t *testing.T) {
	s := newSite(t)
	s.url = "http://127.0.0.1:1"
	r := s.run("pause", "shop")
	s.expects(r, 1, "connection refused")
	if !regexp.MustCompile(`--idempotency-key [A-Z2-7]{20,} is safe`).MatchString(r.err) {
		t.Error(r.err)
	}
}

func TestConfigCheckNamesFileAndLine(t *testing.T) {
	s := &site{T: t}
	dir := filepath.Join("..", "..", "internal", "config", "testdata")
	s.expects(s.run("config", "check", filepath.Join(dir, "good", "everything.yaml")), 0, "3 apps, no mistake found")
	one := filepath.Join(dir, "bad", "one-app.yaml")
	s.expects(s.run("config", "check", one), 1, one+":10: apps[0].first: \"blu\"", "1 of 2 apps cannot be used")
	smallest, err := os.ReadFile(filepath.Join(dir, "good", "smallest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(alone, append(smallest, "    alerts: [{rule: x}]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.expects(s.run("config", "check", alone), 0, alone+":18: warning: apps[0].alerts: nothing but alerts watches the public address", "1 apps, no mistake found")
	whole := filepath.Join(dir, "bad", "top-level.yaml")
	s.expects(s.run("config", "check", whole), 1, whole+":1: app: unknown key", "no app of the file can be used")
	s.expects(s.run("config", "repositories", filepath.Join(dir, "good", "everything.yaml")), 0, "inner\n", "team/shop\n")
	if got := s.run("config", "schema"); got.code != 0 || got.out != string(config.Schema()) {
		t.Error("the schema is not the configuration's")
	}
}

func TestTheExampleInTheReadmeIsRight(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README shows no configuration")
	}
	example := bytes.ReplaceAll(block[1], []byte("/subscriptions/…/managedClusters"), []byte("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters"))
	example = bytes.ReplaceAll(example, []byte("/subscriptions/…/applicationGateways"), []byte("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways"))
	file := filepath.Join(t.TempDir(), "bluegreen.yaml")
	if err := os.WriteFile(file, example, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &site{T: t}
	s.expects(s.run("config", "check", file), 0, "1 apps")
}
