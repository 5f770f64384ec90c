package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/console"
	"bluegreen/internal/release"
)

func TestAPlanChangesNothing(t *testing.T) {
	s := newSite(t)
	before := s.engine.state("shop")
	p := read[api.Plan](t, s.ask("GET", "/api/apps/shop/deploy?image=2.0", ""), 200)
	if p.Command != release.DeployImage || p.Refused != "" || !slices.Contains(p.Will, "a bake of 15m: an alert or a failing check returns traffic to blue") || len(p.WillNot) == 0 {
		t.Errorf("%+v", p)
	}
	if p = read[api.Plan](t, s.ask("GET", "/api/apps/shop/resume", ""), 200); !strings.HasPrefix(p.Refused, "nothing to resume") || len(p.Will) > 0 {
		t.Errorf("%+v", p)
	}
	if p = read[api.Plan](t, s.ask("GET", "/api/apps/broken/pause", ""), 200); !strings.Contains(p.Refused, "not served because of its configuration") {
		t.Errorf("%+v", p)
	}
	s.fails(http.StatusBadRequest, "invalid", "GET", "/api/apps/shop/deploy", "")
	s.fails(http.StatusBadRequest, "invalid", "GET", "/api/apps/shop/switch?to=red", "")
	s.fails(http.StatusNotFound, "image-not-found", "GET", "/api/apps/shop/deploy?image=9.9", "")
	if now := s.engine.state("shop"); now.Facts != before.Facts || len(s.engine.entries) > 0 {
		t.Errorf("%d facts, entries %v", now.Facts-before.Facts, s.engine.entries)
	}
}

// TestThePlansAreWhatTheCommandsDo compares which commands have a plan with what becomes of them.
func TestThePlansAreWhatTheCommandsDo(t *testing.T) {
	s := newSite(t)
	s.post("/api/apps/shop/deploy", `{"image":"2.0"}`)
	s.engine.arrives("shop")
	all := read[api.Plans](t, s.ask("GET", "/api/apps/shop/plans", ""), 200)
	if len(all.Plans) != len(release.Commands) {
		t.Fatalf("%d plans", len(all.Plans))
	}
	fields := map[release.Command]string{release.ExtendBake: `{"for":"30m"}`, release.DeployImage: `{"image":"1.0"}`, release.ReleaseQuarantine: `{"digest":"` + digest("1") + `"}`, release.Forget: `{"tag":"2.0"}`}
	for _, p := range all.Plans {
		s := newSite(t)
		s.post("/api/apps/shop/deploy", `{"image":"2.0"}`)
		s.engine.arrives("shop")
		body := fields[p.Command]
		if body == "" {
			body = "{}"
		}
		w := s.ask("POST", "/api/apps/shop/"+string(p.Command), body)
		if refused := w.Code == http.StatusConflict; refused != (p.Refused != "") {
			t.Errorf("%s: the plan is %+v, the command is answered %d %s", p.Command, p, w.Code, w.Body)
		}
	}
}

func TestAnOutcomeIsFoundByItsKey(t *testing.T) {
	s := newSite(t)
	s.post("/api/apps/shop/pause", `{"why":"x"}`, api.KeyHeader, "mine")
	if a := read[api.Answer](t, s.ask("GET", "/api/apps/shop/commands/mine", ""), 200); a.Outcome != api.Done || a.ID != "command|mine" || a.Decision == nil {
		t.Errorf("%+v", a)
	}
	s.fails(http.StatusNotFound, "key", "GET", "/api/apps/shop/commands/other", "")
	s.fails(http.StatusNotFound, "path", "GET", "/api/apps/shop/history/other", "")
	s.ask("POST", "/api/apps/shop/extend", `{"for":"30m"}`, api.KeyHeader, "late")
	if e := s.fails(http.StatusConflict, "refused", "GET", "/api/apps/shop/commands/late", ""); e.Message == "" {
		t.Errorf("%+v", e)
	}
}

func TestTheConfigurationInEffectIsShown(t *testing.T) {
	s := newSite(t)
	if a := read[api.Configuration](t, s.ask("GET", "/api/apps/shop/configuration", ""), 200); a.App != "shop" || len(a.Settings) != 1 || a.Settings[0] != (api.Setting{Key: "bake", Value: "15m"}) {
		t.Errorf("%+v", a)
	}
}

// TestAPlanSaysWhoMayNotGiveTheCommand, and does so for an image by the push that could have
// released it.
func TestAPlanSaysWhoMayNotGiveTheCommand(t *testing.T) {
	s := newSite(t)
	s.handler = console.New(console.Options{Engine: s.engine, Keys: access.Operator, Admits: func(_, tag string) bool { return tag == "2.0" }, Now: func() time.Time { return noon }})
	for path, want := range map[string]bool{"rollback": false, "switch": false, "switch?force=true": true, "forget?tag=2.0": true, "deploy?image=2.0": false, "deploy?image=" + digest("e"): true} {
		p := read[api.Plan](t, s.ask("GET", "/api/apps/shop/"+path, ""), 200)
		if forbidden := strings.Contains(p.Forbidden, "needs the right admin"); forbidden != want {
			t.Errorf("%s: %+v", path, p)
		}
	}
	for _, p := range read[api.Plans](t, s.ask("GET", "/api/apps/shop/plans", ""), 200).Plans {
		if want := p.Command == release.Forget || p.Command == release.ReleaseQuarantine; (p.Forbidden != "") != want {
			t.Errorf("%+v", p)
		}
	}
}
