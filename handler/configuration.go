package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// keeper keeps the last good configuration.
type keeper interface {
	Configuration(ctx context.Context) ([]byte, error)
	KeepConfiguration(ctx context.Context, text []byte) error
}

// configuration answers with what is known of bluegreen.yaml: the file, and where that has
// mistakes, the last good one, once the storage has returned it. A file without mistakes is
// served at once, and asks nothing of the storage.
type configuration struct {
	path  string
	kept  keeper
	build func(c *config.Config, problems []string) http.Handler
	log   *slog.Logger

	text     string
	file     *config.Config // nil when the file cannot be used
	problems []string       // then
	serving  atomic.Pointer[http.Handler]
}

// keepAgain is how long after a failure the storage is asked again.
const keepAgain = 5 * time.Second

// ServeHTTP implements http.Handler.
func (c *configuration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*c.serving.Load()).ServeHTTP(w, r)
}

// begin serves with the file alone.
func (c *configuration) begin() {
	data, err := os.ReadFile(c.path)
	if err != nil {
		c.problems = []string{fmt.Sprintf("read the configuration: %v; BLUEGREEN_CONFIG names its path", err)}
	} else {
		c.text = string(data)
		c.file, c.problems = load(data)
	}
	for _, p := range c.problems {
		c.log.Error("the configuration cannot be used", "file", c.path, "problem", p)
	}
	if c.file == nil {
		c.serve(&config.Config{}, c.problems)
		return
	}
	c.serve(c.file, nil)
}

func (c *configuration) serve(with *config.Config, problems []string) {
	plain := make([]string, len(problems))
	for n, p := range problems {
		plain[n] = release.WithoutSecrets(p)
	}
	handler := c.build(with, plain)
	c.serving.Store(&handler)
}

// load reads a configuration; without one, the sentences are the reasons.
func load(data []byte) (*config.Config, []string) {
	c, err := config.Load(data)
	var mistakes config.Problems
	switch {
	case errors.As(err, &mistakes):
		return nil, strings.Split(mistakes.Error(), "\n")
	case err != nil:
		return nil, []string{err.Error()}
	}
	return c, nil
}

// settle completes what the file lacks from the last good configuration, and keeps the file
// when it is good, until both are done or ctx ends.
func (c *configuration) settle(ctx context.Context) {
	for {
		err := c.trySettle(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.log.Warn("the last good configuration is neither known nor kept yet", "error", err)
		if errors.Is(err, engine.ErrDenied) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepAgain):
		}
	}
}

func (c *configuration) trySettle(ctx context.Context) error {
	stored, err := c.kept.Configuration(ctx)
	if err != nil {
		return err
	}
	var kept config.Kept
	if stored != nil {
		if kept, err = config.DecodeKept(stored); err != nil {
			c.log.Error("what is kept of the last configuration is not used", "error", err)
		}
	}
	if c.file == nil {
		earlier, err := kept.Restore(c.problems)
		if err != nil {
			c.log.Error("no app is served", "error", err)
			return nil
		}
		c.log.Warn("served with the last good configuration, in which no release starts", "apps", len(earlier.Apps))
		c.serve(earlier, c.problems)
		return nil
	}
	if complete := kept.Complete(c.file); len(c.file.Apps) > 0 && held(complete) {
		c.serve(complete, nil)
	}
	text, err := config.EncodeKept(kept.With(c.text))
	if err != nil || bytes.Equal(text, stored) {
		return err
	}
	return c.kept.KeepConfiguration(ctx, text)
}

func held(c *config.Config) bool {
	for _, a := range c.Apps {
		if len(a.Held) > 0 {
			return true
		}
	}
	return false
}
