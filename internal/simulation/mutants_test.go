package simulation_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/simulation"
)

// mutant is a fault that the simulation must find. None is ever in the product: each is
// made by compiling the tests with other text in the place of the real one.
type mutant struct {
	name  string
	edits []edit
}

func change(pkg, decl, from, to string) []edit { return []edit{{pkg, decl, from, to}} }

var mutants = []mutant{
	{"act before save", change("engine", "worker.work", `
		if err := w.save(ctx, effect); err != nil {
			return err
		}
		var err error
		if seen, err = w.carryOut(ctx, effect); err != nil {
			return err
		}`, `
		var err error
		if seen, err = w.carryOut(ctx, effect); err != nil {
			return err
		}
		if err := w.save(ctx, effect); err != nil {
			return err
		}`)},
	{"skip fencing: act after the claim has ended", change("engine", "worker.claimed",
		`context.WithDeadline(ctx, w.record.Lease.Until.Add(-leaseMargin))`, `context.WithCancel(ctx)`)},
	{"take an app that another worker holds", change("engine", "worker.reload",
		`l.Owner != "" && l.Owner != w.owner && w.Now().Before(l.Until)`, `l.Owner != "" && false`)},
	{"go on after another worker has taken the app", change("engine", "worker.commit",
		`snap.Record.Commit != w.record.Commit`, `false`)},
	{"know a commit by owner and fence", change("engine", "worker.commit",
		`snap.Record.Commit != w.record.Commit`,
		`snap.Record.Lease.Owner != w.record.Lease.Owner || snap.Record.Lease.Fence != w.record.Lease.Fence`)},
	{"send a wake-up after a lost race", change("engine", "worker.free", `
		if err := w.commit(ctx); err != nil {
			return err
		}`, `
		if err := w.commit(ctx); err != nil {
			return errors.Join(err, w.Wakeups.Wake(ctx, w.app.Name, at))
		}`)},
	{"send a second wake-up for the same time", change("engine", "worker.free",
		`!at.IsZero() && !at.Equal(w.record.WakeAt)`, `!at.IsZero()`)},
	{"send each wake-up twice", change("engine", "worker.free",
		`wake := !at.IsZero() && !at.Equal(w.record.WakeAt)`, `
		wake := !at.IsZero() && !at.Equal(w.record.WakeAt)
		if wake {
			defer func() { _ = w.Wakeups.Wake(ctx, w.app.Name, at) }()
		}`)},
	{"send a wake-up for another worker's claim each time", change("engine", "Engine.comeBack",
		`!before.Before(at)`, `!before.Before(at) && at.IsZero()`)},
	{"probe before the claim is saved", change("engine", "acts",
		`case release.Deploy, release.Route, release.PrepareTarget, release.KeepStandby, release.FreeSize, release.Probe:`, `case release.Deploy, release.Route, release.PrepareTarget, release.KeepStandby, release.FreeSize:`)},
	{"probe for each message", change("release", "State.probe", `now.Before(next)`, `now.Before(s.Serving.Since)`)},
	{"forget to store a field", change("record", "progress", "`json:\"misses,omitempty\"`", "`json:\"-\"`")},
	{"deploy to the rollback target during the bake", change("release", "decision.pushed",
		`case r.Phase.Moving():`, `case r.Phase == Switching || r.Phase == Returning:`)},
	{"trust provisioningState: believe that a write is in effect", change("engine", "worker.route",
		`case !op.Done:`, `case false:`)},
	{"trust an operation's success without reading back", change("engine", "worker.confirm",
		`reading.Live != e.To`, `false`)},
	{"lose the inbox row on conflict", change("engine", "worker.adopt",
		`w.facts, w.decided, w.dirty = nil, nil, false`, `w.facts, w.dirty = nil, false`)},
	{"believe a stale rollout", []edit{
		{"engine", "worker.deploy", `!o.Matches`, `false`},
		{"engine", "worker.judge", `e.Image.Digest != "" && o.Running.Digest != e.Image.Digest`, `false`},
		{"engine", "worker.notReady", `e.Image.Digest != "" && o.Running.Digest != e.Image.Digest`, `false`},
		{"engine", "worker.notReady", `!o.Matches || smaller(o.Replicas, size)`, `smaller(o.Replicas, size)`},
		{"release", "decision.passed", `!c.Observed.Image.Same(r.Image) && !r.Image.IsZero()`, `false`}}},
	{"count an alert of the other color", change("release", "decision.alerted",
		`case e.Color != "" && e.Color != subject:`, `case e.Color == "neither" && e.Color != subject:`)},
	{"count an alert of the version before", change("release", "decision.alertAfter",
		`case !a.At.IsZero() && a.At.Before(routed.Add(-skew)):`, `case false:`)},
	{"drop an alert in the switch", change("release", "decision.alerted",
		`case s.Serving.Release == 0 && !r.Phase.Preparing() && r.Phase != Switching:`, `case r.Phase != Baking:`)},
	{"believe an alert that has to be corroborated", change("release", "decision.alertAfter", `case e.Corroborate:`, `case false:`)},
	{"let what is unknown corroborate an alert", change("release", "decision.agrees", `e.Checks == Refuted`, `e.Checks != Passed`)},
	{"corroborate an alert only by all looks together", change("release", "decision.agrees", `refuted || short || e.Health == Refuted`, `refuted && short && e.Health == Refuted`)},
	{"retry the PUT blindly", change("engine", "worker.write",
		`op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)`, `
		op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)
		if err != nil {
			op, err = w.app.Gateway.Switch(context.WithoutCancel(ctx), to, w.record.Lease.Fence)
		}`)},
	{"route before verify", change("release", "decision.rollout",
		`d.enter(Verifying, reason.RolledOut, about{Color: r.To, Image: r.Image, Count: int(e.Seen.Ready), Then: d.holding(e)})`,
		`d.s.color(r.To).Checked = Checked{Image: e.Seen.Image, At: d.now}; d.beginSwitch(reason.RolledOut)`)},
	{"forget quarantine", change("release", "decision.quarantine", `i.Digest == ""`, `true`)},
	{"skip the live check before deploy and retire", change("engine", "worker.withoutTraffic",
		`live == "" || reading.Live == live`, `live != "neither"`)},
	{"take an accepted write for a finished one", []edit{
		{"engine", "worker.withoutTraffic", `reading.Underway`, `false`},
		{"release", "decision.driftBack", `e.Underway`, `false`},
		{"release", "Looked.Reached", `!e.Underway && now.Sub(since) >= follow`, `now.Sub(since) >= follow`}}},
	{"do not mark an app that got an event", change("engine", "Engine.Accept",
		`if _, err := e.Store.Mark(ctx, app); err != nil {
			return false, fmt.Errorf("accept %s for %s: %w", entry.ID, app, err)
		}`, ``)},
	{"mark an app for an event that is new only", change("engine", "Engine.Accept", `
		if _, err := e.Store.Mark(ctx, app); err != nil {
			return false, fmt.Errorf("accept %s for %s: %w", entry.ID, app, err)
		}`, `
		if fresh {
			if _, err := e.Store.Mark(ctx, app); err != nil {
				return false, fmt.Errorf("accept %s for %s: %w", entry.ID, app, err)
			}
		}`)},
	{"settle an app that was not seen at rest", change("engine", "worker.settled", `!w.rests(w.app, w.snap)`, `false`)},
	{"settle an app after a glance that saw something else", change("engine", "tour.glance", `err != nil || saw != last.Saw`, `err != nil && saw != last.Saw`)},
	{"free the lease without commit", change("engine", "worker.free", `
		if err := w.commit(ctx); err != nil {
			return err
		}`, ``)},
	{"see drift where the gateway could not be read", change("engine", "worker.carryOut",
		`[]release.Event{release.StepFailed{Detail: r.Failed.Error()}}`,
		`[]release.Event{release.Looked{}, release.StepFailed{Detail: r.Failed.Error()}}`)},
	{"begin a canceled operation again without a wait", change("engine", "worker.lost",
		`min(w.Poll<<min(m.losses, 10), longestBackoff)`, `time.Duration(0)`)},
	{"send traffic back without looking again", change("release", "decision.route", `p.TargetReady = false`, ``)},
	{"believe what an earlier worker saw of the rollback target", change("engine", "targetSeen.lookFirst",
		`!ok || s.Release.Phase != release.Returning || s.Release.Progress.Forced || route.Operation != "" || now.Before(t.ready)`, `!ok || route.To != ""`)},
	{"send traffic forward without looking again", change("engine", "worker.notReady",
		`!w.app.Policy.Capacity.AtSwitch(*observed(o), size)`, `false`)},
	{"scale down although the live color has no ready pod", []edit{
		{"engine", "worker.liveIsWell", `!w.app.Policy.Capacity.AsLive(*observed(o), needed)`, `false`},
		{"engine", "worker.liveIsWell", `why != ""`, `false`}}},
	{"never put back the minimum of an autoscaler", change("release", "State.afterRelease",
		`c == "" || effect != nil && !s.Trouble.IsZero()`, `c != "neither"`)},
	{"raise the minimum of an autoscaler before that is saved", []edit{
		{"release", "decision.cleared", `c.Held = c.Held || e.Holds`, ``},
		{"engine", "worker.holdSize", `!ok || !w.record.State.Color(c).Held`, `!ok`}}},
	{"end a bake without evidence", change("release", "decision.baked",
		`p.Good >= d.p.goodLooks() && !d.now.Before(s.bakeUntil(d.p))`, `p.Misses == 0 && !d.now.Before(s.bakeUntil(d.p))`)},
	{"keep a record of the live color that is wrong", change("release", "decision.compare",
		`seen.Image.Digest == "" || seen.Image.Digest == s.Serving.Image.Digest`,
		`seen.Image.Digest == "" || s.Serving.Image.Digest != ""`)},
	{"forget that a color was brought up again", change("release", "decision.returned",
		`s.color(t.Color).Standby, s.color(t.Color).Suspect = Standby{}, Note{}`, `s.color(t.Color).Suspect = Note{}`)},
	{"leave what a failed release has put on the standby", change("release", "State.spoiled",
		`!s.mayServe(c, color.Ordered.Image)`, `false`)},
	{"size the standby only once", change("release", "State.standby",
		`slices.Equal(c.Standby.Replicas, e.Size)`, `true`)},
	{"fail over to a standby that is not ready", []edit{
		{"release", "State.FailoverTarget", `!p.Capacity.AsLive(c.Observed, needed)`, `false`},
		{"release", "State.FailoverTarget", `now.Sub(c.Observed.At) > standbyAge || c.Ordered.At.After(c.Observed.At)`, `false`},
		{"release", "decision.failoverImpossible", `r.Phase != Returning || r.Reason != reason.FailoverByAlert || r.Progress.Operation != ""`, `true`},
		{"engine", "worker.carries", `case (e.Sick || w.target.silent) && waited:`, `case waited || o.Ready > 0:`}}},
	{"release an image that waited over a newer one", []edit{
		{"release", "decision.settle", `by.IsZero() && d.s.Serving.Color != "" && d.p.newer(live, w)`, `false`},
		{"release", "decision.pushed", `!w.IsZero() && s.WaitingBy.IsZero() && !d.p.newer(w, i)`, `false`},
		{"release", "decision.route", `e.Status == Clear && forward && r.By.IsZero() && d.p.newer(d.s.Serving.Image, r.Image)`, `false`}}},
	{"forget who asked for an image that waits", change("release", "decision.deploy",
		`d.wait(c.Image, Note{By: c.By, Why: c.Why, Since: d.now}, reason.ReleaseUnderway)`, `d.by = Actor{}; d.wait(c.Image, Note{}, reason.ReleaseUnderway)`)},
	{"a switch by DNS is done before old answers have run out", change("fake", "Profile.Poll",
		`!f.Seen.IsZero() && !p.now().Before(f.Seen.Add(p.ttl))`, `!f.Seen.IsZero()`)},
	{"give a return up while the API of its target is away", change("engine", "worker.targetUnseen",
		`herr != nil || health.Unknown || !health.Healthy || w.failures == 0 || w.target.changed || e.Other`, `herr != nil || health.Unknown || err != nil`)},
	{"hold a return up by a problem of the configuration", change("engine", "waitsForPreflight", `return false`, `return true`)},
	{"switch to a color that is ready in part", change("engine", "worker.notReady",
		`case !w.app.Policy.Capacity.AtSwitch(*observed(o), size):`, `case false:`)},
	{"return to a target that carries less", change("engine", "worker.carries",
		`case o.Ready >= needed || capacity.AsLive(*observed(o), size):`, `case o.Ready > 0:`)},
	{"count what could not be seen as good", change("release", "decision.judge",
		`known && !v.short && (e.Checks == Passed || e.Checks == "")`, `(known || !v.short) && (e.Checks == Passed || e.Checks == "")`)},
	{"report nothing of a rollback target that changed", change("release", "troubles.add",
		`why != ""`, `why != "" && why != reason.TargetChanged`)},
	{"pass over outcomes that were not delivered", change("engine", "delivery.run", `err := d.send(ctx, f)`, `_ = d.send(ctx, f)
		var err error`)},
	{"begin a channel after the facts of its first commit", change("engine", "worker.begin", `w.snap.Record.State.Facts`, `w.record.State.Facts`)},
	{"look for no missed push", change("engine", "Engine.missed",
		`len(images) == 0 || images[0].Digest == s.Newest.Digest`, `err != nil || len(images) < 2`)},
	{"wait for room in a commit without committing", change("engine", "worker.work", `
		if err := w.commit(ctx); err != nil {
			return err
		}`, ``)},
}

// TestEveryMutantFitsTheSource makes each mutant and checks its types, so that a change of
// the source that a mutant does not follow is noticed in seconds.
func TestEveryMutantFitsTheSource(t *testing.T) {
	if os.Getenv(chosenBy) != "" {
		t.Skip("is a mutant")
	}
	imports := exports(t)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			changed, err := m.source()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range m.edits {
				if err := changed.check(e.pkg, imports); err != nil {
					t.Errorf("%s: %v", e, err)
				}
			}
		})
	}
}

// source returns the text of all files of the packages that the mutant changes.
func (m mutant) source() (source, error) {
	s := source{}
	for _, e := range m.edits {
		if err := s.apply(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// exports returns an importer of the packages that this test depends on.
func exports(t *testing.T) types.Importer {
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list dependencies: %v", err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			files[name] = file
		}
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) { return os.Open(files[name]) })
}

// check checks the types of a package as it is in the source.
func (s source) check(pkg string, imports types.Importer) error {
	set := token.NewFileSet()
	var files []*ast.File
	for name, text := range s {
		if path.Dir(filepath.ToSlash(name)) != "../"+pkg {
			continue
		}
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	_, err := (&types.Config{Importer: imports}).Check("bluegreen/internal/"+pkg, set, files, nil)
	return err
}

// TestEveryMutantIsCaught compiles this package's tests with each mutant: they must fail. A run
// that catches a mutant must break no promise without it.
func TestEveryMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the tests five dozen times")
	}
	if os.Getenv(chosenBy) != "" {
		t.Skip("is a mutant")
	}
	known := readCaught(t)
	together, err := chosen(mutants)
	if err != nil {
		t.Fatal(err)
	}
	all := compile(t, together.source)
	for n, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			binary := all
			if !together.has[n] {
				changed, err := m.source()
				if err != nil {
					t.Fatal(err)
				}
				binary = compile(t, changed)
			}
			by, args, err := catch(t.Context(), binary, n, known.of(m.name))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(by)
			if seed, drawn := brokenSeed(by); drawn {
				args = fmt.Sprint(drawnRun, seed)
				if _, err := simulation.Run(simulation.Generate(seed), nil); err != nil {
					t.Errorf("seed %d breaks a promise without the mutant too: %v", seed, err)
				}
			}
			if args == search {
				args = ""
			}
			known.by(m.name, args)
		})
	}
}

const (
	// idle ends a mutant that waits for ever and computes nothing.
	idle = 15 * time.Minute
	// search are the arguments for many drawn runs. It is not remembered: what it finds is a seed.
	search = "-test.run=NoRun -seeds=15000"
)

var errUnnoticed = errors.New("no test failed")

// catch runs the tests on a mutant, and returns the failure with the arguments of the test that failed:
// first the quick ones, which have no arguments here, then the one that caught it before. Most others
// are never needed.
func catch(ctx context.Context, binary string, mutant int, before string) (by, args string, err error) {
	for n, try := range []struct {
		most int // seconds of CPU time, many times what it takes without a mutant, on however busy a machine
		args string
	}{
		{30, ""},
		{300, before},
		{1200, search},
		{1200, "-test.run=Crash/rollback_target"},
		{1200, "-test.run=Crash -test.short"},
	} {
		if n > 0 && try.args == "" {
			continue // nothing is known
		}
		ctx, cancel := context.WithTimeout(ctx, idle)
		with := strings.Fields(cmp.Or(try.args, "-test.run=Stream|Thousand|TestStories"))
		cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -t "$0" && exec "$@"`, strconv.Itoa(try.most), binary}, with...)...)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosenBy, mutant+1))
		began := time.Now()
		out, err := cmd.CombinedOutput()
		late := ctx.Err() != nil
		cancel()
		if killed := cmd.ProcessState.ExitCode() < 0; killed {
			used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if spent := used >= time.Duration(try.most)*time.Second*9/10; !spent && (!late || used > idle/10) {
				return "", "", fmt.Errorf("%v was killed after %s, of which it computed for %s: %w", with, time.Since(began).Round(time.Second), used.Round(time.Second), errUnnoticed)
			}
			return fmt.Sprintf("%v does not end", with), try.args, nil
		}
		if err != nil {
			return fmt.Sprintf("%s: %s", time.Since(began).Round(time.Millisecond), brokenIn(string(out))), try.args, nil
		}
	}
	return "", "", errUnnoticed
}

// brokenIn is the seed, the promise or the test that the output of a failed run names.
func brokenIn(out string) string {
	for _, begin := range []string{brokenBy, "promise "} {
		for line := range strings.Lines(out) {
			if i := strings.Index(line, begin); i >= 0 {
				return strings.TrimSpace(line[i:])
			}
		}
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "_test.go:") {
			return strings.TrimSpace(line)
		}
	}
	return out
}

// compile compiles this package's tests with other text of some files.
func compile(t *testing.T, changed source) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range changed {
		real, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		replace[real] = filepath.Join(dir, strings.ReplaceAll(filepath.ToSlash(name), "/", "_"))
		if err := os.WriteFile(replace[real], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "mutant.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	return binary
}
