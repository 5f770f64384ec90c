package intake_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/release"
)

// principal is the header of App Service authentication, in the form of the documentation.
func principal(claims ...string) string {
	text := fmt.Sprintf(`{"auth_typ":"aad","claims":[%s],"name_typ":"n","role_typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}`, strings.Join(claims, ","))
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func TestTheAlertEndpointAcceptsOnlyTheSecureWebhook(t *testing.T) {
	const (
		name   = `{"typ":"appid","val":"461e8683-5575-4561-ac7f-899cc907d62a"}`
		role   = `{"typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role","val":"ActionGroupsSecureWebhook"}`
		short  = `{"typ":"roles","val":"ActionGroupsSecureWebhook"}`
		other  = `{"typ":"roles","val":"AzureEventGridSecureWebhookSubscriber"}`
		within = `{"typ":"roles","val":"NotActionGroupsSecureWebhook"}`
		group  = `{"typ":"groups","val":"ActionGroupsSecureWebhook"}`
	)
	for what, c := range map[string]struct {
		off     bool
		headers []string
		status  int
		says    string
	}{
		"the action group":            {false, []string{"X-MS-CLIENT-PRINCIPAL", principal(name, role)}, 202, ""},
		"the claim by its short name": {false, []string{"X-MS-CLIENT-PRINCIPAL", principal(name, other, short)}, 202, ""},
		"nobody":                      {false, nil, 401, "the caller is not signed in"},
		"a function key":              {false, []string{"x-functions-key", "key"}, 401, "/api/alerts"},
		"sign-in is off":              {true, []string{"X-MS-CLIENT-PRINCIPAL", principal(name, role)}, 401, "App Service authentication is off"},
		"another role":                {false, []string{"X-MS-CLIENT-PRINCIPAL", principal(name, other, within)}, 403, "461e8683"},
		"the role's name elsewhere":   {false, []string{"X-MS-CLIENT-PRINCIPAL", principal(name, group)}, 403, "assign it the app role ActionGroupsSecureWebhook"},
		"a name alone":                {false, []string{"X-MS-CLIENT-PRINCIPAL-NAME", "ana"}, 401, "the caller is not signed in"},
		"no principal's JSON":         {false, []string{"X-MS-CLIENT-PRINCIPAL", "e30="}, 401, "names no principal"},
		"no base64":                   {false, []string{"X-MS-CLIENT-PRINCIPAL", "%%"}, 401, "not base64"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newEnv(t, changes{})
			w.intake.SignIn = !c.off
			body := actiongroup.Alert{ID: id("1"), Rule: "shop-5xx"}.Metric("shop-green", 57, 20)
			r := httptest.NewRequest(http.MethodPost, "/api/alert-fired", strings.NewReader(string(body)))
			for n := 0; n < len(c.headers); n += 2 {
				r.Header.Set(c.headers[n], c.headers[n+1])
			}
			rec := httptest.NewRecorder()
			w.intake.AlertFired().ServeHTTP(rec, r)
			var answer struct {
				api.AlertAnswer
				Detail string
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != c.status || !strings.Contains(answer.Detail, c.says) {
				t.Fatalf("%d %s %v", rec.Code, rec.Body, err)
			}
			if by := w.alertOf("shop", id("1")).By; c.status == 202 && by != (release.Actor{Proven: "461e8683-5575-4561-ac7f-899cc907d62a", Route: "alert-fired"}) {
				t.Errorf("sent by %+v", by)
			}
			if kept := len(w.inbox("shop")) + len(w.alertOf("shop", id("1")).ID); (kept > 0) != (c.status == 202) {
				t.Errorf("%d, and kept %d", rec.Code, kept)
			}
		})
	}
}
