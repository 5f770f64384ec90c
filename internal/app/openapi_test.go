package app_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bluegreen/docs"
	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

type object = map[string]any

// contract is the OpenAPI document, and what was answered as it says.
type contract struct {
	*testing.T
	doc      object
	compiler *jsonschema.Compiler
	seen     map[string][]string // statuses, by method and path
}

// newContract reads the document. Its answers may hold nothing but what it describes, although
// callers are to expect more in a later version.
func newContract(t *testing.T) *contract {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	doc := v.(object)
	for _, schema := range doc["components"].(object)["schemas"].(object) {
		if schema := schema.(object); schema["properties"] != nil {
			schema["additionalProperties"] = false
		}
	}
	c := &contract{T: t, doc: doc, compiler: jsonschema.NewCompiler(), seen: map[string][]string{}}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// each calls f with every operation of the document.
func (c *contract) each(f func(method, path string, operation object)) {
	paths := c.doc["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range []string{"get", "post", "put", "delete", "patch"} {
			if operation, ok := paths[path].(object)[method].(object); ok {
				f(strings.ToUpper(method), path, operation)
			}
		}
	}
}

// answered checks an answer against the document.
func (c *contract) answered(method, path string, resp *http.Response) {
	c.Helper()
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		c.Fatal(err)
	}
	status := fmt.Sprint(resp.StatusCode)
	operation := c.doc["paths"].(object)[path].(object)[strings.ToLower(method)].(object)
	c.seen[method+" "+path] = append(c.seen[method+" "+path], status)
	described, ok := operation["responses"].(object)[status].(object)
	if !ok {
		c.Errorf("%s %s is answered %s, which the document does not have: %s", method, path, status, body)
		return
	}
	if len(body) == 0 && status == "401" {
		return // by the host
	}
	name := strings.TrimPrefix(described["$ref"].(string), "#/components/responses/")
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	content := c.doc["components"].(object)["responses"].(object)[name].(object)["content"].(object)
	if content[media] == nil {
		c.Errorf("%s %s: %s is answered as %q, %v", method, path, status, media, err)
		return
	}
	if media == "text/plain" {
		return
	}
	schema, err := c.compiler.Compile("openapi.json#/components/responses/" + name + "/content/" + strings.ReplaceAll(media, "/", "~1") + "/schema")
	if err != nil {
		c.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		c.Errorf("%s %s: %s %s\n%v", method, path, status, body, err)
	}
}

// roles knows tokens that are named after the roles that they have.
func roles(token string) ([]host.Claim, error) {
	if token == "wrong" {
		return nil, errors.New("not ours")
	}
	return []host.Claim{{Typ: "oid", Val: "oid-of-" + token}, {Typ: "roles", Val: "bluegreen." + token}, {Typ: "roles", Val: token}}, nil
}

// served is the deployed app behind the host, with one app that is served.
func served(t *testing.T, store *fake.Store, proxying string) *host.Host {
	t.Helper()
	loaded, err := config.Load([]byte(file + "    bake: 7m\n"))
	if err != nil {
		t.Fatal(err)
	}
	registry := fake.NewRegistry(time.Now)
	registry.Push(release.Image{Tag: "2.4.1", Digest: "sha256:" + strings.Repeat("9f", 32), PushedAt: time.Now()})
	built := app.Assemble(loaded.Apps[0], func(a config.App) (app.Adapters, error) {
		with, err := onFakes(a)
		with.Registry = registry
		return with, err
	})
	e := engine.New(engine.Options{Store: store, Wakeups: fake.NewWakeups(nil), Apps: []engine.App{built}})
	if err := e.Step(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	h, err := host.Start(t.Context(), host.Options{
		Root: "../..", Queues: host.NewMemory(), SignIn: roles,
		Env:     []string{"AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest=" + proxying},
		Handler: app.Handler(app.Options{Engine: e, Apps: loaded.Apps, SignIn: true, Keys: access.Admin}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// request is one that the document describes.
type request struct {
	base, method, path string
	app, key           string // in the path; those of what there is by default
	query              url.Values
	body               string
	headers            map[string]string
}

func (c *contract) send(r request) {
	c.Helper()
	at := r.base + strings.NewReplacer("{app}", cmp.Or(r.app, "shop"), "{key}", cmp.Or(r.key, "Given-1")).Replace(r.path)
	if len(r.query) > 0 {
		at += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(c.Context(), r.method, at, strings.NewReader(r.body))
	if err != nil {
		c.Fatal(err)
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	c.answered(r.method, r.path, resp)
}

// described makes a request from the examples of an operation.
func (c *contract) described(base, method, path string, operation object) request {
	r := request{base: base, method: method, path: path, query: url.Values{}, headers: map[string]string{}}
	parameters, _ := operation["parameters"].([]any)
	for _, p := range parameters {
		if p := p.(object); p["required"] == true && p["in"] == "query" {
			r.query.Set(p["name"].(string), fmt.Sprint(p["example"]))
		}
	}
	if b, ok := operation["requestBody"].(object); ok {
		media := b["content"].(object)["application/json"].(object)
		example := media["example"]
		if example == nil {
			example = c.doc["components"].(object)["examples"].(object)["Alert"].(object)["value"]
		}
		data, err := json.Marshal(example)
		if err != nil {
			c.Fatal(err)
		}
		r.body, r.headers["Content-Type"] = string(data), "application/json"
		r.headers[api.KeyHeader] = strings.TrimPrefix(operation["operationId"].(string), "plan-")
	}
	return r
}

// with is the request with another header, or without it where the value is "".
func (r request) with(name, value string) request {
	r.headers = maps.Clone(r.headers)
	if delete(r.headers, name); value != "" {
		r.headers[name] = value
	}
	return r
}

func (r request) asking(key, value string) request {
	r.query = maps.Clone(r.query)
	r.query.Set(key, value)
	return r
}

func (r request) sending(body string) request {
	r.body = body
	return r
}

// TestTheAPIIsAsTheDocumentSays calls every operation of the document through the host, with a
// key and with a token, as it is meant and in every way that the document has a problem for.
func TestTheAPIIsAsTheDocumentSays(t *testing.T) {
	for _, proxying := range []string{"true", "false"} {
		c, h := newContract(t), served(t, fake.NewStore(nil), proxying)
		before := request{base: h.URL() + "/api", method: http.MethodPost, headers: map[string]string{"x-functions-key": h.HostKey(), "Content-Type": "application/json"}}
		for path, key := range map[string]string{"/apps/{app}/resume": "Refused-1", "/apps/{app}/pause": "Given-1"} {
			before.path = path
			c.send(before.sending("{}").with(api.KeyHeader, key))
		}
		c.each(func(method, path string, operation object) {
			id := operation["operationId"].(string)
			r := c.described(h.URL()+"/api", method, path, operation)
			if strings.HasPrefix(id, "alert") {
				c.alert(r.with("x-functions-key", h.HostKey()).with("Authorization", "Bearer ActionGroupsSecureWebhook"))
				return
			}
			signed := c.described(h.URL()+"/api/signed-in", method, path, operation).with("Authorization", "Bearer admin").with(api.KeyHeader, id+"-signed-in")
			r = r.with("x-functions-key", h.HostKey())
			c.meant(r)
			if path != "/" { // the route of signed-in callers begins below it
				c.meant(signed)
				c.send(signed.with("Authorization", ""))
				c.send(signed.with("Authorization", "Bearer stranger"))
			}
			c.wrong(r)
			if operation["requestBody"] != nil {
				c.wrongCommand(r, signed)
			}
		})
		c.complete()
	}
}

// TestTroubleIsAnsweredAsTheDocumentSays calls every operation while the storage is away: what
// needs it answers 503 with a problem, as does an alert that cannot be kept.
func TestTroubleIsAnsweredAsTheDocumentSays(t *testing.T) {
	var away atomic.Bool
	c, h := newContract(t), served(t, fake.NewStore(func(string, bool) error {
		if away.Load() {
			return errors.New("the storage is away")
		}
		return nil
	}), "true")
	away.Store(true)
	c.each(func(method, path string, operation object) {
		r := c.described(h.URL()+"/api", method, path, operation).with("x-functions-key", h.HostKey())
		if path == "/alert-fired" {
			r = r.with("Authorization", "Bearer ActionGroupsSecureWebhook")
		}
		c.send(r)
	})
	for at, statuses := range c.seen {
		method, path, _ := strings.Cut(at, " ")
		asks := !strings.HasSuffix(path, "/configuration") && !strings.HasSuffix(path, "/doctor") // which says that it is away
		stored := strings.HasPrefix(path, "/apps/") && asks || method == http.MethodPost
		if (statuses[0] == "503") != stored {
			t.Errorf("%s is answered %v", at, statuses)
		}
	}
}

// meant sends a request as it is meant, twice.
func (c *contract) meant(r request) {
	c.Helper()
	c.send(r)
	c.send(r.with("Accept", "text/plain"))
}

// wrong sends requests that are refused before their operation is.
func (c *contract) wrong(r request) {
	c.Helper()
	c.send(r.with("x-functions-key", ""))
	c.send(r.with("x-functions-key", "wrong"))
	if strings.Contains(r.path, "{app}") {
		other := r
		other.app = "nope"
		c.send(other)
	}
	for _, name := range []string{"limit", "before"} {
		if r.path == "/apps" && name == "limit" || strings.HasSuffix(r.path, "/history") {
			c.send(r.asking(name, "x"))
		}
	}
	for _, key := range []string{"Refused-1", "other"} {
		if r.key = key; strings.HasSuffix(r.path, "{key}") {
			c.send(r)
		}
	}
	for _, name := range c.asks(r) {
		c.send(r.asking(name, "?"))
	}
	if strings.HasSuffix(r.path, "/deploy") && r.method == http.MethodGet {
		c.send(r.asking("image", "9.9"))
	}
}

// asks are the fields of a command that the query of its plan takes.
func (c *contract) asks(r request) (names []string) {
	verb, ok := release.VerbOf(release.Command(r.path[strings.LastIndex(r.path, "/")+1:]))
	for _, f := range verb.Takes {
		if ok && r.method == http.MethodGet {
			names = append(names, f.Name)
		}
	}
	return names
}

// wrongCommand sends a command in every way that is refused before the app decides.
func (c *contract) wrongCommand(r, signed request) {
	c.Helper()
	c.send(signed.with("Authorization", "Bearer viewer"))
	c.send(r.with(api.KeyHeader, ""))
	c.send(r.with(api.KeyHeader, "a key"))
	c.send(r.with("Content-Type", "text/plain"))
	c.send(r.with("Origin", "https://evil").with("Sec-Fetch-Site", "cross-site"))
	c.send(r.sending(`{"nothing": 1}`))
	c.send(r.sending(`{`))
	c.send(r.sending(strings.Repeat(" ", api.MaxBody+1)))
	c.send(r.asking("wait", "soon"))
	c.send(r.sending(strings.Replace(r.body, "{", `{"by": "eve", `, 1))) // another caller, the same key
	if strings.HasSuffix(r.path, "/deploy") {
		c.send(r.sending(`{"image": "9.9"}`).with(api.KeyHeader, "no-image"))
	}
}

// alert sends alerts as they are meant, and wrong ones.
func (c *contract) alert(r request) {
	c.Helper()
	c.send(r)
	c.send(r)
	c.send(r.sending(strings.Replace(r.body, "shop-5xx", "other", 1)))
	c.send(r.sending(`{`))
	c.send(r.sending(strings.Repeat(" ", 256<<10+1)))
	c.send(r.with("x-functions-key", "").with("Authorization", ""))
	if r.path == "/alert-fired" {
		c.send(r.with("Authorization", "Bearer admin"))
	}
}

// complete checks that every operation was answered as it is meant, and what no operation but
// one in trouble is answered.
func (c *contract) complete() {
	c.Helper()
	rare := []string{"408", "500", "503"} // trouble of services, and bodies that do not come
	c.each(func(method, path string, operation object) {
		for status := range operation["responses"].(object) {
			if slices.Contains(rare, status) || strings.HasSuffix(path, "/plans") && status == "400" {
				continue
			}
			// What becomes of a command depends on the app: one of them is enough.
			decided := []string{"200", "202", "409"}
			if slices.Contains(decided, status) && slices.ContainsFunc(c.seen[method+" "+path], func(s string) bool { return slices.Contains(decided, s) }) {
				continue
			}
			if !slices.Contains(c.seen[method+" "+path], status) {
				c.Errorf("%s %s was never answered %s, only %v", method, path, status, c.seen[method+" "+path])
			}
		}
	})
}

// TestEveryPathOfTheHostIsInTheDocument but for the pages, which are no part of the API: the
// routes of the functions, and what the index lists.
func TestEveryPathOfTheHostIsInTheDocument(t *testing.T) {
	c := newContract(t)
	var listed, described []string
	for _, o := range api.Operations {
		listed = append(listed, o.Method+" /"+o.Path)
	}
	c.each(func(method, path string, _ object) { described = append(described, method+" "+path) })
	slices.Sort(listed)
	slices.Sort(described)
	if !slices.Equal(listed, described) {
		t.Errorf("the router has %v\nthe document has %v", listed, described)
	}
	dispatcher, err := os.ReadFile("app.go")
	if err != nil {
		t.Fatal(err)
	}
	dispatched := regexp.MustCompile(`"/api/([^"]*)"`).FindAllStringSubmatch(string(dispatcher), -1)
	if len(dispatched) < 2 {
		t.Errorf("app.go sends on %v", dispatched)
	}
	for _, path := range dispatched {
		if !slices.ContainsFunc(api.Operations, func(o api.Operation) bool { return o.Path == path[1] }) {
			t.Errorf("app.go sends %s on, which the document does not have", path[0])
		}
	}
	files, err := filepath.Glob("../../*/function.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		var f struct {
			Bindings []struct{ Type, Route string }
		}
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &f) != nil {
			t.Fatal(file, err)
		}
		route, in := f.Bindings[0].Route, filepath.Base(filepath.Dir(file))
		if f.Bindings[0].Type != "httpTrigger" || in == "ui" || strings.HasPrefix(route, "signed-in/") || route == "{*path}" {
			continue // the last two lead to what another function is described for
		}
		if !slices.ContainsFunc(api.Operations, func(o api.Operation) bool {
			return o.Function == in && (o.Path == route || route == "apps/{app}/{command}" && o.Command != "")
		}) {
			t.Errorf("%s takes /api/%s, which the document does not have", file, route)
		}
	}
}
