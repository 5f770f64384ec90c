package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp/cmpopts"
)

func consumedKeepDecision(s store) {
	for i, id := range []string{"a", "b", "c"} {
		s.accept("shop", entry(id, at(i)))
	}
	from := s.load("shop")
	taken := decided(from.Inbox[0], from.Inbox[2])
	taken[1].Decision.Text = strings.Repeat("because ", 8000)
	s.commit(from, engine.Change{Record: record(1), Consumed: taken})
	s.same("the first", s.accepted("shop", "a"), taken[0])
	s.same("the second, which is pending", s.accepted("shop", "b"), entry("b", at(1)))
	s.same("the third", s.accepted("shop", "c"), taken[1])
}

func consumedOnce(s store) {
	s.accept("shop", entry("a", at(1)))
	from := s.load("shop")
	now := s.commit(from, engine.Change{Record: record(1), Consumed: decided(from.Inbox...)})
	again := decided(from.Inbox...)
	again[0].Decision.Text = "another"
	_, err := s.Commit(s.Context(), now, engine.Change{Record: record(2), Consumed: again, Facts: facts(release.HoldSet, 1, 1)})
	if !errors.Is(err, engine.ErrChanged) {
		s.Errorf("a commit that consumes what is gone answers %v", err)
	}
	s.same("the snapshot", s.load("shop"), now)
	s.same("the entry", s.accepted("shop", "a"), decided(from.Inbox...)[0])
}

func neverAccepted(s store) {
	if e, err := s.Accepted(s.Context(), "shop", "a"); !errors.Is(err, engine.ErrNotFound) {
		s.Errorf("an app without entries has %v, %v", e, err)
	}
	s.accept("shop", entry("a", at(1)))
	if e, err := s.Accepted(s.Context(), "shop", "A"); !errors.Is(err, engine.ErrNotFound) {
		s.Errorf("an entry never accepted is %v, %v", e, err)
	}
}

// unversioned are channels without what only a store knows.
func unversioned(all []engine.Progress) []engine.Progress {
	all = slices.Clone(all)
	for i := range all {
		all[i].Version = ""
	}
	return all
}

func beginsOnce(s store) {
	ops, team := engine.Progress{Name: "ops", Done: 3}, engine.Progress{Name: "Team 2/ä", Done: 7}
	first := s.load("shop")
	second := s.commit(first, engine.Change{Record: record(1), Begun: []engine.Progress{ops, team}})
	s.same("the channels", unversioned(s.load("shop").Channels), []engine.Progress{team, ops})
	for _, from := range []engine.Snapshot{first, second} {
		_, err := s.Commit(s.Context(), from, engine.Change{Record: record(2), Facts: facts(release.HoldSet, 1, 1), Begun: []engine.Progress{{Name: "ops", Done: 9}}})
		if !errors.Is(err, engine.ErrChanged) {
			s.Errorf("a channel begins a second time: %v", err)
		}
	}
	s.same("the channels", unversioned(s.load("shop").Channels), []engine.Progress{team, ops})
	s.same("the record", s.load("shop").Record, record(1))
	s.same("another app's channels", s.load("shop2").Channels, []engine.Progress(nil))
}

func oneAdvances(s store) {
	s.commit(s.load("shop"), engine.Change{Record: record(1), Begun: []engine.Progress{{Name: "ops"}, {Name: "team"}}})
	for round := range 3 {
		snap := s.load("shop")
		var all sync.WaitGroup
		won := make(chan engine.Progress, 8)
		for i := range 8 {
			p := snap.Channels[0]
			p.Done, p.Until, p.Next, p.Failing = 10*round+i, at(1), at(2), at(3)
			p.Why, p.Tries, p.GivenUp = "answered 503 \u00fc", i, round
			all.Go(func() {
				is, err := s.Advance(s.Context(), "shop", p)
				if err == nil {
					won <- is
				} else if !errors.Is(err, engine.ErrChanged) {
					s.Errorf("an advance that lost is answered %v", err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			s.Fatalf("%d of 8 advances from one version won", len(won))
		}
		is := <-won
		after := s.load("shop")
		s.same("the channels", after.Channels, []engine.Progress{is, snap.Channels[1]})
		if is.Version == snap.Channels[0].Version {
			s.Error("an advance did not change the version")
		}
		is.Done++
		if _, err := s.Advance(s.Context(), "shop", is); err != nil {
			s.Errorf("what an advance returned cannot be advanced: %v", err)
		}
		s.commit(after, engine.Change{Record: record(int64(round))}) // an advance is no change of the record
	}
}

func history(s store) {
	snap := s.load("shop")
	for n := 1; n <= 9; n += 3 {
		snap = s.commit(snap, engine.Change{Record: record(1), Facts: facts(release.Advanced, n, n+2)})
	}
	s.commit(snap, engine.Change{Record: record(1), Facts: facts(release.Advanced, 10, 12)})
	s.same("the newest", s.history("shop", 3, 0), []int{12, 11, 10})
	s.same("the page after them", s.history("shop", 4, 10), []int{9, 8, 7, 6})
	s.same("the last page", s.history("shop", 10, 3), []int{2, 1})
	s.same("what is below the first", s.history("shop", 10, 1), []int(nil))
	s.same("none", s.history("shop", 0, 0), []int(nil))
	got, err := s.History(s.Context(), "shop", 1, 6)
	if err != nil {
		s.Fatal(err)
	}
	s.same("a fact", got, facts(release.Advanced, 5, 5))
}

func lastTick(s store) {
	for _, want := range []time.Time{{}, day, day.Add(time.Minute)} {
		if !want.IsZero() {
			if err := s.Ticked(s.Context(), want); err != nil {
				s.Fatal(err)
			}
		}
		if at, err := s.LastTick(s.Context()); err != nil || !at.Equal(want) {
			s.Errorf("the last tick was at %s, not %s, error %v", at, want, err)
		}
	}
}

func sweep(s store) {
	old, young := day, day.Add(time.Hour)
	s.accept("shop", entry("old, decided", old))
	snap := s.load("shop")
	s.accept("shop", entry("old, pending", old))
	history := facts(release.HoldSet, 1, 3)
	history[2].At = young
	s.commit(snap, engine.Change{Record: record(1), Consumed: decided(snap.Inbox...), Facts: history})
	s.accept("shop", entry("young, decided", young))
	snap = s.load("shop")
	s.commit(snap, engine.Change{Record: record(2), Consumed: decided(snap.Inbox[1])})
	before := s.load("shop")

	for range 2 {
		if err := s.Sweep(s.Context(), "shop", young); err != nil {
			s.Fatal(err)
		}
	}
	s.same("the snapshot", s.load("shop"), before)
	s.same("the history", s.history("shop", 10, 0), []int{3})
	s.same("the pending entry", s.accepted("shop", "old, pending"), entry("old, pending", old))
	s.same("the young entry", s.accepted("shop", "young, decided"), decided(entry("young, decided", young))[0])
	if !s.accept("shop", entry("old, decided", old)) {
		s.Error("an entry is still known after it was swept")
	}
	if s.accept("shop", entry("old, pending", old)) {
		s.Error("a pending entry is new after a sweep")
	}
}

func appsApart(s store) {
	apps := []string{"shop", "shop2", "sho", "Shop", "shop|a", "shop/a", "o'hara"}
	for i, app := range apps {
		if !s.accept(app, entry("same", at(i))) {
			s.Errorf("another app's entry is known to %s", app)
		}
		snap := s.load(app)
		s.commit(snap, engine.Change{Record: record(int64(i)), Facts: facts(release.HoldSet, i+1, i+1)})
	}
	snap := s.load("shop")
	s.commit(snap, engine.Change{Record: snap.Record, Consumed: decided(snap.Inbox...)})
	if err := s.Sweep(s.Context(), "shop", day.Add(time.Hour)); err != nil {
		s.Fatal(err)
	}
	for i, app := range apps[1:] {
		i++
		snap := s.load(app)
		s.same("the snapshot of "+app, snap, engine.Snapshot{App: app, Version: snap.Version, Record: record(int64(i)),
			Inbox: []engine.Entry{entry("same", at(i))}})
		s.same("the history of "+app, s.history(app, 10, 0), []int{i + 1})
	}
}

func anyID(s store) {
	long := strings.Repeat("/", 399)
	odd := []string{
		"push|shop.azurecr.io/team/shop|sha256:0a|6.7.1", "a/b", `a\b`, "a#b", "a?b", "a%2Fb", "a+b", "a b", "a'b", `a"b`, "a&b=c;$d,(e)",
		"a~b", "a~2Fb", "ä", "日本🚀", "|", "a|", "a||b", "A", "a", "{}", "<a>", long + "x", long + "y", strings.Repeat("ab.-", 100), strings.Repeat("é", 200),
	}
	for i, id := range odd {
		if !s.accept("shop", entry(id, at(i))) {
			s.Errorf("%q is taken for another entry", id)
		}
	}
	snap := s.load("shop")
	s.same("the inbox", ids(snap.Inbox), odd)
	s.commit(snap, engine.Change{Record: record(1), Consumed: decided(snap.Inbox...)})
	for i, id := range odd {
		s.same("the entry", s.accepted("shop", id), decided(entry(id, at(i)))[0])
		if s.accept("shop", entry(id, at(i))) {
			s.Errorf("%q is new after it was decided", id)
		}
	}
	s.same("the inbox", s.load("shop").Inbox, []engine.Entry(nil))
}

func large(s store) {
	big := record(1)
	big.State.Release.Progress.Operation = strings.Repeat("https://management.azure.com/…?t=", 250) // a token of 8 KiB
	for i := range 1000 {
		big.State.Quarantined = append(big.State.Quarantined, release.Quarantine{
			Image: release.Image{Digest: fmt.Sprintf("sha256:%064d", i)}, Why: strings.Repeat("🚀 é", 20), Since: day})
	}
	if text, err := json.Marshal(big); err != nil || len(text) < 200<<10 {
		s.Fatalf("the record has %d bytes, %v: it should have 200 KiB", len(text), err)
	}
	e := entry("big", at(1))
	e.Event = release.Commanded{Command: release.Cancel, Why: strings.Repeat("0123456789abcde ", 100<<10/16)}
	s.accept("shop", e)
	s.commit(s.load("shop"), engine.Change{Record: big})
	snap := s.load("shop")
	s.same("the record", snap.Record, big)
	s.same("the inbox", snap.Inbox, []engine.Entry{e})
	snap = s.commit(snap, engine.Change{Record: record(2), Consumed: decided(snap.Inbox...)})
	s.same("the record when it is small again", s.load("shop").Record, record(2))
	s.same("the entry", s.accepted("shop", "big"), decided(e)[0])
}

func tooLong(s store) {
	big := record(1)
	big.State.Release = release.Release{ID: 7, Phase: release.Baking, To: release.Green, Cause: strings.Repeat("<", 60<<10), Unconfirmed: strings.Repeat("x", 60<<10)}
	for i := range 50 {
		big.State.Quarantined = append(big.State.Quarantined, release.Quarantine{Image: release.Image{Digest: fmt.Sprintf("sha256:%064d", i)}, Why: strings.Repeat("<", 8<<10), Since: day})
	}
	s.commit(s.load("shop"), engine.Change{Record: big})
	got := s.load("shop").Record
	if got.State.Release.Cause == "" || got.State.Release.Unconfirmed == "" {
		s.Error("a text is gone whose presence says something")
	}
	s.same("what is no text", got, big, cmpopts.IgnoreFields(release.Release{}, "Cause", "Unconfirmed"), cmpopts.IgnoreFields(release.Quarantine{}, "Why"))
}

func longFacts(s store) {
	all := facts(release.NeedsHelp, 1, 20)
	for i := range all {
		all[i].Text = strings.Repeat("<", 8<<10)
	}
	s.commit(s.load("shop"), engine.Change{Record: record(1), Facts: all})
	got, err := s.History(s.Context(), "shop", 20, 0)
	if err != nil {
		s.Fatal(err)
	}
	slices.Reverse(got)
	s.same("the history", got, all)
}

func fullCommit(s store) {
	for i := range 30 {
		s.accept("shop", entry(fmt.Sprint("e", i), at(i)))
	}
	snap := s.load("shop")
	var channels []engine.Progress
	for i := range 10 {
		channels = append(channels, engine.Progress{Name: fmt.Sprint("channel", i), Done: i})
	}
	s.commit(snap, engine.Change{Record: record(1), Consumed: decided(snap.Inbox...), Facts: facts(release.ReleaseStarted, 1, 20), Begun: channels})
	after := s.load("shop")
	after.Channels = unversioned(after.Channels)
	s.same("the snapshot", after, engine.Snapshot{App: "shop", Version: after.Version, Record: record(1), Channels: channels})
	s.same("the number of facts", len(s.history("shop", 100, 0)), 20)
	for i := range 30 {
		s.same("the entry", s.accepted("shop", fmt.Sprint("e", i)), decided(entry(fmt.Sprint("e", i), at(i)))[0])
	}
}

func long(s store) {
	const entries, history = 1100, 120 // a table answers with at most 1,000 rows at once
	var all sync.WaitGroup
	queue := make(chan int)
	for range 8 {
		all.Go(func() {
			for i := range queue {
				if _, err := s.Accept(s.Context(), "shop", entry(fmt.Sprint("e", i), at(i))); err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range entries {
		queue <- i
	}
	close(queue)
	all.Wait()
	snap := s.load("shop")
	for n := 1; n <= history; n += 20 {
		snap = s.commit(snap, engine.Change{Record: record(1), Facts: facts(release.Advanced, n, n+19)})
	}
	snap = s.load("shop")
	if len(snap.Inbox) != entries || snap.Version == "" {
		s.Errorf("%d of %d entries are in the inbox, at version %q", len(snap.Inbox), entries, snap.Version)
	}
	if !slices.IsSortedFunc(snap.Inbox, func(a, b engine.Entry) int { return a.At.Compare(b.At) }) {
		s.Error("a long inbox is not oldest first")
	}
	s.same("the length of the history", len(s.history("shop", 10_000, 0)), history)
	if err := s.Sweep(s.Context(), "shop", day.Add(24*time.Hour)); err != nil {
		s.Fatal(err)
	}
	s.same("the history after a sweep", s.history("shop", 10, 0), []int(nil))
	s.same("the inbox after a sweep", len(s.load("shop").Inbox), entries)
}

func manyApps(s store) {
	var all sync.WaitGroup
	for i := range 8 {
		app := fmt.Sprint("app", i)
		all.Go(func() {
			for n := range 5 {
				if _, err := s.Accept(s.Context(), app, entry(fmt.Sprint("e", n), at(n))); err != nil {
					s.Error(err)
				}
				snap, err := s.Load(s.Context(), app)
				if err == nil {
					_, err = s.Commit(s.Context(), snap, engine.Change{Record: record(int64(n)), Consumed: decided(snap.Inbox...), Facts: facts(release.Advanced, n+1, n+1)})
				}
				if err != nil {
					s.Error(err)
				}
			}
		})
	}
	all.Wait()
	for i := range 8 {
		app := fmt.Sprint("app", i)
		snap := s.load(app)
		s.same("the snapshot", snap, engine.Snapshot{App: app, Version: snap.Version, Record: record(4)})
		s.same("the history", s.history(app, 10, 0), []int{5, 4, 3, 2, 1})
	}
}
