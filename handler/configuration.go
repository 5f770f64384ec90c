package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
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

// configuration answers with what is known of bluegreen.yaml and the files beside it: these, and
// where they have mistakes, the last good ones, once the storage has returned them. Files without
// mistakes are served at once, and ask nothing of the storage.
type configuration struct {
	path  string
	kept  keeper
	build func(c *config.Config, problems []string) http.Handler
	log   *slog.Logger

	files    []config.File  // until they are kept
	now      *config.Config // nil when bluegreen.yaml cannot be used
	problems []string       // of what is not an app
	serving  atomic.Pointer[http.Handler]
}

// keepAgain is how long after a failure the storage is asked again.
const keepAgain = 5 * time.Second

// ServeHTTP implements http.Handler.
func (c *configuration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*c.serving.Load()).ServeHTTP(w, r)
}

// begin serves with the files alone.
func (c *configuration) begin() {
	files, err := config.Read(c.path)
	if err != nil {
		c.problems = []string{fmt.Sprintf("read the configuration: %v; BLUEGREEN_CONFIG names its path", err)}
	} else {
		c.files = files
		c.now, c.problems = load(files)
	}
	for _, p := range c.problems {
		c.log.Error("the configuration cannot be used", "file", c.path, "problem", p)
	}
	if c.now == nil {
		c.serve(&config.Config{}, c.problems)
		return
	}
	c.serve(c.now, c.problems)
}

func (c *configuration) serve(with *config.Config, problems []string) {
	plain := make([]string, len(problems))
	for n, p := range problems {
		plain[n] = release.WithoutSecrets(p)
	}
	handler := c.build(with, plain)
	c.serving.Store(&handler)
}

// load reads a configuration. The sentences are the mistakes outside of apps, or the reasons for
// which there is none.
func load(files []config.File) (*config.Config, []string) {
	c, err := config.LoadFiles(files)
	var mistakes config.Problems
	switch {
	case errors.As(err, &mistakes):
		return nil, mistakes.Sentences()
	case err != nil:
		return nil, []string{err.Error()}
	}
	return c, config.Problems(c.Problems).Sentences()
}

// settle completes what the files lack from the last good configuration, and keeps the files
// when they are good, until both are done or ctx ends.
func (c *configuration) settle(ctx context.Context) {
	for {
		err := c.trySettle(ctx)
		if err == nil || ctx.Err() != nil {
			c.files, c.now = nil, nil // they are large
			debug.FreeOSMemory()
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
	if c.now == nil {
		earlier, err := kept.Restore(c.problems)
		if err != nil {
			c.log.Error("no app is served", "error", err)
			return nil
		}
		c.log.Warn("served with the last good configuration, in which no release starts", "apps", len(earlier.Apps))
		c.serve(earlier, c.problems)
		return nil
	}
	if complete := kept.Complete(c.now); held(complete) {
		c.serve(complete, c.problems)
	}
	text, err := config.EncodeKept(kept.With(c.files, c.now))
	if err == nil && !bytes.Equal(text, stored) {
		err = c.kept.KeepConfiguration(ctx, text)
	}
	return err
}

func held(c *config.Config) bool {
	for _, a := range c.Apps {
		if len(a.Held) > 0 {
			return true
		}
	}
	return false
}
