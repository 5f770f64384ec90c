package pages

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// question is the confirmation of a command: what it will do, and what it will not.
type question struct {
	App      string
	Headline string
	Rail     rail
	Command  release.Command
	Label    string
	Does     string
	Ask      []input // fields that are asked for before there is a plan
	Fields   []field // that the plan is about
	Plan     *api.Plan
	Force    string // address of the same by force, "" where that is not to be had
	Forced   bool
	Why      string
	Key      string // the idempotency key
	Seen     string
	Changed  bool
	Refused  string // why it was refused, or cannot be given
	NoRight  string // why the visitor cannot give it
	Safe     bool
	Line     string
}

type field struct{ Name, Value string }

type input struct {
	release.Field
	Label, Value string
	Options      []string
}

// ask shows the confirmation of a command.
func (p *pages) ask(c *call) error {
	command := release.Command(c.parts[2])
	verb, ok := release.VerbOf(command)
	if !ok {
		return api.Errorf(http.StatusNotFound, "command", "no command is called %q", cut(c.parts[2], 60))
	}
	q, err := p.question(c, verb, c.URL.Query())
	if err != nil {
		return err
	}
	return p.show(c, http.StatusOK, "act", page{Title: q.Label + ": " + q.App, Body: q})
}

// question makes the confirmation from the fields that are given.
func (p *pages) question(c *call, verb release.Verb, given url.Values) (question, error) {
	app, b := c.parts[1], p.backend(c)
	a, err := b.App(c.Context(), app)
	if err != nil {
		return question{}, err
	}
	q := question{App: app, Headline: a.Status.Headline, Rail: railOf(a, c.now), Command: verb.Command, Label: labelOf(verb.Command, a), Does: verb.Does, Why: given.Get("why"), Key: rand.Text(), Seen: seen(a)}
	fields := url.Values{}
	for _, f := range verb.Takes {
		value := strings.TrimSpace(given.Get(f.Name))
		switch {
		case value != "":
			fields.Set(f.Name, value)
			q.Fields = append(q.Fields, field{f.Name, value})
		case f.Required:
			q.Ask = append(q.Ask, inputOf(f, a))
		}
	}
	to := ""
	if verb.Command == release.Rollback {
		if to = fields.Get("to"); to != "" {
			q.Label = "Roll back to " + named(a, to)
		}
	}
	q.Forced = fields.Get("force") == "true"
	q.Safe = !q.Forced && verb.Command != release.ReleaseQuarantine
	q.Line = lineFor(app, verb, fields)
	if len(q.Ask) > 0 {
		return q, nil
	}
	plan, err := b.Plan(c.Context(), app, verb.Command, fields)
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Status < 500:
		q.Refused = refused.Error()
		for _, f := range verb.Takes {
			if f.Required {
				in := inputOf(f, a)
				in.Value = fields.Get(f.Name)
				q.Ask = append(q.Ask, in)
			}
		}
		return q, nil
	case err != nil:
		return q, err
	}
	q.Plan, q.Refused, q.NoRight = &plan, plan.Refused, plan.Forbidden
	if err := p.mayAct(c); err != nil {
		q.NoRight = explain(err).Message
	}
	if !q.Forced && to == "" && slices.ContainsFunc(verb.Takes, func(f release.Field) bool { return f.Name == "force" }) {
		fields.Set("force", "true")
		q.Force = appPath(app, string(verb.Command)) + "?" + fields.Encode()
	}
	return q, nil
}

// named is a version in few characters.
func named(a api.App, ref string) string {
	for _, i := range a.Good {
		if i.Digest == ref {
			return version(i)
		}
	}
	return cut(ref, 30)
}

// seen identifies what a person decides about: another release, phase or live color is
// another question.
func seen(a api.App) string {
	parts := []string{string(a.Live), "", "", ""}
	if r := a.Release; r != nil {
		parts[1] = fmt.Sprintf("%d %s %s", r.ID, r.Phase, r.Image.Digest)
	}
	if t := a.RollbackTarget; t != nil {
		parts[2] = string(t.Color) + " " + t.Image.Digest
	}
	for _, held := range []*api.Note{a.Pause, a.Hold} {
		if held != nil {
			parts[3] += held.Since.UTC().Format("150405")
		}
	}
	return strings.Join(parts, "|")
}

func inputOf(f release.Field, a api.App) input {
	in := input{Field: f, Label: map[string]string{"image": "Tag or digest", "digest": "Digest", "tag": "Tag", "for": "By how much longer"}[f.Name]}
	switch f.Name {
	case "for":
		in.Value = "30m"
	case "image":
		for _, i := range a.Good {
			in.Options = append(in.Options, version(i))
		}
		if a.Waiting != nil {
			in.Options = append(in.Options, version(*a.Waiting))
		}
	case "digest":
		for _, q := range a.Quarantined {
			in.Options = append(in.Options, q.Image.Digest)
		}
	}
	return in
}

// give gives a command that was confirmed.
func (p *pages) give(c *call) error {
	app, command := c.parts[1], release.Command(c.parts[2])
	verb, ok := release.VerbOf(command)
	if !ok {
		return api.Errorf(http.StatusNotFound, "command", "no command is called %q", cut(c.parts[2], 60))
	}
	form := c.PostForm
	if key := form.Get("key"); key != "" {
		var known *api.Error
		if _, err := p.backend(c).Given(c.Context(), app, key); err == nil || errors.As(err, &known) && known.Status == http.StatusConflict {
			return p.leaveToOutcome(c, app, key) // the form was sent twice
		}
	}
	q, err := p.question(c, verb, form)
	if err != nil {
		return err
	}
	if q.NoRight != "" {
		return p.show(c, http.StatusForbidden, "act", page{Title: q.Label + ": " + app, Body: q})
	}
	if key := form.Get("key"); key != "" {
		q.Key = key
	}
	if q.Plan == nil || form.Get("seen") != q.Seen {
		q.Changed, q.Key = q.Plan != nil, rand.Text()
		return p.show(c, http.StatusConflict, "act", page{Title: q.Label + ": " + app, Body: q})
	}
	request := api.Request{
		Why: form.Get("why"), Image: form.Get("image"), Digest: form.Get("digest"), Tag: form.Get("tag"),
		To: form.Get("to"), Force: form.Get("force") == "true", For: form.Get("for"),
	}
	_, err = p.backend(c).Command(c.Context(), app, command, request, q.Key)
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Status < 500:
		q.Refused, q.Key = refused.Error(), rand.Text()
		return p.show(c, refused.Status, "act", page{Title: q.Label + ": " + app, Body: q})
	case err != nil:
		return err
	}
	return p.leaveToOutcome(c, app, q.Key)
}

// leaveToOutcome goes on to the app's page, which shows what became of the command.
func (p *pages) leaveToOutcome(c *call, app, key string) error {
	return p.leave(c, appPath(app)+"?"+url.Values{"asked": {key}}.Encode())
}

// lineFor is the same command on the command line, quoted for a shell.
func lineFor(app string, verb release.Verb, fields url.Values) string {
	words := []string{"bluegreen", string(verb.Command), app}
	for _, f := range verb.Takes {
		switch value := fields.Get(f.Name); {
		case value == "":
		case f.Argument:
			words = append(words, quoted(value))
		case f.Kind == "flag":
			words = append(words, "--"+f.Name)
		default:
			words = append(words, "--"+f.Name, quoted(value))
		}
	}
	return strings.Join(append(words, "--why '…'"), " ")
}

func quoted(text string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._:-", r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
