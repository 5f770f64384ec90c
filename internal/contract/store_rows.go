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

func outbox(s store) {
	history := append(facts(release.ReleaseStarted, 1, 3), facts(release.Decided, 4, 4)...)
	snap := s.commit(s.load("shop"), engine.Change{Record: record(1), Facts: history})
	snap = s.commit(snap, engine.Change{Record: record(2), Facts: facts(release.NeedsHelp, 5, 6)})
	s.same("the outbox", s.load("shop").Outbox, append(facts(release.ReleaseStarted, 1, 3), facts(release.NeedsHelp, 5, 6)...))

	sent := append(facts(release.ReleaseStarted, 2, 3), facts(release.NeedsHelp, 5, 5)...)
	for range 2 { // those already gone are no error
		if err := s.Sent(s.Context(), "shop", sent); err != nil {
			s.Fatal(err)
		}
	}
	s.same("the rest", s.load("shop").Outbox, append(facts(release.ReleaseStarted, 1, 1), facts(release.NeedsHelp, 6, 6)...))
	s.commit(snap, engine.Change{Record: record(3)}) // taking facts off is no change of the record
	s.same("the history", s.history("shop", 10, 0), []int{6, 5, 4, 3, 2, 1})

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := s.Sent(s.Context(), "shop", history); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	s.same("the rest", s.load("shop").Outbox, facts(release.NeedsHelp, 6, 6))
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
	if err := s.Sent(s.Context(), "shop", facts(release.HoldSet, 1, len(apps))); err != nil {
		s.Fatal(err)
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
			Inbox: []engine.Entry{entry("same", at(i))}, Outbox: facts(release.HoldSet, i+1, i+1)})
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
	s.same("the outbox", s.load("shop").Outbox, all)
	if err := s.Sent(s.Context(), "shop", all[1:]); err != nil {
		s.Fatal(err)
	}
	s.same("the rest", s.load("shop").Outbox, all[:1])
}

func fullCommit(s store) {
	for i := range 30 {
		s.accept("shop", entry(fmt.Sprint("e", i), at(i)))
	}
	snap := s.load("shop")
	s.commit(snap, engine.Change{Record: record(1), Consumed: decided(snap.Inbox...), Facts: facts(release.ReleaseStarted, 1, 20)})
	after := s.load("shop")
	s.same("the snapshot", after, engine.Snapshot{App: "shop", Version: after.Version, Record: record(1), Outbox: facts(release.ReleaseStarted, 1, 20)})
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
