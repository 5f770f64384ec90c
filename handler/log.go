package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"bluegreen/internal/release"
)

// levels sends warnings and errors to stderr and the rest to stdout: the host takes every
// line on stderr for an error, or for a warning where the line is marked as one.
type levels struct{ out, err slog.Handler }

func newLog(stdout, stderr io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{ReplaceAttr: withoutSecrets}
	return slog.New(levels{out: slog.NewJSONHandler(stdout, o), err: slog.NewJSONHandler(stderr, o)})
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
