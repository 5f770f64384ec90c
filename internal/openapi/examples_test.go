package openapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"
)

const alertID = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.AlertsManagement/alerts/66666666-7777-8888-9999-000000000000"

var (
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	was  = api.Image{Tag: "2.4.0", Digest: "sha256:" + strings.Repeat("3a", 32)}
	is   = api.Image{Tag: "2.4.1", Digest: "sha256:" + strings.Repeat("9f", 32), PushedAt: noon.Add(-20 * time.Minute)}
	ana  = api.Actor{Claimed: "ana", Route: "act", Key: "4e738ca5"}
	by   = "ana (claimed), function key 4e738ca5"
	goes = api.Decision{Kind: release.ReleaseStarted, Reason: reason.Started, Release: 12, Text: "release 12: 2.4.1 (9f9f9f9f9f9f) goes to green, asked by " + by + ": fixes the cart"}
)

func shop() api.App {
	return api.App{
		Name: "shop", Phase: release.Baking, Live: release.Green, UpdatedAt: noon, WakeAt: noon.Add(time.Minute), LiveSince: noon.Add(-5 * time.Minute),
		Status: api.Status{
			Standing: release.Moving, Headline: "Green is live with 2.4.1; baking until 12:10 UTC", Live: "green with 2.4.1 (9f9f9f9f9f9f); 8 of 8 pods ready",
			Until: "12:10 UTC, in 10 min: 2.4.1 counts as good", Rollback: "to blue with 2.4.0; 8 of 8 pods ready",
		},
		Colors: api.Colors{
			Blue:  api.Color{Role: api.RollbackTarget, Image: was, Ordered: was, Observed: was, Replicas: []int32{8}, Ready: 8, Needed: []int32{8}, SeenAt: noon},
			Green: api.Color{Role: api.Live, Image: is, Ordered: is, Observed: is, Replicas: []int32{8}, Ready: 8, Needed: []int32{8}, SeenAt: noon, Checked: true},
		},
		Release: &api.Release{
			ID: 12, Phase: release.Baking, Image: is, To: release.Green, From: release.Blue, By: by, Actor: ana, Why: "fixes the cart",
			Began: noon.Add(-9 * time.Minute), Since: noon.Add(-5 * time.Minute), SwitchedAt: noon.Add(-5 * time.Minute), BakeUntil: noon.Add(10 * time.Minute), LookedAt: noon, GoodLooks: 5,
		},
		RollbackTarget: &api.Target{Color: release.Blue, Image: was, Replicas: []int32{8}, Until: noon.Add(24 * time.Hour)},
		Good:           []api.Image{was},
	}
}

// examples are answers as they are, by the names of their types.
func (s schemas) examples(t *testing.T) object {
	t.Helper()
	stuck := api.Need{
		Why:   "release 31 cannot return traffic to green yet and keeps trying: node pool is full",
		Helps: []api.Remedy{{Command: "bluegreen rollback mail --force", Does: "takes green as it is", Name: release.Rollback, Fields: map[string]string{"force": "true"}}},
	}
	all := object{}
	for name, value := range map[string]any{
		"Index": api.Index{
			Name: "bluegreen", Endpoints: []string{"GET /api", "GET /api/apps?limit=&after="}, Apps: []string{"mail", "shop"},
			Post: "a POST below an app needs Content-Type: application/json, an Idempotency-Key and a body", SignedIn: "with a token in place of a function key, the same is below /api/signed-in",
		},
		"Problems":      api.Problems{Problems: api.Kinds[:1]},
		"Health":        api.Health{Needs: []api.AppNeed{{App: "mail", Need: stuck}}, Status: "ok", Apps: []api.AppHealth{{Name: "mail"}, {Name: "shop"}}},
		"Doctor":        api.Doctor{App: "shop", At: noon, Checks: []api.Check{{Name: "registry", Target: "shopacr.azurecr.io/team/shop", State: api.CheckOK}}},
		"Apps":          api.Apps{Apps: []api.App{shop()}, Next: "/api/apps?after=shop&limit=100", LastTick: noon},
		"App":           shop(),
		"History":       api.History{App: "shop", Headline: shop().Status.Headline, Facts: []api.Fact{{Number: 57, At: noon.Add(-9 * time.Minute), Kind: goes.Kind, Reason: goes.Reason, Release: 12, Phase: release.Deploying, Image: is, Live: release.Blue, By: by, Actor: ana, Began: ana, Text: goes.Text, Line: goes.Text}}, Before: 57, Next: "/api/apps/shop/history?before=57&limit=1"},
		"Configuration": api.Configuration{App: "shop", Settings: []api.Setting{{Key: "bake", Value: "15m"}}},
		"Plan":          api.Plan{Command: release.DeployImage, Will: []string{"green gets 2.4.1 with 8 pods, as many as blue has"}, WillNot: []string{"move traffic before that: users stay on blue"}},
		"Plans":         api.Plans{App: "shop", Plans: []api.Plan{{Command: release.ResumeReleases, Refused: "nothing to resume: nothing is paused, on hold or drifted"}}},
		"Answer":        api.Answer{ID: "command|deploy-2.4.1", Outcome: api.Switched, Text: "deploy has moved traffic to green; the bake still runs, and may return it", Decision: &goes, App: shop()},
		"AlertAnswer":   api.AlertAnswer{Result: "accepted", Alert: alertID, Rule: "shop-5xx", Apps: []api.AlertOfApp{{App: "shop", Result: "accepted", Color: release.Green}}},
		"Problem":       problemExample(),
		"Alert":         object{"schemaId": "azureMonitorCommonAlertSchema", "data": object{"essentials": object{"alertId": alertID, "alertRule": "shop-5xx", "severity": "Sev1", "monitorCondition": "Fired", "firedDateTime": "2026-11-24T12:00:00Z"}}},
	} {
		all[name] = object{"value": value}
	}
	return all
}

func problemExample() api.Error {
	e := api.Error{Status: http.StatusConflict, Code: "refused", Reason: reason.AlreadyLive, Message: "2.4.1 (9f9f9f9f9f9f) is already live on green", Headline: shop().Status.Headline, Instance: "/api/apps/shop/commands/deploy-2.4.1"}
	for _, k := range api.Kinds {
		if k.Code == e.Code {
			e.Type, e.Title = k.Type, k.Title
		}
	}
	return e
}
