package simulation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// edit replaces a piece of the product's source.
type edit struct{ file, old, new string }

// mutants are faults that the simulation must find. None of them is ever in the product:
// each is made by compiling the tests with other text in the place of the real one.
var mutants = []struct {
	name  string
	edits []edit
}{
	{"act before save", []edit{{"engine/worker.go",
		"if err := w.save(ctx, effect); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tvar err error\n\t\tif seen, err = w.act(ctx, effect); err != nil {\n\t\t\treturn err\n\t\t}",
		"var err error\n\t\tif seen, err = w.act(ctx, effect); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := w.save(ctx, effect); err != nil {\n\t\t\treturn err\n\t\t}"}}},
	{"skip fencing: act after the claim has ended", []edit{{"engine/act.go", "return context.WithDeadline(ctx, w.record.Lease.Until.Add(-margin))", "return context.WithCancel(ctx)"}}},
	{"take an app that another worker holds", []edit{{"engine/worker.go", "l.Owner != w.owner && w.Now().Before(l.Until)", "false"}}},
	{"go on after another worker has taken the app", []edit{{"engine/worker.go", "if snap.Record.Commit != w.record.Commit {", "if false {"}}},
	{"deploy to the way back during the bake", []edit{{"release/next.go",
		"case r.Phase.Moving():\n\t\td.wait(i, fmt.Sprintf(\"release %d is %s\", r.ID, r.Phase))\n\tcase d.heldBack(i)",
		"case r.Phase == Switching || r.Phase == Returning:\n\t\td.wait(i, fmt.Sprintf(\"release %d is %s\", r.ID, r.Phase))\n\tcase d.heldBack(i)"}}},
	{"trust provisioningState: believe that a write is in effect", []edit{{"engine/route.go", "case !op.Done:", "case false:"}}},
	{"trust an operation's success without reading back", []edit{{"engine/route.go", "if reading.Live != e.To {", "if false {"}}},
	{"lose the inbox row on conflict", []edit{{"engine/worker.go", "w.told, w.done, w.dirty = nil, nil, false", "w.told, w.dirty = nil, false"}}},
	{"believe a stale rollout", []edit{
		{"engine/act.go", "if !o.Matches {", "if false {"},
		{"engine/act.go", "case !o.Matches:\n\t\treturn release.Refuted", "case false:\n\t\treturn release.Refuted"},
		{"engine/route.go", "case !o.Matches:", "case false:"}}},
	{"count an alert of the other color", []edit{{"release/next.go", "case e.Color != \"\" && e.Color != subject:", "case e.Color == \"neither\" && e.Color != subject:"}}},
	{"count an alert of the version before", []edit{{"release/next.go", "case !e.FiredAt.IsZero() && e.FiredAt.Before(r.RoutedAt.Add(-skew)):", "case false:"}}},
	{"drop an alert in the switch", []edit{{"release/next.go", "case !r.Phase.Moving() && (r.Phase != Completed || r.To != s.Live):", "case r.Phase != Baking:"}}},
	{"retry the PUT blindly", []edit{{"engine/route.go",
		"op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)",
		"op, err := w.app.Gateway.Switch(ctx, to, w.record.Lease.Fence)\n\tif err != nil {\n\t\top, err = w.app.Gateway.Switch(context.WithoutCancel(ctx), to, w.record.Lease.Fence)\n\t}"}}},
	{"route before verify", []edit{{"release/next.go",
		"d.enter(Verifying, \"%s runs %s with %d ready\", r.To, r.Image, e.Ready)", "d.beginSwitch(\"deployed\")"}}},
	{"forget quarantine", []edit{{"release/next.go", "if r.Image.Digest != \"\" {\n\t\ts.Quarantined", "if false {\n\t\ts.Quarantined"}}},
	{"skip the live check before deploy and retire", []edit{{"engine/act.go", "live == \"\" || reading.Live == live, nil", "live == live, nil"}}},
	{"free the lease without commit", []edit{{"engine/worker.go",
		"w.record.WakeAt = at\n\tif err := w.commit(ctx); err != nil {\n\t\treturn err\n\t}", "w.record.WakeAt = at"}}},
	{"see drift where the gateway could not be read", []edit{{"engine/act.go", "seen = []release.Event{release.Stumbled{Detail: err.Error()}}", "seen = []release.Event{release.Looked{}, release.Stumbled{Detail: err.Error()}}"}}},
	{"begin a canceled operation again without a wait", []edit{{"engine/route.go", "wait := min(w.Look<<min(w.losses, 10), calm)", "wait := time.Duration(0)"}}},
	{"send traffic back without looking again", []edit{{"release/next.go", "r.Fit = false // before", "// before"}}},
	{"believe what an earlier worker saw of the way back", []edit{{"engine/worker.go", "r.Operation == \"\" && !w.fit {", "r.Operation == \"\" && !w.fit && r.ID == 0 {"}}},
	{"send traffic forward without looking again", []edit{{"engine/route.go", "case o.Ready == 0:", "case o.Ready < 0:"}}},
	{"scale down although the live color has no ready pod", []edit{{"engine/act.go", "if err == nil && o.Ready == 0 {", "if err == nil && o.Ready < 0 {"}}},
	{"resume without looking at what the colors run", []edit{{"release/command.go", "s.Live, s.Known = s.Drift.Live, false", "s.Live = s.Drift.Live"}}},
	{"keep a record of the live color that is wrong", []edit{{"release/next.go", "if seen == nil || seen.Image.Digest == \"\" ||", "if true ||"}}},
	{"forget that a color was brought up again", []edit{{"release/next.go", "s.slot(r.To).Verified, s.slot(r.From).Retired = false, false", "s.slot(r.To).Verified = false"}}},
	{"a switch by DNS is done before old answers have run out", []edit{{"lab/profile.go", "!p.now().Before(f.Seen.Add(p.ttl))", "true"}}},
	{"wait for room in a commit without committing", []edit{{"engine/worker.go", "if err := w.commit(ctx); err != nil { // more entries than one commit takes\n\t\t\t\treturn err\n\t\t\t}", "_ = w.commit"}}},
}

// TestEveryMutantIsCaught compiles this package's tests with each mutant and wants them
// to fail. It fails itself when a mutant no longer fits the source.
func TestEveryMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the tests two dozen times")
	}
	if os.Getenv("MUTANT") != "" {
		t.Skip("is a mutant")
	}
	dir := t.TempDir()
	var workers sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	if by, err := catch(t.Context(), filepath.Join(dir, "none"), nil); err == nil {
		t.Fatalf("without any mutant the tests fail too: %s", by)
	}
	caught := make([]string, len(mutants))
	for n, m := range mutants {
		workers.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			by, err := catch(t.Context(), filepath.Join(dir, fmt.Sprint(n)), m.edits)
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
			caught[n] = by
		})
	}
	workers.Wait()
	for n, m := range mutants {
		t.Logf("%-60s %s", m.name, caught[n])
	}
}

// catch runs the tests on a mutant, the quick ones first, and returns what failed.
func catch(ctx context.Context, dir string, edits []edit) (string, error) {
	binary, err := build(ctx, dir, edits)
	if err != nil {
		return "", err
	}
	for _, try := range []struct {
		within time.Duration // many times what it takes without a mutant
		args   []string
	}{
		{20 * time.Second, []string{"-test.run=Stream|Thousand"}},
		{2 * time.Minute, []string{"-test.run=NoHistory", "-seeds=15000"}},
		{2 * time.Minute, []string{"-test.run=Crash", "-test.short"}},
		{2 * time.Minute, []string{"-test.run=Crash/way_back"}},
	} {
		ctx, cancel := context.WithTimeout(ctx, try.within)
		args := try.args
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env = append(os.Environ(), "MUTANT=1")
		began := time.Now()
		out, err := cmd.CombinedOutput()
		stuck := ctx.Err() != nil
		cancel()
		if stuck {
			return fmt.Sprintf("%v does not end", args), nil
		}
		if err != nil {
			return fmt.Sprintf("%s: %s", time.Since(began).Round(time.Millisecond), promise(string(out))), nil
		}
	}
	return "", fmt.Errorf("nothing noticed it")
}

func promise(out string) string {
	for line := range strings.Lines(out) {
		if i := strings.Index(line, "promise "); i >= 0 {
			return strings.TrimSpace(line[i:])
		}
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "_test.go:") {
			return strings.TrimSpace(line)
		}
	}
	return out
}

func build(ctx context.Context, dir string, edits []edit) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, e := range edits {
		path, err := filepath.Abs(filepath.Join("..", e.file))
		if err != nil {
			return "", err
		}
		from := path
		if changed, ok := replace[path]; ok {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if strings.Count(string(text), e.old) != 1 {
			return "", fmt.Errorf("the source has %d times, not once:\n%s", strings.Count(string(text), e.old), e.old)
		}
		replace[path] = filepath.Join(dir, filepath.Base(e.file))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "mutant.test")
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compile: %w\n%s", err, out)
	}
	return binary, nil
}
