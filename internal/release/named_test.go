package release_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

func hexImage(tag, digest string) release.Image {
	return release.Image{Tag: tag, Digest: "sha256:" + digest + strings.Repeat("0", 64-len(digest)), PushedAt: noon}
}

// An operator names a quarantined image as a status shows it.
func TestAnImageIsReleasedFromQuarantineByWhatAStatusShows(t *testing.T) {
	bad := []release.Image{hexImage("2.0", "aaaa1"), hexImage("2.1", "aaaa2"), hexImage("aaaa1", "bbbb"), hexImage("nightly", "cccc1"), hexImage("nightly", "cccc2")}
	for ref, want := range map[string]string{
		"2.0": "2.0", bad[1].Digest: "2.1", "sha256:aaaa2": "2.1", "aaaa2": "2.1", bad[0].Digest[7:19]: "2.0",
		"aaaa1":   "aaaa1", // a tag goes before the beginning of a digest
		"aaaa":    "not-one-image 2.0, 2.1",
		"nightly": "not-one-image nightly, nightly",
		"aaa":     "not-quarantined 2.0, 2.1, aaaa1, nightly, nightly", "3.0": "not-quarantined 2.0, 2.1, aaaa1, nightly, nightly",
	} {
		s := release.State{Known: true}
		for _, i := range bad {
			s.Quarantined = append(s.Quarantined, release.Quarantine{Image: i, Since: noon, Why: "bad"})
		}
		s, facts := release.Next(s, release.Commanded{Command: release.ReleaseQuarantine, By: release.Actor{Name: "ana"}, Digest: ref}, release.Policy{}, noon)
		got := ""
		if f := facts[0]; f.Kind == release.Refused {
			_, list, _ := strings.Cut(f.Text, "give one of ")
			got = string(f.Reason) + " " + regexp.MustCompile(` \([0-9a-f]{12}\)`).ReplaceAllString(list, "")
		} else {
			got, _, _ = strings.Cut(f.Text, " ")
		}
		if got != want || (len(s.Quarantined) == len(bad)-1) != !strings.HasPrefix(want, "not-") {
			t.Errorf("%s: %q, not %q: %+v", ref, got, want, facts[0])
		}
	}
}

func TestAPromoteIsBoundToAnImageByWhatAStatusShows(t *testing.T) {
	i := hexImage("2.0", "aaaa1")
	for ref, want := range map[string]reason.Reason{i.Digest: reason.Approved, "aaaa1": reason.Approved, "2.0": reason.Approved, "aaab": reason.NotTheRelease, "2.1": reason.NotTheRelease} {
		s := release.State{Known: true, Release: release.Release{ID: 1, Phase: release.Awaiting, Image: i, To: release.Green}}
		if _, facts := release.Next(s, release.Commanded{Command: release.Promote, By: release.Actor{Name: "ana"}, Digest: ref}, release.Policy{Manual: true}, noon); facts[0].Reason != want {
			t.Errorf("%s: %+v", ref, facts[0])
		}
	}
}

// What a dropped push says is given as commands, and releases the image.
func TestACureOfADroppedPushReleasesItsImage(t *testing.T) {
	bad := []string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "alert errors", "target ready", "route confirmed", "resume"}
	for name, c := range map[string]struct {
		lines []string
		push  string
		want  reason.Reason
	}{
		"quarantined":                    {bad, "push 2.0", reason.Quarantined},
		"quarantined under another name": {bad, "push 2.0-again@2.0", reason.Quarantined},
		"older":                          {[]string{onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "bake 15m"}, "push 1.9 ago=2h", reason.Older},
		"tried":                          {[]string{onBlue, "push 2.0", "rollout broken 0 crash"}, "push 2.0-same@2.0 ago=1m", reason.AlreadyTried},
		"from the future":                {[]string{onBlue}, "push 9.9 ago=-8760h", reason.FromTheFuture},
	} {
		t.Run(name, func(t *testing.T) {
			s := played(t, c.lines...)
			facts, err := s.do(c.push)
			if err != nil || len(facts) == 0 || facts[0].Reason != c.want {
				t.Fatalf("%v %+v", err, facts)
			}
			id := s.state.Release.ID
			for _, m := range regexp.MustCompile(`(release-quarantine|deploy) ([^ ,;]+)`).FindAllStringSubmatch(facts[0].Text, -1) {
				command := release.Commanded{Command: release.Command(m[1]), By: release.Actor{Name: "ana"}, Digest: m[2]}
				if m[1] == "deploy" {
					command = release.Commanded{Command: release.DeployImage, By: release.Actor{Name: "ana"}, Image: pushedAs(m[2], c.push)}
				}
				s.now = s.now.Add(time.Second)
				s.state, facts = release.Next(s.state, command, s.policy, s.now)
			}
			if s.state.Release.ID != id+1 || s.state.Release.Phase != release.Deploying {
				t.Errorf("not released: %+v", facts)
			}
		})
	}
}

// pushedAs is the image of a push line, named by its tag.
func pushedAs(tag, line string) release.Image {
	if _, digest, ok := strings.Cut(strings.Fields(line)[1], "@"); ok {
		return image(tag+"@"+digest, noon)
	}
	return image(tag, noon)
}

// The first pause stays, and the second says so; resume names all that it lets go.
func TestPausesAndHoldsDoNotHideOneAnother(t *testing.T) {
	s := played(t, onBlue, "push 2.0", "rollout complete 3", "checks passed", "route confirmed", "alert errors", "target ready", "route confirmed")
	give := func(c release.Command, by, why string) string {
		var facts []release.Fact
		s.now = s.now.Add(time.Minute)
		s.state, facts = release.Next(s.state, release.Commanded{Command: c, By: release.Actor{Name: by}, Why: why}, s.policy, s.now)
		return facts[0].Text
	}
	give(release.PauseReleases, "ana", "audit")
	if got := give(release.PauseReleases, "bob", "lunch"); got != "a second pause, asked by bob: lunch: releases are paused already since 12:01:00 UTC on 24 Nov by ana: audit, and one resume ends that" {
		t.Error(got)
	}
	if p := s.state.Pause; p.By.Name != "ana" || p.Why != "audit" || !p.Since.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v", p)
	}
	s.state.Green.Suspect = release.Note{By: release.Actor{Name: "bluegreen"}, Why: "failover", Since: noon}
	got := give(release.ResumeReleases, "eve", "")
	for _, part := range []string{"resumed, asked by eve; ", "the pause ends, which lasted for 2 min (since 12:01 UTC), asked by ana: audit; ", "the hold ends, ", "alert errors; ", "the suspicion of green ends"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in %q", part, got)
		}
	}
}
