package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"
)

var buildRival = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-o", filepath.Join(shared.root, "rival"), "./rival").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the rival: %w: %s", err, out)
	}
	return nil
})

// rivalProcess is another client of the gateway or of a cluster, in a process of its own.
type rivalProcess struct {
	t     testing.TB
	lines chan string
	stop  func()
}

// startRival starts it with the credentials of an identity of the subscription.
func (w *env) startRival(args ...string) *rivalProcess {
	w.t.Helper()
	dir := root(w.t)
	if err := buildRival(); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(dir, "rival"), args...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(w.dir, "ca.pem"),
		"AZURE_RESOURCE_MANAGER_ENDPOINT="+w.azure.URL(), "AZURE_RESOURCE_MANAGER_AUDIENCE=https://management.azure.com")
	for key, value := range w.azure.IdentityEnv() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	r := &rivalProcess{t: w.t, lines: make(chan string, 1000)}
	var read sync.WaitGroup
	read.Go(func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	})
	r.stop = sync.OnceFunc(func() {
		in.Close()
		read.Wait()
		cmd.Wait()
	})
	w.t.Cleanup(r.stop)
	return r
}

// says waits for a line of the process, and returns what follows the word.
func (r *rivalProcess) says(word string, within time.Duration) string {
	r.t.Helper()
	timeout := time.After(within)
	for {
		select {
		case line, ok := <-r.lines:
			if rest, found := strings.CutPrefix(line, word); found {
				return strings.TrimSpace(rest)
			}
			if !ok || strings.HasPrefix(line, "failed") {
				r.t.Fatalf("the rival has ended without %q: %s", word, line)
			}
		case <-timeout:
			r.t.Fatalf("the rival did not say %q within %s", word, within)
		}
	}
}

// rivalPoints makes the rival point the app's rule at a pool.
func (s *shop) rivalPoints(pool string) *rivalProcess {
	s.t.Helper()
	return s.startRival("-gateway", s.gateway.ID(), "-rule", "podinfo-https", "-pool", pool)
}

// ticking fires the timer of the app every second, so that fewer minutes are needed.
func (w *env) ticking() {
	go func() {
		for goOn(w.t.Context(), time.Second) {
			w.tickOnce(w.t.Context(), 0)
		}
	}()
}

// rivalModes are the gateway's ways to carry out a write: one part of its data plane after the
// other, and all at once at the end, which its answers claim at once.
var rivalModes = map[string]func(*arm.Behaviour){
	"in two parts":        func(b *arm.Behaviour) { b.Domains = 2 },
	"ended by its answer": func(b *arm.Behaviour) { b.EarlySucceeded = true },
}

func TestNothingIsDeployedWhereARivalsAcceptedWriteStillLeavesUsers(t *testing.T) {
	t.Parallel()
	for name, mode := range rivalModes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, `    bake: 2s
    standby: {size: ready}`)
			users := s.rivalHasLeft(mode, func() string { return s.release("3.0.0") })
			s.until("podinfo", 2*time.Minute, "completed with 3.0.0", func(a api.App) bool {
				return a.Release.Image.Tag == "3.0.0" && a.Release.Phase == release.Completed
			})
			s.judge(users, "deployed to")
		})
	}
}

func TestNothingIsScaledDownWhereARivalsAcceptedWriteStillLeavesUsers(t *testing.T) {
	t.Parallel()
	for name, mode := range rivalModes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, `    bake: 2s
    retire: {after: 3s}`)
			users := s.rivalHasLeft(mode, nil)
			s.until("podinfo", 2*time.Minute, "scaled down on blue", func(a api.App) bool { return a.Colors.Blue.Retired && a.Drift == nil })
			s.judge(users, "scaled down")
		})
	}
}

const rivalTakes = 10 * time.Second

// visitors are users with a connection for each request, which come to every part of the
// gateway, and the changes of the color that they should have left.
type visitors struct {
	*load
	changed *sizes
	from    time.Time // the rival's second write was accepted
}

// rivalHasLeft brings 2.0.0 live on green. Then a rival points the rule at blue, which the app
// reports, and back at green, with a write that takes long.
func (s *shop) rivalHasLeft(mode func(*arm.Behaviour), meanwhile func() string) *visitors {
	t := s.t.(*testing.T)
	v := &visitors{load: newLoad(s.gateway.ListenerURL("lst-podinfo")+"/", &http.Transport{DisableKeepAlives: true}), changed: watchSizes(t, s.blue)}
	v.start(t, 50)
	second := s.release("2.0.0")
	s.answeredBy("green", second)
	s.reach("podinfo", release.Baking)
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = 300 * time.Millisecond })
	s.reach("podinfo", release.Completed)
	s.rivalPoints("pool-blue").says("ended Succeeded", 20*time.Second)
	s.answeredBy("blue", s.first)
	if meanwhile != nil {
		meanwhile()
	}
	s.ticking()
	s.until("podinfo", 30*time.Second, "reported as changed", func(a api.App) bool { return a.Drift != nil })
	s.gateway.Set(func(b *arm.Behaviour) { b.Takes = rivalTakes; mode(b) })
	s.rivalPoints("pool-green").says("accepted", 20*time.Second)
	v.from = time.Now()
	time.AfterFunc(rivalTakes-time.Second, func() { s.gateway.Set(func(b *arm.Behaviour) { b.Takes = 2 * time.Second }) })
	return v
}

// judge fails the test where blue was changed while it answered users, or a request was lost.
func (s *shop) judge(v *visitors, what string) {
	s.t.Helper()
	time.Sleep(time.Until(v.from.Add(rivalTakes + 2*time.Second))) // those who suffer come until its end
	v.Stop()
	s.noneLost()
	if lost := v.failures(); lost != "" {
		s.t.Errorf("requests were lost:\n%s", lost)
	}
	var last time.Time // request that blue answered as it was
	all := append(v.answers(), s.users.answers()...)
	for _, a := range all {
		if a.color == "blue" && strings.HasSuffix(s.first, a.version) && a.at.After(last) {
			last = a.at
		}
	}
	p := place{s.blue, s.blueSpace, "podinfo"}
	changes := s.changedSince(v, p)
	if len(changes) == 0 {
		s.t.Errorf("blue was never %s", what)
	}
	for _, c := range changes {
		s.t.Logf("blue was %s %s after the rival's write was accepted, %s after the last user was answered there: %s",
			what, c.seen.Sub(v.from).Round(10*time.Millisecond), c.seen.Sub(last).Round(10*time.Millisecond), c.what)
		if c.seen.Before(last) {
			s.t.Errorf("users were on blue for another %s when it was %s", last.Sub(c.seen).Round(10*time.Millisecond), what)
		}
	}
	s.t.Logf("%d requests of both kinds of users, none may fail", len(all))
}

// changedSince are the changes of blue since the rival's second write.
func (s *shop) changedSince(v *visitors, p place) (since []change) {
	v.changed.mu.Lock()
	defer v.changed.mu.Unlock()
	for _, c := range v.changed.changes[p.String()] {
		if c.seen.After(v.from) {
			since = append(since, c)
		}
	}
	return since
}
