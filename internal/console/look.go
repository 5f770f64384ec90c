package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

func (c *console) index(r *call) (answer, error) {
	endpoints := []string{
		"GET /api/health", "GET /api/doctor", "GET /api/apps", "GET /api/apps/{app}", "GET /api/apps/{app}/history?limit=&before=", "GET /api/apps/{app}/configuration", "GET /api/apps/{app}/plans", "GET /api/apps/{app}/doctor",
		"GET /api/apps/{app}/{command}", "GET /api/apps/{app}/commands/{key}",
	}
	for _, verb := range release.Commands {
		endpoints = append(endpoints, "POST /api/apps/{app}/"+string(verb.Command))
	}
	endpoints = append(endpoints, "POST /api/alerts")
	body := map[string]any{
		"name": "bluegreen", "endpoints": endpoints, "apps": c.visible(r),
		"post":      "a POST below an app needs Content-Type: application/json, an " + api.KeyHeader + " and a body, at least {}; ?wait=switched or ?wait=completed waits for the outcome; 200 says that what was waited for is reached, 202 that it is not yet",
		"signed in": "with a token in place of a function key, the same is below /api/" + routeSignedIn,
	}
	return answer{http.StatusOK, body, strings.Join(endpoints, "\n") + "\n"}, nil
}

// health reports the configuration only: it makes no other request, so it is cheap and always answers.
func (c *console) health(r *call) (answer, error) {
	h := api.Health{Status: "ok", Apps: []api.AppHealth{}, Problems: c.Problems}
	if len(c.Problems) > 0 {
		h.Status = "problems"
	}
	for _, name := range c.visible(r) {
		problems := slices.Concat(c.Engine.ConfigProblems(name), c.Engine.ConfigHeld(name))
		if len(problems) > 0 {
			h.Status = "problems"
		}
		h.Apps = append(h.Apps, api.AppHealth{Name: name, Problems: problems})
	}
	return answer{status: http.StatusOK, body: h}, nil
}

func (c *console) view(r *call) (answer, error) {
	v, err := c.Engine.View(r.Context(), r.app)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, appOf(v), line(v.App, statusOf(v).String())}, nil
}

const (
	// abreast is how many apps are read at once.
	abreast = 8
	// listTime bounds the reading of all of them.
	listTime = 10 * time.Second
)

// apps reads all apps. One that cannot be read says so and hides no other.
func (c *console) apps(r *call) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), listTime)
	defer cancel()
	names := c.visible(r)
	apps := make([]api.App, len(names))
	var group sync.WaitGroup
	free := make(chan struct{}, abreast)
	for i, name := range names {
		free <- struct{}{}
		group.Go(func() {
			apps[i] = c.look(ctx, name)
			<-free
		})
	}
	group.Wait()
	var text strings.Builder
	for _, a := range apps {
		text.WriteString(line(a.Name, a.Status.Headline))
	}
	if len(apps) == 0 {
		text.WriteString("no app is configured\n")
	}
	for _, p := range c.Problems {
		text.WriteString(line("configuration", p))
	}
	all := api.Apps{Apps: apps, Problems: c.Problems}
	if all.LastTick, all.Silence = c.lastTick(ctx); all.Silence != "" {
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

func (c *console) look(ctx context.Context, name string) api.App {
	v, err := c.Engine.View(ctx, name)
	if err != nil {
		text := "Cannot be read now: " + explain(err).Message
		return api.App{Name: name, Status: api.Status{Standing: release.NeedsYou, Headline: text}, Problems: []string{text}}
	}
	return appOf(v)
}

func line(name, text string) string { return name + ": " + text + "\n" }

const (
	usualFacts = 50
	mostFacts  = 500
)

func (c *console) history(r *call) (answer, error) {
	limit, err := number(r, "limit", usualFacts, 1, mostFacts)
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
	h := api.History{App: r.app, Headline: c.look(r.Context(), r.app).Status.Headline, Facts: factsOf(facts)}
	if n := len(facts); n == limit && facts[n-1].Number > 1 {
		h.Before = facts[n-1].Number
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
