package main

import (
	"context"
	"io"
	"log/slog"
)

// levels sends warnings and errors to stderr and the rest to stdout: the host takes every
// line on stderr for an error, or for a warning where the line is marked as one.
type levels struct{ out, err slog.Handler }

func newLog(stdout, stderr io.Writer) *slog.Logger {
	return slog.New(levels{out: slog.NewJSONHandler(stdout, nil), err: slog.NewJSONHandler(stderr, nil)})
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
