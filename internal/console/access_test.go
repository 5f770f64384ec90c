package console_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/release"
)

// guarded is a site with an app of its own rules, where sign-in is on.
func guarded(t *testing.T, keys access.Right) *site {
	s := newSite(t)
	s.handler = console.New(console.Options{
		Engine: s.engine, SignIn: true, Keys: keys,
		Access: map[string]access.Rules{"pay": {Viewers: []string{"pay.viewer"}, Operators: []string{"0f1c"}, Admins: []string{"pay.admin"}}},
		Admits: func(app, tag string) bool { return tag != "nightly" },
	})
	return s
}

// as are the headers of a signed-in caller.
func as(id string, roles ...string) []string {
	claims := []string{"oid", id}
	for _, role := range roles {
		claims = append(claims, "roles", role)
	}
	return []string{"x-functions-key", "", "X-MS-CLIENT-PRINCIPAL", principal(claims...)}
}

// bodies are what commands are given, without force.
var bodies = map[release.Command]string{
	release.DeployImage: `{"image": "2.0"}`, release.ExtendBake: `{"for": "30m"}`, release.ReleaseQuarantine: `{"digest": "` + digest("2") + `"}`, release.Forget: `{"tag": "2.0"}`,
}

// TestEveryCommandTimesEveryRight gives each command, with force and without, as every kind
// of caller. Who has no right changes nothing, and is not in the history.
func TestEveryCommandTimesEveryRight(t *testing.T) {
	callers := map[string]struct {
		path    string
		headers []string
		keys    access.Right
		has     access.Right
	}{
		"a key":                          {"/api", nil, access.Operator, access.Operator},
		"a key that may look":            {"/api", nil, access.Viewer, access.Viewer},
		"a key that may force":           {"/api", nil, access.Admin, access.Admin},
		"a viewer":                       {"/api/signed-in", as("a", "bluegreen.viewer"), access.Admin, access.Viewer},
		"an operator":                    {"/api/signed-in", as("a", "bluegreen.operator"), access.Viewer, access.Operator},
		"an admin":                       {"/api/signed-in", as("a", "bluegreen.admin"), access.Viewer, access.Admin},
		"somebody of the tenant":         {"/api/signed-in", as("a"), access.Admin, access.None},
		"an operator of another app":     {"/api/signed-in", as("0f1c", "pay.admin"), access.Admin, access.None},
		"a viewer, with a key":           {"/api", append(as("a", "bluegreen.viewer"), "x-functions-key", "s3cr3t"), access.Admin, access.Viewer},
		"an admin, with a key that acts": {"/api", append(as("a", "bluegreen.admin"), "x-functions-key", "s3cr3t"), access.Operator, access.Admin},
	}
	for name, c := range callers {
		for _, v := range release.Commands {
			for _, force := range []bool{false, true} {
				body := bodies[v.Command]
				if body == "" {
					body = "{}"
				}
				if force && !slices.ContainsFunc(v.Takes, func(f release.Field) bool { return f.Name == "force" }) {
					continue
				}
				if force {
					body = `{"force": true}`
				}
				s := guarded(t, c.keys)
				before := len(s.engine.facts["shop"])
				need := access.Operator
				if force || v.Command == release.ReleaseQuarantine || v.Command == release.Forget {
					need = access.Admin
				}
				w := s.ask("POST", c.path+"/apps/shop/"+string(v.Command), body, c.headers...)
				if refused := w.Code == http.StatusForbidden; refused != (c.has < need) {
					t.Errorf("%s: %s %s: %d %s", name, v.Command, body, w.Code, w.Body)
				}
				if w.Code == http.StatusForbidden && (len(s.engine.entries) > 0 || len(s.engine.facts["shop"]) != before) {
					t.Errorf("%s: %s %s left a trace: %v", name, v.Command, body, s.engine.entries)
				}
			}
		}
		for path, need := range map[string]access.Right{"/apps/shop": access.Viewer, "/apps/shop/history": access.Viewer, "/apps/shop/doctor": access.Viewer} {
			w := guarded(t, c.keys).ask("GET", c.path+path, "", c.headers...)
			if refused := w.Code == http.StatusForbidden; refused != (c.has < need) {
				t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
			}
		}
	}
}

func TestARefusalByRightHasARemedy(t *testing.T) {
	s := guarded(t, access.Operator)
	e := s.fails(403, "right", "POST", "/api/apps/shop/switch", `{"force": true}`)
	for _, part := range []string{"function key 4e738ca5", "switch shop with force", "the right admin", "operator", "sign in", "BLUEGREEN_KEYS_MAY=admin"} {
		if !strings.Contains(e.Message, part) {
			t.Errorf("%q is not in %s", part, e.Message)
		}
	}
	e = s.fails(403, "right", "POST", "/api/signed-in/apps/pay/pause", `{}`, as("b", "pay.viewer")...)
	if !strings.Contains(e.Message, `["0f1c"]`) || !strings.Contains(e.Message, "the caller has viewer") {
		t.Error(e.Message)
	}
}

func TestAnAppIsSeenByThoseWhoMayReadIt(t *testing.T) {
	s := guarded(t, access.Operator)
	for caller, want := range map[string][]string{"pay.viewer": {"pay"}, "bluegreen.viewer": {"broken", "shop"}} {
		headers := as("a", caller)
		names := []string{}
		for _, a := range read[api.Apps](t, s.ask("GET", "/api/signed-in/apps", "", headers...), 200).Apps {
			names = append(names, a.Name)
		}
		var healthy []string
		for _, a := range read[api.Health](t, s.ask("GET", "/api/signed-in/health", "", headers...), 200).Apps {
			healthy = append(healthy, a.Name)
		}
		index := read[struct{ Apps []string }](t, s.ask("GET", "/api/signed-in", "", headers...), 200).Apps
		if !slices.Equal(names, want) || !slices.Equal(healthy, want) || !slices.Equal(index, want) {
			t.Errorf("%s sees %v, %v and %v", caller, names, healthy, index)
		}
		if e := s.fails(404, "app", "GET", "/api/signed-in/apps/nope", "", headers...); strings.Contains(e.Message, "pay") != slices.Contains(want, "pay") {
			t.Errorf("%s: %s", caller, e.Message)
		}
	}
}

// Anybody of the tenant can get a token: without a role it shows nothing.
func TestATokenWithoutARoleShowsNothing(t *testing.T) {
	s := guarded(t, access.Admin)
	for _, path := range []string{"", "/", "/health", "/apps", "/apps/shop", "/apps/shop/history", "/apps/pay"} {
		s.fails(403, "right", "GET", "/api/signed-in"+path, "", as("a")...)
	}
}

// TestOnlyAnAdminDeploysWhatNoPushReleases: a tag that the tag policy admits, and a digest that was
// known before, could have been released by a push.
func TestOnlyAnAdminDeploysWhatNoPushReleases(t *testing.T) {
	for image, want := range map[string]access.Right{"2.0": access.Operator, digest("2"): access.Operator, "nightly": access.Admin, digest("9"): access.Admin, digest("1"): access.Operator, digest("e"): access.Admin} {
		for _, has := range []access.Right{access.Operator, access.Admin} {
			s := guarded(t, access.Viewer)
			s.engine.images["nightly"] = release.Image{Tag: "nightly", Digest: digest("9")}
			s.engine.images[digest("9")] = release.Image{Digest: digest("9")}
			w := s.ask("POST", "/api/signed-in/apps/shop/deploy", fmt.Sprintf(`{"image": %q}`, image), as("a", "bluegreen."+has.String())...)
			if refused := w.Code == http.StatusForbidden; refused != (has < want) {
				t.Errorf("%s as %s: %d %s", image, has, w.Code, w.Body)
			}
		}
	}
}

func TestAClaimOfAForeignPrincipalIsNothing(t *testing.T) {
	s := newSite(t)
	s.handler = console.New(console.Options{Engine: s.engine, Keys: access.Operator}) // sign-in is off
	e := s.fails(401, "identity", "POST", "/api/signed-in/apps/shop/switch", `{"force": true}`, as("a", "bluegreen.admin")...)
	if !strings.Contains(e.Message, "App Service authentication is off") {
		t.Error(e.Message)
	}
	s.fails(401, "identity", "GET", "/api/signed-in/apps", "", as("a", "bluegreen.admin")...)
	s.fails(401, "identity", "GET", "/api/apps", "", as("a", "bluegreen.admin")...)
	s.fails(403, "right", "POST", "/api/apps/shop/switch", `{"force": true}`, "X-MS-CLIENT-PRINCIPAL", principal("oid", "a", "roles", "bluegreen.admin"))
}
