package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// plan answers what a command would do now; its fields are the query.
func (c *console) plan(r *call) (answer, error) {
	asked, err := fieldsAsked(r)
	if err != nil {
		return answer{}, err
	}
	command := commanded(r, asked)
	forbidden := c.mayAct(r, command, true)
	if command.Command == release.DeployImage {
		if command.Image, err = c.resolve(r, asked.Image); err != nil {
			return answer{}, err
		}
		forbidden = c.mayDeploy(r, command)
	}
	v, err := c.Engine.View(r.Context(), r.app)
	if err != nil {
		return answer{}, err
	}
	p := c.planOf(v, command, forbidden)
	text := "refused: " + cmp.Or(p.Forbidden, p.Refused) + "\n"
	if p.Forbidden+p.Refused == "" {
		text = "will: " + strings.Join(p.Will, "\nwill: ") + "\nwill not: " + strings.Join(p.WillNot, "\nwill not: ") + "\n"
	}
	return answer{http.StatusOK, p, text}, nil
}

// fieldsAsked reads a command's fields from the query as strictly as from a body. Other
// parameters are left alone: one may be a function key.
func fieldsAsked(r *call) (api.Request, error) {
	verb, _ := release.VerbOf(r.command)
	given := map[string]any{}
	for _, f := range verb.Takes {
		switch text := r.URL.Query().Get(f.Name); {
		case text == "":
		case f.Kind == "flag" && (text == "true" || text == "false"):
			given[f.Name] = text == "true"
		default:
			given[f.Name] = text
		}
	}
	data, err := json.Marshal(given)
	if err != nil {
		return api.Request{}, err
	}
	return Decode(data, r.command)
}

// plans answers which commands are possible now.
func (c *console) plans(r *call) (answer, error) {
	v, err := c.Engine.View(r.Context(), r.app)
	if err != nil {
		return answer{}, err
	}
	all := api.Plans{App: r.app}
	var text strings.Builder
	for _, verb := range release.Commands {
		command := example(verb, v.State)
		p := c.planOf(v, command, c.mayAct(r, command, true))
		if slices.ContainsFunc(verb.Takes, func(f release.Field) bool { return f.Required }) {
			p.Will, p.WillNot = nil, nil
		}
		all.Plans = append(all.Plans, p)
		text.WriteString(line(string(p.Command), cmp.Or(p.Forbidden, p.Refused, "possible")))
	}
	return answer{http.StatusOK, all, text.String()}, nil
}

// example is a command with what its required fields are most likely to be.
func example(v release.Verb, s release.State) release.Commanded {
	c := release.Commanded{Command: v.Command, Tag: s.Newest.Tag, For: 30 * time.Minute}
	if n := len(s.Quarantined); n > 0 && v.Command == release.ReleaseQuarantine {
		c.Digest = s.Quarantined[n-1].Image.Digest
	}
	return c
}

func (c *console) planOf(v engine.View, command release.Commanded, forbidden error) api.Plan {
	p := release.PlanOf(v.State, command, v.Policy, c.Now())
	if problems := c.Engine.ConfigProblems(v.App); len(problems) > 0 {
		p = release.Plan{Refused: notServed(v.App, problems).Message}
	}
	plan := api.Plan{Command: command.Command, Refused: p.Refused, Will: p.Will, WillNot: p.WillNot}
	if forbidden != nil {
		plan.Forbidden = explain(forbidden).Message
	}
	return plan
}

// given answers how far the command is that was given under an idempotency key.
func (c *console) given(r *call) (answer, error) {
	entry, err := c.Engine.Accepted(r.Context(), r.app, "command|"+r.key)
	if errors.Is(err, engine.ErrNotFound) {
		return answer{}, problem(http.StatusNotFound, "key", "no command was given to %s under this key, or it is long ago", r.app)
	}
	if err != nil {
		return answer{}, err
	}
	now, err := c.report(r.Context(), r.app, entry)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, now, line(r.app, string(now.Outcome)) + line(r.app, now.App.Status.Headline)}, nil
}

// configuration answers with what is in effect for an app.
func (c *console) configuration(r *call) (answer, error) {
	a := api.Configuration{App: r.app, Settings: append([]api.Setting{}, c.Configured(r.app)...)}
	var text strings.Builder
	for _, s := range a.Settings {
		text.WriteString(line(s.Key, s.Value))
	}
	return answer{http.StatusOK, a, text.String()}, nil
}
