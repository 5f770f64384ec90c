package engine

import (
	"context"
	"errors"
	"time"

	"bluegreen/internal/release"
)

// fresh is how long after its push an image is not asked for: the registry may not have
// brought it to all of its regions.
const fresh = time.Hour

// askForImages asks the registry whether it still has the images that the app needs. Only
// its answer "not found" says that one is missing.
func askForImages(ctx context.Context, e *Engine, app *App, s release.State) (found, error) {
	if app.Registry == nil {
		return found{}, nil
	}
	var seen release.RegistryAsked
	var failed error
	for _, i := range s.Needs() {
		if e.Now().Sub(i.PushedAt) < fresh {
			continue
		}
		_, err := app.Registry.Resolve(ctx, i.Digest)
		switch {
		case err == nil:
			seen.Has = append(seen.Has, i)
		case errors.Is(err, ErrNotFound):
			seen.Lacks = append(seen.Lacks, i)
		default:
			failed = errors.Join(failed, wrap(err, "ask the registry for %s", i))
		}
	}
	if len(seen.Has)+len(seen.Lacks) == 0 {
		return found{}, failed
	}
	return found{events: []release.Event{seen}}, failed
}
