// Package pages serves the HTML pages below /api/ui: what every app does, why and until when,
// and each command with a confirmation. The pages have no rule of their own about who may do
// what, or what a command does: everything that they show and send goes through the API, with
// the caller's own credentials. Nothing needs JavaScript.
package pages

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// Base is where the pages are, as the host routes to them.
const Base = "/api/ui"

//go:embed templates static
var files embed.FS

// Options are what the pages need. API is required.
type Options struct {
	// API is the handler of everything else below /api.
	API http.Handler
	// SignIn says that the platform signs people in, and removes what callers say of
	// themselves in X-MS-CLIENT-PRINCIPAL.
	SignIn bool
	// Verify reports whether the Functions host takes a function key, for reading or for
	// commands; nil where it cannot be asked: then no key opens the pages.
	Verify func(ctx context.Context, key string, commands bool) (bool, error)
	Log    *slog.Logger
	Now    func() time.Time // time.Now by default
}

type pages struct {
	Options
	keys    *keyring
	origins *http.CrossOriginProtection
	views   map[string]*template.Template
	assets  map[string]asset
}

// New makes the handler of everything below Base.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &pages{Options: o, origins: http.NewCrossOriginProtection(), assets: readAssets(), views: map[string]*template.Template{}}
	p.keys = newKeyring(o.Verify, o.Now)
	layout := template.Must(template.New("").Funcs(template.FuncMap{
		"asset": func(name string) string { return Base + "/" + name + "?" + p.assets[name].version },
	}).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	for _, name := range []string{"overview", "app", "history", "act", "login", "problem"} {
		p.views[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return p
}

// asset is an embedded file that every page may refer to.
type asset struct {
	content       []byte
	kind, version string
}

func readAssets() map[string]asset {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	all := map[string]asset{}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		all[e.Name()] = asset{content, kinds[path.Ext(e.Name())], hex.EncodeToString(sum[:4])}
	}
	return all
}

// call is one request and what is known of its sender.
type call struct {
	*http.Request
	w     http.ResponseWriter
	parts []string // of the path below Base
	who   visitor
	now   time.Time
}

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	c := &call{Request: r, w: w, parts: segments(r.URL), now: p.Now()}
	if a, ok := p.assets[c.parts[0]]; ok && len(c.parts) == 1 {
		p.serveAsset(c, a)
		return
	}
	if err := p.serve(c); err != nil {
		p.fail(c, err)
	}
}

// protect keeps a page from loading, or being loaded by, anything foreign, and from being kept.
// The referrer goes to these pages alone: without it a browser that does not send
// Sec-Fetch-Site hides where a form comes from.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (p *pages) serveAsset(c *call, a asset) {
	c.w.Header().Set("Content-Type", a.kind)
	if c.URL.RawQuery == a.version {
		c.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = c.w.Write(a.content) // a reader that went away needs no answer
}

// segments are the parts of a path below Base.
func segments(u *url.URL) []string {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(u.EscapedPath(), Base), "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// serve answers a page or a form. Nobody gets further than the login without a principal or
// a key that the host has taken.
func (p *pages) serve(c *call) error {
	post := c.Method == http.MethodPost
	if post {
		if err := p.sameOrigin(c); err != nil {
			return err
		}
		c.Body = http.MaxBytesReader(c.w, c.Body, api.MaxBody)
		if err := c.ParseForm(); err != nil {
			return api.Errorf(http.StatusBadRequest, "form", "the form cannot be read: %v", err)
		}
	}
	switch {
	case post && c.at("login"):
		return p.login(c)
	case post && c.at("logout"):
		return p.logout(c)
	}
	who, err := p.visitor(c)
	if err != nil || who.IsZero() {
		return p.askToSignIn(c, err)
	}
	c.who = who
	switch n := len(c.parts); {
	case post && n == 3 && c.parts[0] == "apps":
		return p.give(c)
	case post:
	case c.at(""):
		return p.overview(c)
	case c.at("live"):
		return p.live(c)
	case c.at("login"):
		return p.leave(c, Base)
	case n == 2 && c.parts[0] == "apps":
		return p.app(c)
	case n == 3 && c.parts[0] == "apps" && c.parts[2] == "history":
		return p.history(c)
	case n == 3 && c.parts[0] == "apps":
		return p.ask(c)
	}
	return api.Errorf(http.StatusNotFound, "path", "there is no such page")
}

func (c *call) at(path string) bool { return len(c.parts) == 1 && c.parts[0] == path }

// sameOrigin refuses a form of another site, and one whose origin is not known.
func (p *pages) sameOrigin(c *call) error {
	known := c.Header.Get("Sec-Fetch-Site") != "" || c.Header.Get("Origin") != ""
	if err := p.origins.Check(c.Request); err != nil || !known {
		return api.Errorf(http.StatusForbidden, "origin", "the form does not come from these pages")
	}
	return nil
}

// backend is the API as the visitor of a call may use it.
func (p *pages) backend(c *call) *api.Client {
	direct := &http.Client{Transport: inProcess{p.API, c.who}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &api.Client{Base: "https://bluegreen.invalid", HTTP: direct, Pause: time.Millisecond}
}

// page is what every template gets.
type page struct {
	Title string
	Who   visitor
	Live  string // what /live watches, "" for nothing
	Every int    // seconds between two reads of the page by itself, 0 where /live says when
	Find  string // what the search holds
	Body  any
}

func (p *pages) show(c *call, status int, view string, content page) error {
	content.Who = c.who
	var out bytes.Buffer
	if err := p.views[view].ExecuteTemplate(&out, "layout", content); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(out.Bytes()) // a reader that went away needs no answer
	return nil
}

// leave sends the browser on to a path of the pages.
func (p *pages) leave(c *call, path string) error {
	c.w.Header().Set("Location", path)
	c.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// fail shows an error, and logs one of the server.
func (p *pages) fail(c *call, err error) {
	e := explain(err)
	if e.Status >= http.StatusInternalServerError {
		p.Log.Error("page not shown", "method", c.Method, "path", c.URL.Path, "status", e.Status, "who", c.who.Name, "error", err)
	}
	if err := p.show(c, e.Status, "problem", page{Title: cmp.Or(http.StatusText(e.Status), "Not shown"), Body: e}); err != nil {
		p.Log.Error("page not shown", "path", c.URL.Path, "error", err)
	}
}

func explain(err error) *api.Error {
	var known *api.Error
	if errors.As(err, &known) || !errors.Is(err, context.Canceled) {
		return api.AsError(err)
	}
	return api.Errorf(http.StatusServiceUnavailable, "gone", "the request ended before its answer")
}

// appPath is the page of an app, or below it.
func appPath(app string, more ...string) string {
	at := Base + "/apps/" + url.PathEscape(app)
	for _, part := range more {
		at += "/" + url.PathEscape(part)
	}
	return at
}

// commandPath is the confirmation of a command with its fields.
func commandPath(app string, command release.Command, fields map[string]string) string {
	q := url.Values{}
	for name, value := range fields {
		q.Set(name, value)
	}
	at := appPath(app, string(command))
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	return at
}
