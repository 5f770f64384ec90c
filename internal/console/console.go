// Package console serves the HTTP API below /api for operators and scripts. Every request
// takes one path: decode, identify the caller, call the engine, turn an error into an
// answer with a remedy, log once. A GET changes nothing.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Engine is what the console needs of the engine.
type Engine interface {
	// Apps returns the names of the configured apps, sorted.
	Apps() []string
	// ConfigProblems returns the sentences that keep an app from being served.
	ConfigProblems(app string) []string
	// ConfigHeld returns the sentences that keep an app's releases from starting: mistakes of its
	// configuration, while the last good one serves.
	ConfigHeld(app string) []string
	// View reads an app. Errors: engine.ErrNotFound.
	View(ctx context.Context, app string) (engine.View, error)
	// Views reads apps until ctx ends: each has its view or its error.
	Views(ctx context.Context, apps []string) ([]engine.View, []error)
	// History returns at most limit facts with numbers below before (0: from the newest),
	// newest first. Errors: engine.ErrNotFound.
	History(ctx context.Context, app string, limit, before int) ([]release.Fact, error)
	// LastTick is when the clock last ticked; zero when it never did.
	LastTick(ctx context.Context) (time.Time, error)
	// Examine makes every check of an app now, or, for "", of what all apps share. Errors:
	// engine.ErrNotFound.
	Examine(ctx context.Context, app string) ([]engine.Examined, error)
	// Command accepts a command once for each key, and returns its entry, whose ID is
	// "command|" and the key; decided or pending. Errors: engine.ErrNotFound.
	Command(ctx context.Context, app string, c release.Commanded, key string) (engine.Entry, error)
	// Accepted returns an entry with its decision, "" while pending. Errors: engine.ErrNotFound.
	Accepted(ctx context.Context, app, id string) (engine.Entry, error)
	// Resolve returns the image that a tag or digest names. Errors: engine.ErrNotFound,
	// engine.ErrNotAnImage.
	Resolve(ctx context.Context, app, ref string) (release.Image, error)
}

// Options are what a console needs. Engine is required.
type Options struct {
	Engine Engine
	Log    *slog.Logger
	// Problems are sentences that keep the configuration, or a part of it, from being used.
	Problems []string
	// SignIn says that the platform signs people in (App Service authentication is on, which
	// sets WEBSITE_AUTH_ENABLED). Without it any caller can send X-MS-CLIENT-PRINCIPAL, which is
	// then not read.
	SignIn bool
	// Keys is what the holder of a function key may do.
	Keys access.Right
	// Access has the rules of apps by name; access.Default for any other.
	Access map[string]access.Rules
	// Admits reports whether an app's tag policy admits a tag; nil admits none.
	Admits func(app, tag string) bool
	// Configured returns the settings in effect of an app; nil knows none.
	Configured func(app string) []api.Setting
	// ObjectID returns that of the app's identity, for the commands that give it a right; ""
	// where it is not known, and nil where it cannot be.
	ObjectID func(context.Context) string
	// Wait bounds how long a caller is kept waiting for an outcome; 200 s by default, since
	// the front end of Azure Functions gives up after 230 s.
	Wait time.Duration
	// Decide bounds how long any caller of a command is kept waiting for its decision; 8 s by default.
	Decide time.Duration
	// Poll is the time between two looks while waiting; 500 ms by default.
	Poll time.Duration
	Now  func() time.Time // time.Now by default
}

type console struct {
	Options
	began   time.Time
	origins *http.CrossOriginProtection
}

// New makes the handler of everything below /api.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wait == 0 {
		o.Wait = 200 * time.Second
	}
	if o.Decide == 0 {
		o.Decide = 8 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Configured == nil {
		o.Configured = func(string) []api.Setting { return nil }
	}
	return &console{Options: o, origins: http.NewCrossOriginProtection(), began: time.Now()}
}

// call is one request and what is known of it so far.
type call struct {
	*http.Request
	w       http.ResponseWriter
	app     string
	command release.Command
	parts   []string // of the path below /api, or below that of the function signed-in
	// signedIn is set below that of signed-in.
	signedIn bool
	key      string // of the command that is asked about
	who      access.Caller
	id       string
}

// answer is the response: the body as JSON, or the text for clients that accept plain text.
type answer struct {
	status int
	body   any
	text   string
}

type action func(*call) (answer, error)

// ServeHTTP implements http.Handler.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	req := &call{Request: r, w: w}
	req.parts, req.signedIn = segments(r.URL)
	a, err := c.serve(req)
	if err != nil {
		a.status = api.WriteError(w, r, explain(err)).Status
		c.log(req, a.status, time.Since(began), err)
		return
	}
	c.log(req, a.status, time.Since(began), nil)
	if a.text != "" && strings.Contains(r.Header.Get("Accept"), "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.text)) // a caller that went away needs no answer
		return
	}
	api.Write(w, a.status, a.body)
}

// log logs a request once: changes always, reads only after a failure of the server.
func (c *console) log(r *call, status int, took time.Duration, err error) {
	level := slog.LevelInfo
	switch {
	case status >= 500:
		level = slog.LevelError
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		level = slog.LevelDebug
	}
	args := []any{"method", r.Method, "url", redacted(r.URL), "status", status, "took", took.Round(time.Millisecond).String()}
	if r.app != "" {
		args = append(args, "app", r.app)
	}
	args = append(args, "who", r.who.String(), "actor", api.Actor(r.who.Actor))
	if r.id != "" {
		args = append(args, "id", r.id)
	}
	if err != nil {
		args = append(args, "error", err)
	}
	c.Log.Log(r.Context(), level, "request answered", args...)
}

// redacted is a URL with those parameters alone that are known: its query may hold a
// function key, under a name in any case, or in a form that only the host can read.
func redacted(u *url.URL) string {
	given, shown := u.Query(), url.Values{}
	for _, name := range []string{"wait", "limit", "before", "after"} {
		if given.Has(name) {
			shown.Set(name, given.Get(name))
		}
	}
	if len(shown) == 0 {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + shown.Encode()
}

// serve finds what a request is for. Routing is by hand, since a mux would redirect, and
// the host follows redirects itself.
func (c *console) serve(r *call) (answer, error) {
	if err := c.identify(r); err != nil {
		return answer{}, err
	}
	methods, err := c.route(r)
	if err != nil {
		return answer{}, err
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := methods[method]
	if !ok {
		allowed := slices.Sorted(maps.Keys(methods))
		r.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return answer{}, problem(http.StatusMethodNotAllowed, "method", "%s is not answered here: use %s", r.Method, strings.Join(allowed, " or "))
	}
	return do(r)
}

// actions are what is done for the operations that are no commands, by their ids.
var actions = map[string]func(*console, *call) (answer, error){
	"index": (*console).index, "openapi": (*console).openapi, "problems": (*console).problems, "health": (*console).health, "apps": (*console).apps,
	"app": (*console).view, "history": (*console).history, "configuration": (*console).configuration, "plans": (*console).plans, "given": (*console).given,
	"doctor": (*console).doctor, "app-doctor": (*console).doctor,
}

// at are the actions at the path of a request, by method; none for what is answered elsewhere.
func (c *console) at(r *call) map[string]action {
	methods := map[string]action{}
	for _, o := range api.Operations {
		if !o.Fits(r.parts) {
			continue
		}
		do := actions[o.ID]
		switch {
		case o.Command == "":
		case o.Method == http.MethodGet:
			do = (*console).plan
		default:
			do = (*console).change
		}
		if do != nil {
			r.command = o.Command
			methods[o.Method] = func(r *call) (answer, error) { return do(c, r) }
		}
	}
	return methods
}

func (c *console) route(r *call) (map[string]action, error) {
	parts, methods := r.parts, c.at(r)
	below := parts[0] == "apps" && len(parts) > 1
	switch {
	case len(methods) == 0 && !(below && len(parts) == 3):
		return nil, problem(http.StatusNotFound, "path", "nothing is at %s: GET /api/ lists what is", r.URL.Path)
	case !below && len(c.visible(r)) == 0:
		return methods, c.may(r, "", "read what is here", access.Viewer)
	case !below:
		return methods, nil
	}
	r.app = parts[1]
	if !slices.Contains(c.Engine.Apps(), r.app) {
		r.app = ""
		return nil, problem(http.StatusNotFound, "app", "no app is called %q; the configuration names %s", cut(parts[1], 60), list(c.visible(r)))
	}
	if err := c.may(r, r.app, "read "+r.app, access.Viewer); err != nil {
		return nil, err
	}
	if len(methods) == 0 {
		return nil, problem(http.StatusNotFound, "command", "%q is not known; known are %s", cut(parts[2], 60), strings.Join(belowApps(), ", "))
	}
	if len(parts) == 4 {
		r.key = parts[3]
	}
	return methods, nil
}

// belowApps are what there is below the path of an app.
func belowApps() (names []string) {
	for _, o := range api.Operations {
		if parts := strings.Split(o.Path, "/"); len(parts) == 3 && !slices.Contains(names, parts[2]) {
			names = append(names, parts[2])
		}
	}
	return names
}

// segments are the parts of a path below /api, or below /api/signed-in. An encoded slash
// separates none.
func segments(u *url.URL) (parts []string, signedIn bool) {
	path, signedIn := strings.CutPrefix(strings.TrimPrefix(u.EscapedPath(), "/api")+"/", "/"+routeSignedIn+"/")
	parts = strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts, signedIn
}

// mostNamed is how many names a sentence has.
const mostNamed = 20

func list[T ~string](names []T) string {
	if len(names) == 0 {
		return "none"
	}
	var out []string
	for _, n := range names[:min(len(names), mostNamed)] {
		out = append(out, string(n))
	}
	if more := len(names) - mostNamed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func problem(status int, code, format string, args ...any) *api.Error {
	return api.Errorf(status, code, format, args...)
}

func invalid(field, format string, args ...any) *api.Error {
	return &api.Error{Status: http.StatusBadRequest, Code: "invalid", Field: field, Message: fmt.Sprintf(format, args...)}
}

// explain gives the errors of the engine their status.
func explain(err error) *api.Error {
	var known *api.Error
	if !errors.As(err, &known) && errors.Is(err, engine.ErrNotFound) {
		return problem(http.StatusNotFound, "not-found", "%s", cut(err.Error(), 400))
	}
	return api.AsError(err)
}
