package signin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Host is the Functions host, which alone knows the keys of its functions. URL is where it is
// reached, without a path, and never comes from a request. Client follows no redirect.
type Host struct {
	URL    string
	Client *http.Client
	Try    time.Duration // bounds a question
}

// header values take no other characters
var keyForm = regexp.MustCompile(`^[!-~]{1,512}$`)

// Takes asks whether the host takes a key: for reading with a read of the configuration's
// health, for commands with one to no app, which the API refuses. Neither makes another
// request. An error says that this is not known.
func (h Host) Takes(ctx context.Context, key string, commands bool) (bool, error) {
	if !keyForm.MatchString(key) {
		return false, nil
	}
	if commands {
		return h.takes(ctx, key, http.MethodPost, "/api/apps/-/pause")
	}
	return h.takes(ctx, key, http.MethodGet, "/api/health?needs=false")
}

// takes asks whether the host lets a key in. The host refuses a wrong key with 401. What the app
// behind it answers is JSON; anything else comes from something in the way, such as an access
// restriction, and says nothing of the key.
func (h Host) takes(ctx context.Context, key, method, path string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Try)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, h.URL+path, http.NoBody)
	if err != nil {
		return false, fmt.Errorf("ask the Functions host: %w", err)
	}
	r.Header.Set("x-functions-key", key)
	resp, err := h.Client.Do(r)
	if err != nil {
		return false, fmt.Errorf("ask the Functions host: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
	media := resp.Header.Get("Content-Type")
	app := strings.HasPrefix(media, "application/json") || strings.HasPrefix(media, "application/problem+json")
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return false, nil
	case app && resp.StatusCode < http.StatusInternalServerError:
		return true, nil
	}
	return false, fmt.Errorf("ask the Functions host: it answered %s", resp.Status)
}
