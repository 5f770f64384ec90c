// Package contract holds the tests that every adapter of a port must pass: the real one and
// its fake run the same tests, so that behaviour in the lab is that in Azure.
package contract

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// day is when everything happens in these tests, with more digits than a table's own time has.
var day = time.Date(2026, 11, 24, 9, 15, 0, 123456789, time.UTC)

// Store checks every sentence of engine.Store's contract; open makes an empty store.
func Store(t *testing.T, open func(t *testing.T) engine.Store) {
	for name, promise := range map[string]func(store){
		"AnAppNeverSeenIsEmpty":                      neverSeen,
		"WhatIsCommittedIsLoaded":                    committedIsLoaded,
		"AStaleCommitLeavesNothing":                  staleLeavesNothing,
		"AFirstCommitIsFirstOnlyOnce":                firstOnlyOnce,
		"OfManyCommittersExactlyOneWins":             oneWins,
		"AnEntryIsAcceptedOnce":                      acceptedOnce,
		"OfManyDeliveriesExactlyOneIsNew":            oneIsNew,
		"AcceptingDoesNotGetInTheWayOfACommit":       acceptBesideCommit,
		"TheInboxIsOldestFirst":                      oldestFirst,
		"ConsumedEntriesKeepTheirDecision":           consumedKeepDecision,
		"AnEntryIsConsumedOnce":                      consumedOnce,
		"AnEntryNeverAcceptedIsNotFound":             neverAccepted,
		"AChannelBeginsWithACommitOnce":              beginsOnce,
		"OfManyAdvancesOfAChannelExactlyOneWins":     oneAdvances,
		"HistoryIsNewestFirstInPages":                history,
		"SweepKeepsWhatIsPendingOrYoung":             sweep,
		"AMarkedAppIsDueAtOnce":                      markedIsDue,
		"ARowThatWasMarkedIsNotSettled":              staleSettlesNothing,
		"ThousandsOfRowsAreListedAndSettled":         manyDue,
		"AMarkBesideSettlersIsNotLost":               marksAndSettlers,
		"DueRowsAreApart":                            dueApart,
		"TheLastTickIsKept":                          lastTick,
		"AppsAreApart":                               appsApart,
		"AnyPrintableIDWillDo":                       anyID,
		"LargeRecordsAndEventsAreKept":               large,
		"ARecordThatIsTooLongLosesTextsOnly":         tooLong,
		"FactsOfAnyLengthAreKept":                    longFacts,
		"ThirtyEntriesAndTwentyFactsFitInOneCommit":  fullCommit,
		"LongInboxesAndHistoriesAreReadToTheirEnd":   long,
		"ManyAppsAreCommittedToAndAcceptedForAtOnce": manyApps,
	} {
		t.Run(name, func(t *testing.T) { promise(store{t, open(t)}) })
	}
}

// store adds short forms for the tests to the port.
type store struct {
	*testing.T
	engine.Store
}

func (s store) load(app string) engine.Snapshot {
	s.Helper()
	snap, err := s.Load(s.Context(), app)
	if err != nil {
		s.Fatal(err)
	}
	return snap
}

func (s store) commit(from engine.Snapshot, c engine.Change) engine.Snapshot {
	s.Helper()
	snap, err := s.Commit(s.Context(), from, c)
	if err != nil {
		s.Fatal(err)
	}
	return snap
}

func (s store) accept(app string, e engine.Entry) bool {
	s.Helper()
	fresh, err := s.Accept(s.Context(), app, e)
	if err != nil {
		s.Fatal(err)
	}
	return fresh
}

func (s store) accepted(app, id string) engine.Entry {
	s.Helper()
	e, err := s.Accepted(s.Context(), app, id)
	if err != nil {
		s.Fatal(err)
	}
	return e
}

func (s store) history(app string, limit, before int) []int {
	s.Helper()
	facts, err := s.History(s.Context(), app, limit, before)
	if err != nil {
		s.Fatal(err)
	}
	return numbers(facts)
}

func (s store) same(what string, got, want any, but ...cmp.Option) {
	s.Helper()
	if diff := cmp.Diff(want, got, append(but, cmpopts.EquateEmpty())...); diff != "" {
		s.Errorf("%s is not as it should be (-want +got):\n%s", what, diff)
	}
}

// at is a time of the day, in steps that are shorter than the resolution of a table's own time.
func at(n int) time.Time { return day.Add(time.Duration(n)) }

func entry(id string, when time.Time) engine.Entry {
	return engine.Entry{ID: id, Event: release.ImagePushed{Image: release.Image{Tag: "6.7.1"}}, At: when}
}

func decided(entries ...engine.Entry) []engine.Entry {
	var all []engine.Entry
	for _, e := range entries {
		e.Decision = release.Decision{Kind: release.Decided, Reason: reason.Waits, Release: 7, Text: "decided: " + e.ID}
		all = append(all, e)
	}
	return all
}

func record(fence int64) engine.Record {
	return engine.Record{
		Schema: 3,
		State:  release.State{App: "shop", Known: true, Serving: release.Serving{Color: release.Green}, Newest: release.Image{Tag: "6.7.1", PushedAt: day}},
		Lease:  engine.Lease{Owner: "w/1", Until: day, Fence: fence},
		WakeAt: day.Add(time.Hour), Preflight: engine.PreflightResult{Config: "c1", Warnings: []string{"ünïcode, \"quotes\" and \x00"}},
	}
}

func facts(kind release.FactKind, from, to int) []release.Fact {
	var all []release.Fact
	for n := from; n <= to; n++ {
		all = append(all, release.Fact{Number: n, At: day.Add(time.Duration(n) * time.Second), Kind: kind, Reason: reason.Waits, Release: 3, Text: fmt.Sprint("fact ", n)})
	}
	return all
}

func numbers(facts []release.Fact) []int {
	var all []int
	for _, f := range facts {
		all = append(all, f.Number)
	}
	return all
}

func ids(entries []engine.Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

func neverSeen(s store) {
	s.same("the snapshot", s.load("shop"), engine.Snapshot{App: "shop"})
	s.same("the history", s.history("shop", 10, 0), []int(nil))
	if _, err := s.Advance(s.Context(), "shop", engine.Progress{Name: "ops", Done: 1}); !errors.Is(err, engine.ErrChanged) {
		s.Errorf("a channel that never began advances: %v", err)
	}
	if err := s.Sweep(s.Context(), "shop", day); err != nil {
		s.Errorf("an app never seen cannot be swept: %v", err)
	}
}

func committedIsLoaded(s store) {
	s.accept("shop", entry("a", at(1)))
	s.accept("shop", entry("b", at(2)))
	first := s.load("shop")
	history := append(facts(release.Advanced, 1, 1), facts(release.HoldSet, 2, 2)...)
	second := s.commit(first, engine.Change{Record: record(1), Consumed: decided(first.Inbox[0]), Facts: history})
	want := engine.Snapshot{App: "shop", Version: second.Version, Record: record(1), Inbox: []engine.Entry{entry("b", at(2))}}
	s.same("what Commit returns", second, want)
	s.same("what Load returns", s.load("shop"), want)
	third := s.commit(second, engine.Change{Record: record(2)})
	if third.Version == second.Version {
		s.Error("a commit did not change the version")
	}
	want.Version, want.Record = third.Version, record(2)
	s.same("what Load returns after a further commit", s.load("shop"), want)
}

func staleLeavesNothing(s store) {
	s.accept("shop", entry("a", at(1)))
	stale := s.load("shop")
	s.commit(stale, engine.Change{Record: record(1), Facts: facts(release.HoldSet, 1, 1)})
	late := s.load("shop")
	s.commit(late, engine.Change{Record: record(2)})
	before := s.load("shop")
	for _, from := range []engine.Snapshot{stale, late} {
		_, err := s.Commit(s.Context(), from, engine.Change{Record: record(9), Consumed: decided(stale.Inbox...), Facts: facts(release.HoldSet, 2, 3)})
		if !errors.Is(err, engine.ErrChanged) {
			s.Fatalf("a stale commit answers %v", err)
		}
	}
	s.same("the snapshot after stale commits", s.load("shop"), before)
	s.same("the history after stale commits", s.history("shop", 10, 0), []int{1})
	s.same("the entry after stale commits", s.accepted("shop", "a"), entry("a", at(1)))
}

func firstOnlyOnce(s store) {
	unseen := s.load("shop")
	s.commit(unseen, engine.Change{Record: record(1)})
	if _, err := s.Commit(s.Context(), unseen, engine.Change{Record: record(2)}); !errors.Is(err, engine.ErrChanged) {
		s.Errorf("a second first commit answers %v", err)
	}
	s.same("the record", s.load("shop").Record, record(1))
}

func oneWins(s store) {
	const committers = 12
	from := s.load("shop")
	for round := range 4 { // the first of which inserts
		s.accept("shop", entry(fmt.Sprint("e", round), at(round)))
		from = s.load("shop")
		var all sync.WaitGroup
		won := make(chan int64, committers)
		for i := range committers {
			all.Go(func() {
				fence := int64(round*committers + i)
				_, err := s.Commit(s.Context(), from, engine.Change{Record: record(fence), Consumed: decided(from.Inbox...), Facts: facts(release.Advanced, round+1, round+1)})
				if err == nil {
					won <- fence
				} else if !errors.Is(err, engine.ErrChanged) {
					s.Errorf("a committer that lost is answered %v", err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			s.Fatalf("%d of %d committers from one version won", len(won), committers)
		}
		s.same("the record", s.load("shop").Record, record(<-won))
	}
	s.same("the history", s.history("shop", 10, 0), []int{4, 3, 2, 1})
}

func acceptedOnce(s store) {
	first, again := entry("a", at(5)), entry("a", at(1))
	again.Event = release.Commanded{Command: release.Cancel}
	if !s.accept("shop", first) {
		s.Error("the first delivery is not new")
	}
	if s.accept("shop", again) {
		s.Error("a second delivery is new while the first is pending")
	}
	snap := s.load("shop")
	s.same("the inbox", snap.Inbox, []engine.Entry{first})
	s.commit(snap, engine.Change{Record: record(1), Consumed: decided(snap.Inbox...)})
	if s.accept("shop", again) {
		s.Error("a delivery after the decision is new")
	}
	s.same("the inbox after a late delivery", s.load("shop").Inbox, []engine.Entry(nil))
	s.same("the entry", s.accepted("shop", "a"), decided(first)[0])
}

func oneIsNew(s store) {
	var all sync.WaitGroup
	fresh := make(chan bool, 16)
	for range cap(fresh) {
		all.Go(func() {
			if one, err := s.Accept(s.Context(), "shop", entry("a", at(1))); err != nil {
				s.Error(err)
			} else if one {
				fresh <- true
			}
		})
	}
	all.Wait()
	if len(fresh) != 1 {
		s.Errorf("%d of %d deliveries at once are new", len(fresh), cap(fresh))
	}
	s.same("the inbox", s.load("shop").Inbox, []engine.Entry{entry("a", at(1))})
}

func acceptBesideCommit(s store) {
	s.accept("shop", entry("a", at(1)))
	from := s.load("shop")
	s.accept("shop", entry("b", at(2)))
	s.commit(from, engine.Change{Record: record(1), Consumed: decided(from.Inbox...)})
	s.same("the inbox", s.load("shop").Inbox, []engine.Entry{entry("b", at(2))})
}

func oldestFirst(s store) {
	zone := time.FixedZone("east", 3600)
	for _, e := range []engine.Entry{entry("c", at(300)), entry("z", at(100).In(zone)), entry("a", day.Add(time.Minute)), entry("b", at(200))} {
		s.accept("shop", e)
	}
	s.same("the inbox", ids(s.load("shop").Inbox), []string{"z", "b", "c", "a"})
}
