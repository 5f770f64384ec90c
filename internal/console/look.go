package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bluegreen/docs"
	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

func (c *console) index(r *call) (answer, error) {
	body := api.Index{
		Name: "bluegreen", Apps: c.visible(r),
		Post:     "a POST below an app needs Content-Type: application/json, an " + api.KeyHeader + " and a body, at least {}; ?wait=switched or ?wait=completed waits for the outcome; 200 says that what was waited for is reached, 202 that it is not yet",
		SignedIn: "with a token in place of a function key, the same is below /api/" + routeSignedIn,
	}
	for _, o := range api.Operations {
		body.Endpoints = append(body.Endpoints, o.String())
	}
	return answer{http.StatusOK, body, strings.Join(body.Endpoints, "\n") + "\n"}, nil
}

// openapi answers with the document as it is in the repository.
func (c *console) openapi(*call) (answer, error) {
	return answer{status: http.StatusOK, body: json.RawMessage(docs.OpenAPI)}, nil
}

func (c *console) problems(*call) (answer, error) {
	var text strings.Builder
	for _, k := range api.Kinds {
		text.WriteString(line(fmt.Sprintf("%d %s", k.Status, k.Code), k.Title+". "+k.Help))
	}
	return answer{http.StatusOK, api.Problems{Problems: api.Kinds}, text.String()}, nil
}

// health says first what needs a person, and reads every app for it. Its status is that of the
// configuration alone.
func (c *console) health(r *call) (answer, error) {
	h := api.Health{Status: "ok", Apps: []api.AppHealth{}, Problems: c.Problems}
	if len(c.Problems) > 0 {
		h.Status = "problems"
	}
	names := c.visible(r)
	var text strings.Builder
	if r.URL.Query().Get("needs") != "false" {
		h.Needs, h.Unread = c.needs(r.Context(), names)
	}
	if h.Unread > 0 {
		fmt.Fprintf(&text, "%d of %d apps were not read within %s: what they need is not known; GET /api/apps reads them page by page\n", h.Unread, len(names), listTime)
	}
	for _, n := range h.Needs {
		text.WriteString(line(n.App, n.Why))
		for _, help := range n.Helps {
			text.WriteString("  " + help.Command + "   # " + help.Does + "\n")
		}
	}
	for _, name := range names {
		problems := slices.Concat(c.Engine.ConfigProblems(name), c.Engine.ConfigHeld(name))
		if len(problems) > 0 {
			h.Status = "problems"
		}
		h.Apps = append(h.Apps, api.AppHealth{Name: name, Problems: problems})
		for _, p := range problems {
			text.WriteString(line(name, p))
		}
	}
	for _, p := range c.Problems {
		text.WriteString(line("configuration", p))
	}
	return answer{http.StatusOK, h, cmp.Or(text.String(), "ok\n")}, nil
}

// needs is what apps need a person for, and how many were not read in time. One that cannot be read
// for another reason is such a need.
func (c *console) needs(ctx context.Context, names []string) (all []api.AppNeed, unread int) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	all = []api.AppNeed{}
	for some := range slices.Chunk(names, api.MostApps) { // all of ten thousand at once are 80 MB
		if ctx.Err() != nil {
			unread += len(some)
			continue
		}
		for _, a := range c.lookAt(ctx, some) {
			if a.late {
				unread++
				continue
			}
			for _, n := range a.Status.Needs {
				all = append(all, api.AppNeed{App: a.Name, Need: n})
			}
		}
	}
	return all, unread
}

func (c *console) view(r *call) (answer, error) {
	v, err := c.Engine.View(r.Context(), r.app)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, appOf(v), line(v.App, statusOf(v).String())}, nil
}

// listTime bounds the reading of a list of apps.
const listTime = 10 * time.Second

// looked is an app of a list; late where the time of the list was over before it was read.
type looked struct {
	api.App
	late bool
}

// lookAt reads apps. One that cannot be read says so and hides no other.
func (c *console) lookAt(ctx context.Context, names []string) []looked {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	apps := make([]looked, len(names))
	views, errs := c.Engine.Views(ctx, names)
	for i, name := range names {
		apps[i].App = shown(name, views[i], errs[i])
		apps[i].late = ctx.Err() != nil && errors.Is(errs[i], context.DeadlineExceeded)
	}
	return apps
}

// apps reads a page of the apps.
func (c *console) apps(r *call) (answer, error) {
	limit, err := number(r, "limit", api.UsualApps, 1, api.MostApps)
	if err != nil {
		return answer{}, err
	}
	after, names := r.URL.Query().Get("after"), c.visible(r)
	names = slices.DeleteFunc(names, func(name string) bool { return name <= after })
	all := api.Apps{Problems: c.Problems}
	if len(names) > limit {
		names = names[:limit]
		all.Next = next(r, "after", names[limit-1], limit)
	}
	all.Apps = make([]api.App, 0, len(names))
	var text strings.Builder
	for _, a := range c.lookAt(r.Context(), names) {
		all.Apps = append(all.Apps, a.App)
		text.WriteString(line(a.Name, a.Status.Headline))
	}
	if len(names) == 0 && after == "" {
		text.WriteString("no app is configured\n")
	}
	for _, p := range c.Problems {
		text.WriteString(line("configuration", p))
	}
	if all.LastTick, all.Silence = c.lastTick(r.Context()); all.Silence != "" {
		text.WriteString(line("clock", all.Silence))
	}
	return answer{http.StatusOK, all, text.String()}, nil
}

// silent is after how long without a tick something is wrong; there is one every minute.
const silent = 5 * time.Minute

// lastTick is when the clock last ticked, and what to do where that is too long ago.
func (c *console) lastTick(ctx context.Context) (time.Time, string) {
	at, err := c.Engine.LastTick(ctx)
	switch {
	case err != nil:
		return at, "when the clock last ticked cannot be read: " + explain(err).Message
	case time.Since(at) < silent || at.IsZero() && time.Since(c.began) < silent: // the first one may be to come
		return at, ""
	case at.IsZero():
		return at, "the clock has never ticked: lost events, deadlines and bakes wait for it; look at the function clock-tick and at its log"
	}
	return at, fmt.Sprintf("the clock has not ticked since %s: lost events, deadlines and bakes wait for it; look at the function clock-tick and at its log", at.UTC().Format("15:04 UTC on 2 Jan"))
}

// shown is an app as it was read, or that it cannot be.
func shown(name string, v engine.View, err error) api.App {
	if err != nil {
		text := "Cannot be read now: " + explain(err).Message
		return api.App{Name: name, Status: api.Status{Standing: release.NeedsYou, Headline: text, Needs: []api.Need{{Why: text}}}, Problems: []string{text}}
	}
	return appOf(v)
}

func line(name, text string) string { return name + ": " + text + "\n" }

// next is the address of the page that follows, as the caller may ask for it.
func next(r *call, cursor, at string, limit int) string {
	return r.URL.EscapedPath() + "?" + url.Values{cursor: {at}, "limit": {strconv.Itoa(limit)}}.Encode()
}

func (c *console) history(r *call) (answer, error) {
	limit, err := number(r, "limit", api.UsualFacts, 1, api.MostFacts)
	if err != nil {
		return answer{}, err
	}
	before, err := number(r, "before", 0, 0, 1<<31-1)
	if err != nil {
		return answer{}, err
	}
	facts, err := c.Engine.History(r.Context(), r.app, limit, before)
	if err != nil {
		return answer{}, err
	}
	v, err := c.Engine.View(r.Context(), r.app)
	h := api.History{App: r.app, Headline: shown(r.app, v, err).Status.Headline, Facts: factsOf(facts)}
	if n := len(facts); n == limit && facts[n-1].Number > 1 {
		h.Before = facts[n-1].Number
		h.Next = next(r, "before", strconv.Itoa(h.Before), limit)
	}
	var text strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&text, "%s  %-17s %s\n", f.At.UTC().Format("2006-01-02 15:04:05 UTC"), f.Kind, f.Line())
	}
	if len(facts) == 0 {
		text.WriteString("nothing has happened yet\n")
	}
	return answer{http.StatusOK, h, text.String()}, nil
}

func number(r *call, name string, otherwise, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, invalid(name, "%q is not a whole number from %d to %d", cut(text, 40), least, most)
	}
	return n, nil
}
