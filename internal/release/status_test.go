package release_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bluegreen/internal/release"
)

// eachStep plays all stories and calls back after each line that changes something.
func eachStep(t *testing.T, look func(t *testing.T, s *story, facts []release.Fact)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &story{now: noon, policy: storyPolicy()}
			for _, line := range strings.Split(string(text), "\n") {
				if line == "" || line == "status" || strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "#") {
					continue
				}
				facts, err := s.do(line)
				if err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				look(t, s, facts)
			}
		})
	}
}

// Who is asked to look finds first what for, until it is over.
func TestWhatNeedsAPersonComesFirst(t *testing.T) {
	asked := 0
	eachStep(t, func(t *testing.T, s *story, facts []release.Fact) {
		st := release.StatusOf(s.state, s.policy, s.now)
		for _, f := range facts {
			if f.Kind != release.NeedsHelp {
				continue
			}
			asked++
			if st.Standing != release.NeedsYou || !strings.HasPrefix(st.Headline, "Needs you: ") || len(st.Needs) == 0 {
				t.Errorf("after %q the status is %s", f.Text, st)
			}
		}
	})
	if asked < 20 {
		t.Errorf("help was needed only %d times", asked)
	}
}

// A command that is advised is followed, and leads to no image that is known to be bad.
func TestWhatIsAdvisedIsPossible(t *testing.T) {
	advised := map[release.Command]int{}
	eachStep(t, func(t *testing.T, s *story, _ []release.Fact) {
		for _, n := range release.StatusOf(s.state, s.policy, s.now).Needs {
			for _, r := range n.Helps {
				advised[r.Command]++
				_, facts := release.Next(s.state, release.Commanded{
					By: release.Actor{Proven: "on-call"}, Command: r.Command, Image: r.Image, Digest: r.Image.Digest, Tag: r.Tag, To: r.To, Force: r.Force,
				}, s.policy, s.now)
				for _, f := range facts {
					if f.Kind == release.Refused {
						t.Errorf("%q is advised for %q and refused: %s", r.Line("shop"), n.Why, f.Text)
					}
				}
				bad := func(q release.Quarantine) bool { return q.Image.Same(r.Image) }
				if r.Command == release.DeployImage && slices.ContainsFunc(s.state.Quarantined, bad) {
					t.Errorf("%q is advised, which is quarantined", r.Line("shop"))
				}
			}
		}
	})
	for _, c := range []release.Command{release.Promote, release.Cancel, release.Rollback, release.ResumeReleases, release.DeployImage} {
		if advised[c] == 0 {
			t.Errorf("%s is never advised", c)
		}
	}
}

func TestAHeadlineIsShort(t *testing.T) {
	long := strings.Repeat("long-", 60)
	lengths := func(t *testing.T, st release.Status) {
		if n := utf8.RuneCountInString(st.Headline); n == 0 || n > 120 || strings.ContainsFunc(st.Headline, release.Hidden) {
			t.Errorf("%d characters: %s", n, st.Headline)
		}
	}
	eachStep(t, func(t *testing.T, s *story, _ []release.Fact) {
		lengths(t, release.StatusOf(s.state, s.policy, s.now))
		named := s.state
		named.Serving.Image.Tag, named.Release.Image.Tag, named.Pause.By, named.Help.Why = long, long, release.Actor{Name: long + "\x1b[2J"}, long
		named.Release.Cause, named.Drift.Detail = long, long
		lengths(t, release.StatusOf(named, s.policy, s.now))
	})
}

// Times are as seen from now, in one unit, with the time of day.
func TestTimesAreSeenFromNow(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		40 * time.Second: "in 40 s (12:00 UTC)", 12 * time.Minute: "in 12 min (12:12 UTC)", 26 * time.Hour: "in 26 h (14:00 UTC on 25 Nov)",
		72 * time.Hour: "in 3 days (12:00 UTC on 27 Nov)",
	} {
		s := release.State{Known: true, Serving: release.Serving{Color: release.Green}, Release: release.Release{ID: 1, Phase: release.Baking, To: release.Green, Progress: release.Progress{BakeUntil: noon.Add(ahead)}}}
		if got := release.StatusOf(s, storyPolicy(), noon).Until; !strings.HasPrefix(got, want+": ") {
			t.Errorf("%s: %q", ahead, got)
		}
	}
}

// TestADriftHasACureAlsoWhereNoCommandHelps: the gateway points at neither color.
func TestADriftHasACureAlsoWhereNoCommandHelps(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := release.State{}
	for _, e := range []release.Event{
		release.Looked{Live: release.Blue, Blue: &release.Observed{Image: release.Image{Tag: "1.0", Digest: "sha256:1"}, Replicas: []int32{1}, Ready: 1}},
		release.Looked{Detail: "rule a points at pool c"},
	} {
		s, _ = release.Next(s, e, release.Policy{}, now)
	}
	needs := release.StatusOf(s, release.Policy{}, now).Needs
	if len(needs) != 1 || !strings.Contains(needs[0].String(), "change it by hand to point at one of them, then resume") || len(needs[0].Helps) != 0 {
		t.Errorf("%+v", needs)
	}
}
