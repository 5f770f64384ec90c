package tables_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	stored "bluegreen/internal/record"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// client is on a new table's name; the table itself is not made.
func client(t testing.TB, transport policy.Transporter, retries int32) *aztables.Client {
	return clientOf(t, "t"+rand.Text(), transport, retries)
}

func clientOf(t testing.TB, table string, transport policy.Transporter, retries int32) *aztables.Client {
	service, err := aztables.NewServiceClientFromConnectionString(testbed.SharedAzurite(t).ConnectionString(), &aztables.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: transport,
			Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond},
		}})
	if err != nil {
		t.Fatal(err)
	}
	return service.NewClient(table)
}

func TestStoreKeepsItsContract(t *testing.T) {
	contract.Store(t, func(t *testing.T) engine.Store { return tables.New(client(t, nil, retried)) })
}

func TestTheTableIsMadeByTheFirstWrites(t *testing.T) {
	s := tables.New(client(t, nil, retried))
	load(t, s) // reading finds nothing, and makes nothing
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if fresh, err := s.Accept(t.Context(), "shop", entry(fmt.Sprint(i))); err != nil || !fresh {
				t.Errorf("a first write answers %v, %v", fresh, err)
			}
		})
	}
	all.Wait()
	inboxHas(t, s, 8)
}

func TestLoadIsOneRequest(t *testing.T) {
	s, l := open(t, retried)
	snap, err := s.Commit(t.Context(), load(t, s), engine.Change{Record: record(1), Begun: []engine.Progress{{Name: "ops"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := s.Accept(t.Context(), "shop", entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	before := l.requests
	now := load(t, s)
	if now.Version != snap.Version || len(now.Inbox) != 20 || len(now.Channels) != 1 {
		t.Errorf("loaded is %v", now)
	}
	if l.requests != before+1 {
		t.Errorf("loading took %d requests", l.requests-before)
	}
}

func TestAnEntityTooLargeForARowIsDenied(t *testing.T) {
	s, _ := open(t, retried)
	huge := record(1)
	huge.State.Release.Progress.Operation = strings.Repeat("x", 500<<10)
	_, err := s.Commit(t.Context(), load(t, s), engine.Change{Record: huge})
	if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "row state would take") {
		t.Errorf("a record of 500 KiB answers %v", err)
	}
	huge.State.Release.Progress.Operation = ""
	e := entry("huge")
	e.Event = release.Commanded{Why: strings.Repeat("x", 500<<10)}
	if _, err = s.Accept(t.Context(), "shop", e); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("an event of 500 KiB answers %v", err)
	}
	huge.State.Release.Progress.Detail = strings.Repeat("x", 478<<10)
	if _, err = s.Commit(t.Context(), load(t, s), engine.Change{Record: huge}); err != nil {
		t.Errorf("a record of 478 KiB answers %v", err)
	}
	if now := load(t, s); now.Record.State.Release.Progress.Detail != huge.State.Release.Progress.Detail {
		t.Error("a record of 478 KiB is not loaded as it was")
	}
}

func TestACommitThatIsTooLongIsRefused(t *testing.T) {
	s, _ := open(t, retried)
	for _, c := range []engine.Change{{Consumed: make([]engine.Entry, 31)}, {Facts: make([]release.Fact, 21)}, {Begun: make([]engine.Progress, 11)}} {
		if _, err := s.Commit(t.Context(), load(t, s), c); err == nil || !strings.Contains(err.Error(), "at most 30, 20 and 10") {
			t.Errorf("answers %v", err)
		}
	}
}

func TestSweepDeletesAllThatIsOldHoweverMuch(t *testing.T) {
	s, l := open(t, retried)
	const commits = 13
	for n := range commits {
		for i := range 10 {
			if _, err := s.Accept(t.Context(), "shop", entry(fmt.Sprint(n, i))); err != nil {
				t.Fatal(err)
			}
		}
		snap := load(t, s)
		history := make([]release.Fact, 20)
		for i := range history {
			history[i] = release.Fact{Number: n*len(history) + i + 1, Kind: release.Advanced, At: entry("").At}
		}
		if _, err := s.Commit(t.Context(), snap, engine.Change{Record: record(1), Consumed: snap.Inbox, Facts: history}); err != nil {
			t.Fatal(err)
		}
	}
	before := l.requests
	var all sync.WaitGroup
	for range 3 { // sweepers in each other's way
		all.Go(func() {
			if err := s.Sweep(t.Context(), "shop", entry("").At.Add(time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked := l.requests - before; asked > 3*(2+4) {
		t.Errorf("three sweeps of %d rows took %d requests", commits*30, asked)
	}
	if err := s.Sweep(t.Context(), "shop", entry("").At.Add(time.Second)); err != nil {
		t.Error(err)
	}
	if facts, err := s.History(t.Context(), "shop", 1, 0); err != nil || len(facts) != 0 {
		t.Errorf("the history has %v, %v", facts, err)
	}
	if _, err := s.Accepted(t.Context(), "shop", "0 0"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an old entry is answered with %v", err)
	}
}

// The bare insert writes the same rows with nothing around it: the floor of Accept.
func BenchmarkAccept(b *testing.B) {
	numbered := func(i int) engine.Entry {
		e := entry(fmt.Sprint(i))
		e.Event = release.ImagePushed{Image: release.Image{Digest: "sha256:" + strings.Repeat("0", 64), Tag: "6.7.1"}}
		return e
	}
	b.Run("bare", func(b *testing.B) {
		table := client(b, nil, retried)
		if _, err := table.CreateTable(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if err := insert(b.Context(), table, numbered(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("accept", func(b *testing.B) {
		s := tables.New(client(b, nil, retried))
		for i := 0; b.Loop(); i++ {
			if fresh, err := s.Accept(b.Context(), "shop", numbered(i)); err != nil || !fresh {
				b.Fatal(fresh, err)
			}
		}
	})
}

func insert(ctx context.Context, table *aztables.Client, e engine.Entry) error {
	data, err := stored.EncodeEntry(e)
	if err != nil {
		return err
	}
	const at = "2026-11-24T09:15:00.000000000Z"
	var actions []aztables.TransactionAction
	for _, row := range []map[string]any{
		{"RowKey": "event|" + e.ID, "Stamp": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "At": at, "Decided": false},
		{"RowKey": "inbox|" + at + "|" + e.ID},
	} {
		row["PartitionKey"], row["Data00"] = "shop", string(data)
		entity, err := json.Marshal(row)
		if err != nil {
			return err
		}
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity})
	}
	_, err = table.SubmitTransaction(ctx, actions, nil)
	return err
}

func history(t *testing.T, s *tables.Store) int {
	t.Helper()
	facts, err := s.History(t.Context(), "shop", 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	return len(facts)
}

// TestTheOutboxOfAnEarlierVersionIsSeenAndSwept: it has the rows that a handler of schema 4 has
// left, one for the facts of a commit.
func TestTheOutboxOfAnEarlierVersionIsSeenAndSwept(t *testing.T) {
	c := client(t, nil, retried)
	s := tables.New(c)
	if _, err := s.Commit(t.Context(), load(t, s), engine.Change{Record: record(1)}); err != nil {
		t.Fatal(err)
	}
	for first, at := range map[int]string{7: "2026-09-01T10:00:00Z", 12: "2026-09-03T10:00:00Z"} {
		row := fmt.Sprintf(`{"PartitionKey":"shop","RowKey":"outbox|%012d","Data00":"[{\"number\":%d,\"at\":\"%s\",\"kind\":\"hold-set\",\"reason\":\"noted\",\"text\":\"x\"}]"}`, first, first, at)
		if _, err := c.AddEntity(t.Context(), []byte(row), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		before string
		first  int
	}{{"2026-08-30T00:00:00Z", 7}, {"2026-09-02T00:00:00Z", 12}, {"2026-09-04T00:00:00Z", 0}} {
		before, err := time.Parse(time.RFC3339, c.before)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(t.Context(), "shop", before); err != nil {
			t.Fatal(err)
		}
		if now := load(t, s); now.Outbox != c.first {
			t.Errorf("swept before %s, the outbox begins at fact %d, expected %d", c.before, now.Outbox, c.first)
		}
	}
}
