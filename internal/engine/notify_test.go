package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// channel adds a receiver to the app besides the topic.
func (w *env) channel(name string) *topic {
	team := &topic{sent: map[int]release.Fact{}}
	w.app.Channels = append(slices.Clone(w.app.Channels), engine.Channel{Name: name, Notifier: team, Kinds: release.PublishedKinds()})
	w.restart()
	return team
}

func (n *topic) numbers() (all []int) {
	for _, m := range n.got {
		all = append(all, m.Fact.Number)
	}
	return all
}

// progress is how far a channel is, as people see it.
func (w *env) progress(name string) engine.Progress {
	w.t.Helper()
	v, err := w.engine.View(w.t.Context(), "shop")
	if err != nil {
		w.t.Fatal(err)
	}
	at := slices.IndexFunc(v.Channels, func(p engine.Progress) bool { return p.Name == name })
	if at < 0 {
		w.t.Fatalf("no channel %s: %+v", name, v.Channels)
	}
	return v.Channels[at]
}

func TestAChannelThatFailsForTenMinutesGetsAllInOrderAndDelaysNoOther(t *testing.T) {
	alone := newEnv(t, nil)
	alone.push("2.0")
	alone.reach(release.Baking)

	w := newEnv(t, nil)
	team := w.channel("team")
	team.down = true
	w.push("2.0")
	w.reach(release.Baking)
	if !w.clock.Equal(alone.clock) {
		t.Errorf("the release is baking at %s, without a channel that fails at %s", w.clock, alone.clock)
	}
	w.run(10 * time.Minute)
	p := w.progress("team")
	if !slices.Equal(w.topic.numbers(), alone.topic.numbers()) || len(team.got) > 0 || p.Failing.IsZero() || !strings.Contains(p.Why, "the topic does not answer") || p.Tries < 3 || p.Tries > 6 {
		t.Errorf("the topic got %v, the channel %v: %+v", w.topic.numbers(), team.numbers(), p)
	}
	if v, err := w.engine.View(t.Context(), "shop"); err != nil || !strings.Contains(v.Status.Trouble, "the channel team has failed since 12:0") || v.Status.Standing == release.NeedsYou {
		t.Errorf("%v: %s", err, v.Status)
	}
	team.down = false
	w.run(6 * time.Minute)
	w.reach(release.Completed)
	w.run(2 * time.Minute)
	if p := w.progress("team"); !slices.Equal(team.numbers(), w.topic.numbers()) || len(team.got) != 3 || !p.Failing.IsZero() || p.Why != "" || p.GivenUp != 0 {
		t.Errorf("the topic got %v, the channel %v: %+v", w.topic.numbers(), team.numbers(), p)
	}
}

func TestAMessageSaysHowTheAppIs(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Baking)
	m := w.topic.got[len(w.topic.got)-1]
	if m.App != "shop" || m.Fact.Kind != release.ReleaseSwitched || len(m.Colors) != 2 || m.Colors[0].Users || !m.Colors[1].Users ||
		!strings.HasPrefix(m.Colors[1].Text, "has the users: 2.0") || !strings.Contains(m.Colors[0].Text, "rollback target") || !strings.Contains(m.Status.Headline, "baking") {
		t.Errorf("%+v", m)
	}
	if m.Link != "" {
		t.Errorf("a link without an address: %s", m.Link)
	}
}

// TestAMessageThatIsRefusedHoldsNoOtherUpForLong: what a receiver takes at no time is given up
// once it takes a later one, and what it refuses without exception waits.
func TestAMessageThatIsRefusedHoldsNoOtherUpForLong(t *testing.T) {
	for name, c := range map[string]struct {
		refuses func(release.Fact) bool
		got     int
		givenUp int
	}{
		"one":   {func(f release.Fact) bool { return f.Kind == release.ReleaseSwitched }, 2, 1},
		"every": {func(release.Fact) bool { return true }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, nil)
			team := w.channel("team")
			team.fails = func(m engine.Message) error {
				if c.refuses(m.Fact) {
					return fmt.Errorf("answered 400: %w", engine.ErrRefused)
				}
				return nil
			}
			w.push("2.0")
			w.reach(release.Completed)
			w.run(20 * time.Minute)
			if p := w.progress("team"); len(team.got) != c.got || p.GivenUp != c.givenUp || (c.got > 0) != p.Failing.IsZero() {
				t.Fatalf("it got %v: %+v", team.numbers(), p)
			}
			team.fails = nil
			w.run(20 * time.Minute)
			if p := w.progress("team"); len(team.got)+p.GivenUp != 3 || !slices.IsSorted(team.numbers()) || !p.Failing.IsZero() {
				t.Errorf("it got %v: %+v", team.numbers(), p)
			}
		})
	}
}

func TestWhatCannotBeDeliveredForDaysIsGivenUpAndCounted(t *testing.T) {
	w := newEnv(t, nil)
	team := w.channel("team")
	team.down = true
	w.push("2.0")
	w.reach(release.Completed)
	w.run(71 * time.Hour)
	if p := w.progress("team"); p.GivenUp != 0 {
		t.Fatalf("given up within 71 hours: %+v", p)
	}
	w.push("3.0")
	w.run(3 * time.Hour)
	if p := w.progress("team"); p.GivenUp != 3 || p.Failing.IsZero() {
		t.Fatalf("after 74 hours: %+v", p)
	}
	team.down = false
	w.run(10 * time.Minute)
	if p := w.progress("team"); len(team.got) != 3 || team.got[0].Fact.Image.Tag != "3.0" || p.GivenUp != 3 || !p.Failing.IsZero() {
		t.Errorf("it got %v: %+v", team.numbers(), p)
	}
}

func TestAReceiverThatNamesATimeIsLeftAloneUntilThen(t *testing.T) {
	w := newEnv(t, nil)
	team := w.channel("team")
	tries := 0
	team.fails = func(engine.Message) error {
		tries++
		return engine.Later{Err: errors.New("answered 429"), After: 40 * time.Minute}
	}
	w.push("2.0")
	w.run(39 * time.Minute)
	if tries != 1 {
		t.Errorf("it was tried %d times in 39 minutes", tries)
	}
	team.fails = nil
	w.run(5 * time.Minute)
	if len(team.got) != 3 {
		t.Errorf("it got %v", team.numbers())
	}
}

// TestANewChannelBeginsWithTheNextOutcome: not with those of the past, and with all of the first
// commit.
func TestANewChannelBeginsWithTheNextOutcome(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(time.Minute)
	past := w.state().Facts
	team := w.channel("team")
	w.push("3.0")
	w.run(25 * time.Minute)
	if len(team.got) != 3 || team.got[0].Fact.Kind != release.ReleaseStarted || team.got[0].Fact.Number <= past {
		t.Errorf("after fact %d it got %v", past, team.numbers())
	}
}

// left is a store in which an earlier version has left facts in its outbox.
type left struct {
	engine.Store
	first int
}

func (s left) Load(ctx context.Context, app string) (engine.Snapshot, error) {
	snap, err := s.Store.Load(ctx, app)
	snap.Outbox = s.first
	return snap, err
}

func TestTheTopicGoesOnWithWhatAnEarlierVersionHasLeft(t *testing.T) {
	w := newEnv(t, nil)
	heir := w.app.Channels
	w.app.Channels = nil
	w.restart()
	w.push("2.0")
	w.reach(release.Completed)
	facts, err := w.store.History(t.Context(), "shop", 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(facts)
	facts = slices.DeleteFunc(facts, func(f release.Fact) bool { return !f.Kind.Published() })
	w.store, w.app.Channels = left{w.store, facts[1].Number}, heir
	team := w.channel("team")
	w.run(10 * time.Minute)
	if got := w.topic.numbers(); len(got) != len(facts)-1 || got[0] != facts[1].Number || len(team.got) > 0 {
		t.Errorf("the topic got %v, another channel %v", got, team.numbers())
	}
}

// TestOneProcessDeliversAtATime: another one takes over where the claim of the first has run out.
func TestOneProcessDeliversAtATime(t *testing.T) {
	w := newEnv(t, nil)
	team := w.channel("team")
	other := engine.New(engine.Options{
		Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app},
		Now: func() time.Time { return w.clock }, Sleep: w.sleep, Beside: func(work func()) { work() },
	})
	var inside, after []int
	busy := false
	team.fails = func(m engine.Message) error {
		if busy {
			return nil
		}
		busy = true
		defer func() { busy = false }()
		had := len(team.got)
		if err := other.TickApp(t.Context(), "shop"); err != nil {
			t.Error(err)
		}
		inside = append(inside, team.numbers()[had:]...)
		if m.Fact.Kind == release.ReleaseSwitched {
			w.clock = w.clock.Add(time.Minute) // the process was frozen
			had = len(team.got)
			if err := other.TickApp(t.Context(), "shop"); err != nil {
				t.Error(err)
			}
			after = append(after, team.numbers()[had:]...)
		}
		return nil
	}
	w.push("2.0")
	w.reach(release.Completed)
	w.run(2 * time.Minute)
	got := team.numbers()
	if len(inside) > 0 || len(after) != 1 || len(got) != 4 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 3 || !slices.IsSorted(got) {
		t.Errorf("delivered %v, by the other beside %v, after the claim %v", got, inside, after)
	}
}

func TestAReceiverThatPanicsEndsNothing(t *testing.T) {
	w := newEnv(t, nil)
	team := w.channel("team")
	panics := true
	team.fails = func(engine.Message) error {
		if panics {
			panic("a mistake")
		}
		return nil
	}
	w.push("2.0")
	w.reach(release.Completed)
	if p := w.progress("team"); !strings.Contains(p.Why, "a mistake in bluegreen: a mistake") {
		t.Errorf("%+v", p)
	}
	panics = false
	w.run(6 * time.Minute)
	if len(team.got) != 3 {
		t.Errorf("it got %v", team.numbers())
	}
}

// TestAnAlertIsAnsweredInAsManyStorageCallsWithChannels counts the calls from an alert to the
// write to the gateway, with no channel and with nine.
func TestAnAlertIsAnsweredInAsManyStorageCallsWithChannels(t *testing.T) {
	count := func(channels int) (calls []string) {
		counting := false
		w := newEnv(t, func(call string, after bool) error {
			if counting && !after {
				calls = append(calls, call)
				counting = call != "switch"
			}
			return nil
		})
		w.app.Channels = nil
		for n := range channels {
			w.channel(fmt.Sprint("channel", n)).down = true
		}
		w.engine = engine.New(engine.Options{
			Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app},
			Now: func() time.Time { return w.clock }, Sleep: w.sleep, Beside: func(func()) {}, // it is never waited for
		})
		w.push("2.0")
		w.reach(release.Baking)
		w.run(2 * time.Minute)
		counting = true
		w.alert("a1")
		w.reach(release.RolledBack)
		if counting {
			t.Fatal("no write to the gateway was seen")
		}
		return calls
	}
	without, with := count(0), count(9)
	if !slices.Equal(without, with) || !slices.Contains(with, "commit") {
		t.Errorf("without channels %v\nwith nine %v", without, with)
	}
}

// mute is a receiver that does not answer before its time is over.
type mute struct{ asked chan struct{} }

func (h mute) Notify(ctx context.Context, _ engine.Message) error {
	h.asked <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func TestACommandDoesNotWaitForAReceiverThatHangs(t *testing.T) {
	w := newEnv(t, nil)
	w.run(2 * time.Minute)
	h := mute{make(chan struct{}, 10)}
	w.app.Channels = []engine.Channel{{Name: "team", Notifier: h, Kinds: release.PublishedKinds()}}
	w.app.Gateway = fake.NewGateway(release.Blue, time.Millisecond, time.Now, nil)
	e := engine.New(engine.Options{Store: w.store, Wakeups: w.wakeups, Apps: []engine.App{w.app}})
	began := time.Now()
	if _, err := e.Command(t.Context(), "shop", release.Commanded{Command: release.DeployImage, By: release.Actor{Claimed: "ana"}, Image: img("2.0", w.clock)}, "k"); err != nil {
		t.Fatal(err)
	}
	<-h.asked
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a command took %s", took)
	}
}
