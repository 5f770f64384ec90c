package console_test

import (
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

// releases lets images go live one after another, with good bakes.
func (s *site) releases(app string, tags ...string) {
	s.Helper()
	for _, tag := range tags {
		s.engine.images[tag] = release.Image{Tag: tag, Digest: digest(tag[:1])}
		s.post("/api/apps/"+app+"/deploy", `{"image": "`+tag+`"}`)
		s.engine.arrives(app)
		s.post("/api/apps/"+app+"/promote", `{}`)
	}
}

// TestARollbackToAVersionIsAReturnOrARelease and says which before it is given.
func TestARollbackToAVersionIsAReturnOrARelease(t *testing.T) {
	s := newSite(t)
	s.releases("shop", "2.0", "3.0", "4.0")
	for to, want := range map[string]string{"3.0": "traffic moves from green to blue with 3.0", "2.0": "a rollback to it is a release, with its checks, since the rollback target has 3.0", "sha256:2222": "a rollback to it is a release"} {
		p := read[api.Plan](t, s.ask("GET", "/api/apps/shop/rollback?to="+to, ""), 200)
		if p.Refused != "" || !slices.ContainsFunc(p.Will, func(will string) bool { return strings.Contains(will, want) }) {
			t.Errorf("%s: %+v", to, p)
		}
	}
	e := s.fails(409, "refused", "POST", "/api/apps/shop/rollback", `{"to": "1.0"}`)
	if e.Reason != reason.NotGood || e.Message != "1.0 is no version that was good here; give one of 3.0 (333333333333), 2.0 (222222222222)" {
		t.Errorf("%+v", e)
	}
	a := s.post("/api/apps/shop/rollback", `{"to": "2222"}`, api.KeyHeader, "back")
	if a.Outcome != api.Underway || a.App.Phase != release.Deploying || a.App.Release.Image.Tag != "2.0" || !strings.Contains(a.Text, "is a release, with its checks") {
		t.Errorf("%+v", a)
	}
	s.fails(409, "key-reused", "POST", "/api/apps/shop/rollback", `{"to": "2.0"}`, api.KeyHeader, "back")
	s.engine.arrives("shop")
	if a = s.post("/api/apps/shop/rollback", `{"to": "2222"}`, api.KeyHeader, "back"); a.Outcome != api.Switched || a.App.Live != release.Blue {
		t.Errorf("%s: %+v", a.Outcome, a.App.Status)
	}
	if a = s.post("/api/apps/shop/rollback", `{"to": "4.0"}`); a.App.Phase != release.Returning {
		t.Errorf("%+v", a)
	}
}

// TestAnImageIsNamedByTheBeginningOfAKnownDigest unless a tag is written so.
func TestAnImageIsNamedByTheBeginningOfAKnownDigest(t *testing.T) {
	s := newSite(t)
	s.releases("shop", "2.0")
	s.engine.images["1111"] = release.Image{Tag: "1111", Digest: digest("7")}
	for ref, want := range map[string]string{"sha256:1111": digest("1"), "11111": digest("1"), "1111": digest("7")} {
		fresh := newSite(t)
		fresh.engine.images["1111"] = s.engine.images["1111"]
		fresh.releases("shop", "2.0")
		a := fresh.post("/api/apps/shop/deploy", `{"image": "`+ref+`"}`, api.KeyHeader, "k")
		if a.App.Release.Image.Digest != want {
			t.Errorf("%s is taken for %s", ref, a.App.Release.Image.Digest)
		}
		if again := fresh.post("/api/apps/shop/deploy", `{"image": "`+ref+`"}`, api.KeyHeader, "k"); again.ID != a.ID {
			t.Errorf("%s: %+v", ref, again)
		}
	}
	for ref, want := range map[string]string{"sha256:dddd": "no image that the app knows has a digest that begins with sha256:dddd", "dddd": "the app's repository has no dddd"} {
		if e := s.fails(404, "image-not-found", "POST", "/api/apps/shop/deploy", `{"image": "`+ref+`"}`); !strings.Contains(e.Message, want) {
			t.Errorf("%+v", e)
		}
	}
	s.engine.images["2.1"] = release.Image{Tag: "2.1", Digest: "sha256:2222" + strings.Repeat("0", 60)}
	s.post("/api/apps/shop/deploy", `{"image": "2.1"}`)
	if e := s.fails(400, "invalid", "POST", "/api/apps/shop/deploy", `{"image": "sha256:2222"}`); !strings.Contains(e.Message, "2.0 (222222222222)") || !strings.Contains(e.Message, "2.1 (222200000000)") {
		t.Errorf("%+v", e)
	}
}
