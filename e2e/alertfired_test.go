package e2e

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"testing"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/release"
)

const (
	alertApp  = "api://bluegreen-alerts" // the app registration whose tokens the app accepts
	caller    = "461e8683-5575-4561-ac7f-899cc907d62a"
	alertRole = "ActionGroupsSecureWebhook"
)

// signs is App Service authentication that accepts the emulator's tokens for alertApp.
func (w *env) signs(token string) ([]host.Claim, error) {
	principal, roles, err := w.azure.Bearer(token, alertApp)
	claims := []host.Claim{{Typ: "aud", Val: alertApp}, {Typ: "appid", Val: principal}}
	for _, r := range roles {
		claims = append(claims, host.Claim{Typ: "roles", Val: r})
	}
	return claims, err
}

// TestOnlyTheSecureWebhookMovesTrafficThroughAlertFired tries every other kind of caller first.
func TestOnlyTheSecureWebhookMovesTrafficThroughAlertFired(t *testing.T) {
	t.Parallel()
	w := newEnv(t)
	w.signIn = w.signs
	w.azure.AppRole(caller, alertApp, alertRole)
	w.azure.AppRole(caller, "api://other", alertRole)
	blue, green := clusters(t)
	s := openShop(w, blue, green, `    bake: 10m`)
	bad := s.release("2.0.0")
	s.reach("podinfo", release.Baking)
	s.answeredBy("green", bad)

	alert := actiongroup.Alert{Rule: "podinfo-5xx"}.Metric("pool-green", 57, 20)
	principal := base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":[{"typ":"appid","val":"` + caller + `"},{"typ":"roles","val":"` + alertRole + `"}],"role_typ":"roles"}`))
	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"no token":                            {"/api/alert-fired", nil, 401},
		"a function key":                      {"/api/alert-fired?code=key", nil, 401},
		"a forged principal":                  {"/api/alert-fired", []string{"X-MS-CLIENT-PRINCIPAL", principal, "X-MS-CLIENT-PRINCIPAL-NAME", "eve"}, 401},
		"a forged token":                      {"/api/alert-fired", []string{"Authorization", "Bearer e30.e30.e30"}, 401},
		"a token for another app":             {"/api/alert-fired", bearer(w.azure.Token("api://other", caller)), 401},
		"a token without the role":            {"/api/alert-fired", bearer(w.azure.Token(alertApp, "stranger")), 403},
		"such a token and a forged principal": {"/api/alert-fired", append(bearer(w.azure.Token(alertApp, "stranger")), "X-MS-CLIENT-PRINCIPAL", principal), 403},
		"the other endpoint without its key":  {"/api/alerts", bearer(w.azure.Token(alertApp, caller)), 401},
		"the other endpoint by a wrong key":   {"/api/alerts?code=eve", nil, 401},
		"a path that leads elsewhere":         {"/api/alert-fired/../apps/podinfo/rollback", bearer(w.azure.Token(alertApp, caller)), 404},
		"a command by the key of alerts":      {"/api/apps/podinfo/rollback?code=" + w.hosts[0].KeyOf("alerts"), nil, 401},
		"a command by that of look":           {"/api/apps/podinfo/rollback?code=" + w.hosts[0].KeyOf("look"), nil, 401},
		"an alert by the key of act":          {"/api/alerts?code=" + w.hosts[0].KeyOf("act"), nil, 401},
		"a command without a role":            {"/api/signed-in/apps/podinfo/rollback", bearer(w.azure.Token(alertApp, "stranger")), 403},
		"a command with the role of alerts":   {"/api/signed-in/apps/podinfo/rollback", bearer(w.azure.Token(alertApp, caller)), 403},
	} {
		if status, answer := s.knock(c.path, alert, c.headers...); status != c.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if a := s.app("podinfo"); a.Release.Phase != release.Baking || a.Live != release.Green || a.Pending != 0 {
		t.Fatalf("one of them moved something: %s", a.Status.String())
	}

	group := actiongroup.New(actiongroup.Options{
		URL: w.hosts[0].URL() + "/api/alert-fired", Scale: 20, Token: func() string { return w.azure.Token(alertApp, caller) },
	})
	if o, err := group.Send(t.Context(), alert); err != nil || !o.Delivered() || o.Attempts != 1 {
		t.Fatalf("the alert was not taken: %+v, %v", o, err)
	}
	s.reach("podinfo", release.RolledBack)
	s.answeredBy("blue", s.first)
	s.noneLost()
	h, err := s.client(0).History(t.Context(), "podinfo", 50, 0)
	sent := api.Actor{Proven: caller, Route: "alert-fired"}
	if err != nil || !slices.ContainsFunc(h.Facts, func(f api.Fact) bool { return f.Actor == sent && f.Phase == release.Returning }) {
		t.Errorf("no fact names the sender of the alert: %+v, %v", h.Facts, err)
	}
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// knock posts an alert with headers of the caller's choice, and follows no redirect.
func (s *shop) knock(path string, alert []byte, headers ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.hosts[0].URL()+path, bytes.NewReader(alert))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}
