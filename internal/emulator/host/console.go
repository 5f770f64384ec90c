package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// console logs one output stream of the handler, line by line.
type console struct {
	h      *Host
	errors bool
	last   *tail

	mu   sync.Mutex
	line []byte
}

func (h *Host) console(errors bool, last *tail) *console {
	return &console{h: h, errors: errors, last: last}
}

func (c *console) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = append(c.line, data...)
	for {
		end := bytes.IndexByte(c.line, '\n')
		if end < 0 {
			return len(data), nil
		}
		c.log(string(bytes.TrimRight(c.line[:end], "\r")))
		c.line = c.line[end+1:]
	}
}

// flush logs a last line without a newline.
func (c *console) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.line) > 0 {
		c.log(string(c.line))
		c.line = nil
	}
}

func (c *console) log(line string) {
	if line == "" {
		return
	}
	level := slog.LevelInfo
	if c.errors {
		level = c.h.errorLevel(line)
		c.last.add(line)
	}
	c.h.say(level, "Host.Function.Console", line)
}

// errorLevel is the level of a line on standard error.
func (h *Host) errorLevel(line string) slog.Level {
	lower := strings.ToLower(line)
	if h.settings.stderrIsErrors {
		if strings.Contains(lower, "warn") {
			return slog.LevelWarn
		}
		return slog.LevelError
	}
	for _, word := range []string{"error", "fail", "severe", "unhandled exception"} {
		if strings.Contains(lower, word) {
			return slog.LevelError
		}
	}
	return slog.LevelInfo
}

// say logs under a category if host.json's log levels allow it.
func (h *Host) say(level slog.Level, category, line string, args ...any) {
	name, least := strings.ToLower(category), h.settings.levels[""]
	for {
		if l, ok := h.settings.levels[name]; ok {
			least = l
			break
		}
		end := strings.LastIndexByte(name, '.')
		if end < 0 {
			break
		}
		name = name[:end]
	}
	if level >= least {
		h.log.Log(context.Background(), level, line, append([]any{"category", category}, args...)...)
	}
}

// tail keeps the last three lines of standard error, which the host reports on an exit.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	t.lines = t.lines[max(0, len(t.lines)-3):]
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, " / ")
}
