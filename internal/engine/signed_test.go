package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// signatures are who signed which digest. They are there, and the registry is down, until a time.
type signatures struct {
	by    map[string]string
	from  time.Time
	down  time.Time
	now   func() time.Time
	asked int
}

func (s *signatures) Verify(_ context.Context, digest string) (string, error) {
	s.asked++
	switch {
	case s.now().Before(s.down):
		return "", errors.New("reach the registry: connection refused")
	case s.by[digest] == "" || s.now().Before(s.from):
		return "", engine.Unverified{Why: "the rule one wants a signature by acme, and there is none"}
	}
	return s.by[digest], nil
}

// otherCheck is a check of the idle color.
type otherCheck struct {
	asked  int
	answer string
}

func (c *otherCheck) Run(context.Context, engine.Subject) engine.Result {
	c.asked++
	if c.answer != "" {
		return engine.Result{Verdict: release.Undecided, Detail: c.answer}
	}
	return engine.Result{Verdict: release.Passed}
}

// signedEnv is an app whose images must be signed.
func signedEnv(t *testing.T) (*env, *signatures, *otherCheck) {
	w := newEnv(t, nil)
	s, c := &signatures{by: map[string]string{}, now: func() time.Time { return w.clock }}, &otherCheck{}
	w.app.Policy.Signed = true
	w.app.Before = append([]engine.Check{engine.Signed{Signatures: s}, c}, w.app.Before...)
	w.restart()
	return w, s, c
}

func TestAnImageThatIsNotSignedGetsNoTrafficAndNoOtherCheck(t *testing.T) {
	w, s, other := signedEnv(t)
	w.push("2.0")
	w.reach(release.Failed)
	w.users("1.0")
	if r := w.state().Release; r.Reason != "not-verified" || !strings.Contains(r.Cause, "the rule one wants a signature by acme, and there is none") {
		t.Errorf("%s: %s", r.Reason, r.Cause)
	}
	if other.asked != 0 || s.asked < 10 || s.asked > 5*60/4 {
		t.Errorf("looked for a signature %d times in 5 minutes, and made %d other checks", s.asked, other.asked)
	}
}

// TestASignatureMayComeAfterItsImage: a signature is of a digest, and so is pushed later.
func TestASignatureMayComeAfterItsImage(t *testing.T) {
	w, s, _ := signedEnv(t)
	s.by["sha256:2.0"], s.from = "acme", w.clock.Add(2*time.Minute)
	w.push("2.0")
	w.reach(release.Completed)
	w.users("2.0")
	facts, err := w.store.History(t.Context(), "shop", 50, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, f := range facts {
		if strings.Contains(f.Text, "signed by acme") {
			named++
		}
	}
	if signer := w.state().Color(release.Green).Signer(); signer != "acme" || named != 2 {
		t.Errorf("the color is signed by %q; %d facts name the signer", signer, named)
	}
}

func TestARegistryThatCannotBeAskedIsWaitedForAndNamed(t *testing.T) {
	w, s, _ := signedEnv(t)
	s.by["sha256:2.0"], s.by["sha256:3.0"], s.down = "acme", "acme", w.clock.Add(2*time.Minute)
	w.push("2.0")
	w.reach(release.Completed)
	w.users("2.0")
	s.down = w.clock.Add(time.Hour)
	w.push("3.0")
	w.reach(release.Failed)
	w.users("2.0")
	if r := w.state().Release; !strings.Contains(r.Cause, "look for signatures of 3.0") || !strings.Contains(r.Cause, "connection refused") {
		t.Errorf("%s: %s", r.Reason, r.Cause)
	}
}

// TestASignatureIsFoundOnce: while other checks do not pass, the registry is not asked again and again.
func TestASignatureIsFoundOnce(t *testing.T) {
	w, s, other := signedEnv(t)
	s.by["sha256:2.0"], other.answer = "acme", "green answered 503"
	w.push("2.0")
	w.reach(release.Failed)
	if other.asked < 100 || s.asked > 5 {
		t.Errorf("looked for a signature %d times, and made %d other checks", s.asked, other.asked)
	}
	if r := w.state().Release; r.Reason != "checks-timed-out" {
		t.Errorf("%s: %s", r.Reason, r.Cause)
	}
	w.force(release.Switch)
	w.reach(release.Completed)
	w.users("2.0")
}

// force gives a command by force.
func (w *env) force(c release.Command) {
	w.t.Helper()
	w.pushes++
	if _, err := w.engine.Accept(w.t.Context(), "shop", engine.CommandEntry(fmt.Sprint(w.pushes), release.Commanded{Command: c, By: release.Actor{Name: "ana"}, Force: true}, w.clock)); err != nil {
		w.t.Fatal(err)
	}
}

func TestForceSkipsNoSignature(t *testing.T) {
	w, _, _ := signedEnv(t)
	w.push("2.0")
	w.reach(release.Failed)
	w.force(release.Switch)
	w.run(5 * time.Minute)
	w.users("1.0")
	if moves := w.gateway.Moves(); len(moves) != 0 {
		t.Errorf("traffic moved: %v", moves)
	}
}

// TestAnImageThatIsPutThereRightBeforeAForcedSwitchGetsNoTraffic: what was verified is what must run.
func TestAnImageThatIsPutThereRightBeforeAForcedSwitchGetsNoTraffic(t *testing.T) {
	w, s, other := signedEnv(t)
	s.by["sha256:2.0"], other.answer = "acme", "green answered 503"
	w.push("2.0")
	w.reach(release.Failed)
	w.cluster.Edit(release.Green, img("6.6", w.clock))
	w.clock = w.clock.Add(10 * time.Second) // its pods are ready, and it was not looked at yet
	w.force(release.Switch)
	w.run(15 * time.Minute)
	w.users("1.0")
	if r := w.state().Release; !strings.Contains(r.Cause, "which is not what was verified") {
		t.Errorf("%s: %s", r.Reason, r.Cause)
	}
	if moves := w.gateway.Moves(); len(moves) != 0 {
		t.Errorf("traffic moved: %v", moves)
	}
}

func TestARollbackAsksNothingOfSignatures(t *testing.T) {
	w, s, _ := signedEnv(t)
	s.by["sha256:2.0"] = "acme"
	w.push("2.0")
	w.reach(release.Baking)
	s.by, s.down = nil, w.clock.Add(time.Hour)
	asked := s.asked
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
	if s.asked != asked {
		t.Errorf("looked for signatures %d times more", s.asked-asked)
	}
}

// TestWhatCannotBeUsedKeepsReleasesFromStartingAndNothingElse: an alert returns traffic all the same.
func TestWhatCannotBeUsedKeepsReleasesFromStartingAndNothingElse(t *testing.T) {
	w, s, _ := signedEnv(t)
	s.by["sha256:2.0"], s.by["sha256:3.0"] = "acme", "acme"
	w.push("2.0")
	w.reach(release.Baking)
	w.app.Unusable = []string{"image.verify.cosign[0].key: the setting CHECK_KEY is not set"}
	w.restart()
	w.alert("a1")
	w.reach(release.RolledBack)
	w.users("1.0")
	w.run(time.Minute)
	w.push("3.0")
	w.run(time.Hour)
	w.users("1.0")
	view, err := w.engine.View(t.Context(), "shop")
	if err != nil || !strings.Contains(view.Status.Headline, "the setting CHECK_KEY is not set") || len(view.Problems) != 1 {
		t.Errorf("%q %q, %v", view.Status, view.Problems, err)
	}
	w.app.Unusable = nil
	w.restart()
	w.reach(release.Completed)
	w.users("3.0")
}
