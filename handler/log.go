package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// levels sends warnings and errors to stderr and the rest to stdout: the host takes every
// line on stderr for an error, or for a warning where the line is marked as one.
type levels struct{ out, err slog.Handler }

func newLog(stdout, stderr io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{ReplaceAttr: withoutSecrets}
	return slog.New(levels{out: slog.NewJSONHandler(stdout, o), err: sparse{slog.NewJSONHandler(stderr, o), &tally{of: map[string]minute{}}}})
}

// mostAlike is how many warnings and errors with one message are written in a minute: what all of
// many apps have in common would be thousands of lines at each start and each tick.
const mostAlike = 100

// sparse leaves out what is more, and says so in the last line that it writes; the first one of a
// later minute has the number.
type sparse struct {
	slog.Handler
	*tally
}

// tally counts records by their message; those of this program are constants. Requests that change
// something are counted apart from those that read: a change is logged whatever else fails.
type tally struct {
	mu sync.Mutex
	of map[string]minute
}

type minute struct {
	begin time.Time
	count int
}

// add returns the number of a record in its minute, and how many were left out before it.
func (t *tally) add(r slog.Record) (n, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	alike := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "method" {
			return true
		}
		if method := a.Value.String(); method != http.MethodGet && method != http.MethodHead {
			alike += ", a change"
		}
		return false
	})
	m := t.of[alike]
	if r.Time.Sub(m.begin) >= time.Minute {
		omitted, m = max(0, m.count-mostAlike), minute{begin: r.Time}
	}
	m.count++
	t.of[alike] = m
	return m.count, omitted
}

// Handle implements slog.Handler.
func (s sparse) Handle(ctx context.Context, r slog.Record) error {
	n, omitted := s.add(r)
	if n > mostAlike {
		return nil
	}
	r = r.Clone()
	if omitted > 0 {
		r.AddAttrs(slog.Int("omitted", omitted))
	}
	if n == mostAlike {
		r.AddAttrs(slog.Bool("omitting", true))
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparse{s.Handler.WithAttrs(attrs), s.tally}
}

// WithGroup implements slog.Handler.
func (s sparse) WithGroup(name string) slog.Handler {
	return sparse{s.Handler.WithGroup(name), s.tally}
}

// withoutSecrets cleans the message and each text, error and list of texts of a line.
func withoutSecrets(_ []string, a slog.Attr) slog.Attr {
	if k := a.Value.Kind(); k != slog.KindString && k != slog.KindAny {
		return a
	}
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(release.WithoutSecrets(v))
	case error:
		a.Value = slog.StringValue(release.WithoutSecrets(v.Error()))
	case fmt.Stringer:
		a.Value = slog.StringValue(release.WithoutSecrets(v.String()))
	case []string:
		plain := make([]string, len(v))
		for n, text := range v {
			plain[n] = release.WithoutSecrets(text)
		}
		a.Value = slog.AnyValue(plain)
	}
	return a
}

func (l levels) of(level slog.Level) slog.Handler {
	if level >= slog.LevelWarn {
		return l.err
	}
	return l.out
}

// Enabled implements slog.Handler.
func (l levels) Enabled(ctx context.Context, level slog.Level) bool {
	return l.of(level).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l levels) Handle(ctx context.Context, r slog.Record) error {
	return l.of(r.Level).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l levels) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levels{l.out.WithAttrs(attrs), l.err.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l levels) WithGroup(name string) slog.Handler {
	return levels{l.out.WithGroup(name), l.err.WithGroup(name)}
}
