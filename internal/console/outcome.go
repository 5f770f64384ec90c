package console

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// outcome says how far a command is: those that move traffic are done when it has moved,
// the others when they are decided.
func (c *console) outcome(ctx context.Context, v engine.View, entry engine.Entry) (api.Outcome, error) {
	if entry.Decision == "" {
		return api.Pending, nil
	}
	var word release.Commanded
	if err := json.Unmarshal(entry.Event, &word); err != nil {
		return "", fmt.Errorf("read what was asked: %w", err)
	}
	s := v.State
	switch word.Command {
	case release.Rollback:
		if s.Release.Phase == release.Returning {
			return api.Underway, nil
		}
		return api.Done, nil
	case release.DeployImage:
		switch word.Image.Digest {
		case s.Waiting.Digest:
			return api.Underway, nil
		case s.Release.Image.Digest:
			return reached(s.Release.Phase), nil
		}
		return c.past(ctx, v.App, entry, func(f release.Fact) bool { return f.Image.Digest == word.Image.Digest })
	case release.Switch:
		return c.switched(ctx, v, entry)
	}
	return api.Done, nil
}

func reached(p release.Phase) api.Outcome {
	switch p {
	case release.Baking, release.Completed:
		return api.Done
	case release.Awaiting:
		return api.NeedsPromote
	case release.Deploying, release.Verifying, release.Switching:
		return api.Underway
	}
	return api.Failed
}

// switched finds the release that a switch started by its number in the decision.
func (c *console) switched(ctx context.Context, v engine.View, entry engine.Entry) (api.Outcome, error) {
	var id int
	if _, err := fmt.Sscanf(entry.Decision, string(release.ReleaseStarted)+": release %d:", &id); err != nil {
		return "", fmt.Errorf("read which release %q began: %w", entry.Decision, err)
	}
	if r := v.State.Release; r.ID == id {
		return reached(r.Phase), nil
	}
	return c.past(ctx, v.App, entry, func(f release.Fact) bool { return f.Release == id })
}

// remembered is how many facts are searched for what became of a command.
const remembered = 200

// skew is by how much the clocks of the processes may differ.
const skew = time.Minute

// past finds in the history whether a release that is over got the traffic.
func (c *console) past(ctx context.Context, app string, entry engine.Entry, of func(release.Fact) bool) (api.Outcome, error) {
	facts, err := c.Engine.History(ctx, app, remembered, 0)
	if err != nil {
		return "", err
	}
	for _, f := range facts {
		if f.Kind == release.ReleaseSwitched && of(f) && !f.At.Before(entry.At.Add(-skew)) {
			return api.Done, nil
		}
	}
	return api.Failed, nil
}
