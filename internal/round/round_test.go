package round_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/round"
)

// counted answers with how often it was called, after a second.
type counted struct {
	mu    sync.Mutex
	calls int
	err   error
}

func (c *counted) read(ctx context.Context) (int, error) {
	c.mu.Lock()
	c.calls++
	n := c.calls
	c.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return n, c.err
}

func TestARoundReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{err: errors.New("no answer")}
		ctx := round.With(t.Context())
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if n, err := round.Read(ctx, "gateway", c.read); n != 1 || err != c.err {
					t.Errorf("read %d, %v", n, err)
				}
			})
		}
		all.Wait()
		if n, err := round.Read(ctx, "another", c.read); n != 2 || err != c.err {
			t.Errorf("another key: read %d, %v", n, err)
		}
		if n, _ := round.Read(round.With(ctx), "gateway", c.read); n != 3 {
			t.Errorf("the next round has read %d", n)
		}
	})
}

func TestWithoutARoundEachReadsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		in := round.With(t.Context())
		if _, err := round.Read(in, "gateway", c.read); err != nil {
			t.Fatal(err)
		}
		joined, look := round.Of(in).Join(t.Context(), 0)
		for n, ctx := range []context.Context{t.Context(), round.Without(in), joined} {
			if round.Of(ctx) != nil {
				t.Error("it is in the round")
			}
			if got, err := round.Read(ctx, "gateway", c.read); got != n+2 || err != nil {
				t.Errorf("read %d, %v", got, err)
			}
		}
		if look.Age() != 0 {
			t.Errorf("what it has read by itself is of before %s", look.Age())
		}
	})
}

func TestACallerThatLeavesEndsNoReadOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		ctx := round.With(t.Context())
		hurried, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := round.Read(hurried, "gateway", c.read); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if n, err := round.Read(ctx, "gateway", c.read); n != 1 || err != nil || time.Since(began) != time.Second {
			t.Errorf("after %s: read %d, %v", time.Since(began), n, err)
		}
	})
}

func TestASharedReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := round.Read(round.With(t.Context()), "gateway", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestALookKnowsTheAgeOfWhatItUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		in := round.With(t.Context())
		read := func(most time.Duration) (int, time.Duration) {
			ctx, look := round.Of(in).Join(t.Context(), most)
			n, err := round.Read(ctx, "gateway", c.read)
			if err != nil {
				t.Fatal(err)
			}
			return n, look.Age()
		}
		if n, age := read(time.Minute); n != 1 || age != time.Second { // from where the read began
			t.Errorf("read %d, of before %s", n, age)
		}
		time.Sleep(10 * time.Second)
		if n, age := read(11 * time.Second); n != 1 || age != 11*time.Second {
			t.Errorf("read %d, of before %s", n, age)
		}
		if n, age := read(10 * time.Second); n != 2 || age != time.Second {
			t.Errorf("too old a read is used: read %d, of before %s", n, age)
		}
		if n, _ := read(time.Minute); n != 2 {
			t.Errorf("read %d after a newer one", n)
		}
	})
}

func TestAPanicIsTheErrorOfItsRead(t *testing.T) {
	_, err := round.Read(round.With(t.Context()), "gateway", func(context.Context) (int, error) { panic("nil map") })
	if err == nil || !strings.Contains(err.Error(), "nil map") {
		t.Error(err)
	}
}
