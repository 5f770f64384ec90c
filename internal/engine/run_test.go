package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// maker is a check that makes something for each run, as a Job, and succeeds when it is looked at
// again.
type maker struct {
	*env
	made  map[string]string // by run, what is there
	runs  []string          // as they came
	ended []string
	gone  int // how often what was made is found gone
	wrong string
}

// Run implements engine.Check. What it uses must be in the record before.
func (m *maker) Run(_ context.Context, s engine.Subject) engine.Result {
	if kept := m.state().CheckRun; kept.ID != s.Run || kept.Made != s.Made || s.Run == "" {
		m.wrong = fmt.Sprintf("the check runs as %q with %q, the record has %+v", s.Run, s.Made, kept)
	}
	if !slices.Contains(m.runs, s.Run) {
		m.runs = append(m.runs, s.Run)
	}
	switch made := m.made[s.Run]; {
	case s.Made == "":
		m.made[s.Run] = fmt.Sprint("made ", len(m.made))
		return engine.Result{Verdict: release.Undecided, Detail: "made", Made: m.made[s.Run]}
	case m.gone > 0:
		m.gone--
		return engine.Result{Verdict: release.Undecided, Detail: "gone", Again: true}
	case made != s.Made:
		m.wrong = fmt.Sprintf("run %q asks for %q, and has made %q", s.Run, s.Made, made)
	}
	return engine.Result{Verdict: release.Passed}
}

// End implements engine.Maker.
func (m *maker) End(_ context.Context, s engine.Subject) error {
	m.ended = append(m.ended, s.Run)
	if m.made[s.Run] != s.Made {
		m.wrong = fmt.Sprintf("of run %q %q is to be deleted, made was %q", s.Run, s.Made, m.made[s.Run])
	}
	return fmt.Errorf("forbidden") // tried once, and the release goes on
}

func withMaker(t *testing.T) *maker {
	m := &maker{env: newEnv(t, nil), made: map[string]string{}}
	m.app.Before = []engine.Check{m, m.app.Before[0]}
	m.restart()
	return m
}

func (m *maker) expect(runs int) {
	m.t.Helper()
	if len(m.runs) != runs || !slices.Equal(m.runs, m.ended) || m.wrong != "" || m.state().CheckRun != (release.CheckRun{}) {
		m.t.Errorf("runs %q, ended %q, left %+v; %s", m.runs, m.ended, m.state().CheckRun, m.wrong)
	}
	for _, run := range m.runs {
		if len(run) < 26 {
			m.t.Errorf("the run %q can be guessed", run)
		}
	}
}

func TestACheckThatMakesSomethingHasARecordedRun(t *testing.T) {
	m := withMaker(t)
	m.push("2.0")
	m.reach(release.Completed)
	m.users("2.0")
	m.expect(1)
}

func TestWhatACheckMadeIsNotUsedAgainAfterAnApproval(t *testing.T) {
	m := withMaker(t)
	m.app.Policy.Manual = true
	m.restart()
	m.push("2.0")
	m.reach(release.Awaiting)
	m.run(time.Minute)
	m.expect(1)
	m.command(release.Promote)
	m.reach(release.Completed)
	m.expect(2)
}

func TestWhatACheckMadeAndIsGoneIsMadeAgain(t *testing.T) {
	m := withMaker(t)
	m.gone = 1
	m.push("2.0")
	m.reach(release.Completed)
	if m.users("2.0"); len(m.runs) != 2 || m.runs[0] == m.runs[1] || m.wrong != "" {
		t.Errorf("runs %q; %s", m.runs, m.wrong)
	}
}

func TestWhatACheckMadeIsEndedWithAReleaseThatFails(t *testing.T) {
	m := withMaker(t)
	m.gateway.SetHealth(release.Green, engine.Health{Detail: "10.0.0.4 is Unhealthy"})
	m.push("2.0")
	m.reach(release.Failed)
	m.run(time.Minute)
	m.expect(1)
}

// A worker that dies at any commit leaves a run that the next one goes on with, or replaces.
func TestARunIsRecordedBeforeAnythingIsMade(t *testing.T) {
	for n := 1; n < 40; n++ {
		var m *maker
		calls := 0
		w := newEnv(t, func(call string, after bool) error {
			if call == "commit" && after {
				if calls++; calls == n {
					return fmt.Errorf("no answer")
				}
			}
			return nil
		})
		m = &maker{env: w, made: map[string]string{}}
		m.app.Before = []engine.Check{m, m.app.Before[0]}
		m.restart()
		m.push("2.0")
		m.reach(release.Completed)
		if m.wrong != "" || len(m.runs) == 0 {
			t.Fatalf("at commit %d: runs %q; %s", n, m.runs, m.wrong)
		}
	}
}
