package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// remembered is how many facts are searched for what became of a command.
const remembered = 200

// follow answers with what the caller waits for, at least the decision. When time is up before,
// the answer says how far the command is.
func (c *console) follow(r *call, asked api.Request, entry engine.Entry) (answer, error) {
	limit := c.Decide
	if asked.Wait != "" {
		limit = c.Wait
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	for {
		now, err := c.report(r.Context(), r.app, entry)
		if err != nil {
			return answer{}, err
		}
		text := line(r.app, now.Text) + line(r.app, now.App.Status.Headline)
		if asked.Wait.Over(now.Outcome) {
			return answer{http.StatusOK, now, text}, nil
		}
		select {
		case <-ctx.Done():
			return answer{http.StatusAccepted, now, text}, nil
		case <-time.After(c.Poll):
		}
		if !entry.Decision.IsZero() {
			continue
		}
		if entry, err = c.Engine.Accepted(r.Context(), r.app, entry.ID); err != nil {
			return answer{}, err
		}
	}
}

// report reads the app and answers how far the command is. A refusal is an error, and so is a
// release that was tried and is not live: no caller takes either for a success.
func (c *console) report(ctx context.Context, app string, entry engine.Entry) (api.Answer, error) {
	v, err := c.Engine.View(ctx, app)
	if err != nil {
		return api.Answer{}, err
	}
	d := entry.Decision
	if d.Kind == release.Refused || d.Kind == release.Dropped {
		return api.Answer{}, &api.Error{Status: http.StatusConflict, Code: "refused", Reason: d.Reason, Message: d.Text, Headline: v.Status.Headline, Instance: commandPath(app, entry.ID)}
	}
	command, ok := entry.Event.(release.Commanded)
	if !ok {
		return api.Answer{}, fmt.Errorf("the entry %s is no command", entry.ID)
	}
	outcome, err := v.State.OutcomeOf(command, entry.At, d, func() ([]release.Fact, error) {
		return c.Engine.History(ctx, app, remembered, 0)
	})
	if err != nil {
		return api.Answer{}, err
	}
	if outcome == release.OutcomeFailed {
		return api.Answer{}, &api.Error{
			Status: http.StatusConflict, Code: "failed", Reason: d.Reason, Headline: v.Status.Headline, Instance: commandPath(app, entry.ID),
			Message: fmt.Sprintf("%s failed, see the history of %s; it was decided as: %s", command.Command, app, d.Text),
		}
	}
	now := api.Answer{ID: entry.ID, Outcome: outcome, Decision: decisionOf(d), App: appOf(v)}
	now.Text = textOf(command.Command, now)
	return now, nil
}

// commandPath is where a command is asked about.
func commandPath(app, id string) string {
	return "/api/apps/" + url.PathEscape(app) + "/commands/" + url.PathEscape(strings.TrimPrefix(id, "command|"))
}

// textOf says in a sentence how far a command is.
func textOf(c release.Command, now api.Answer) string {
	if now.Outcome == api.Pending {
		why := "no worker has taken it up yet"
		if now.App.Busy {
			why = "a worker is busy with the app"
		}
		return fmt.Sprintf("%s is accepted and not decided yet, %s: ask again with the same %s", c, why, api.KeyHeader)
	}
	decision := now.Decision.Text
	verb, _ := release.VerbOf(c)
	switch {
	case now.Outcome == api.Underway:
		return fmt.Sprintf("%s is under way: %s", c, decision)
	case now.Outcome == api.Switched:
		return fmt.Sprintf("%s has moved traffic to %s; the bake still runs, and may return it: it ends %s", c, now.App.Live, now.App.Status.Until)
	case now.Outcome == api.NeedsPromote && now.App.Pause != nil:
		return fmt.Sprintf("%s waits, because releases are paused: bluegreen resume %s lets it go on", c, now.App.Name)
	case now.Outcome == api.NeedsPromote:
		return fmt.Sprintf("%s waits for an operator: bluegreen promote %s --digest %s", c, now.App.Name, now.App.Release.Image.Digest)
	case verb.Moves:
		return fmt.Sprintf("%s is done, traffic is on %s: %s", c, now.App.Live, decision) // which speaks of the beginning
	}
	return fmt.Sprintf("%s is done: %s", c, decision)
}
