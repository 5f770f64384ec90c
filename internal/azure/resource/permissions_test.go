package resource_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

const profileID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/trafficManagerProfiles/tm"

// permitted is a resource whose identity has what pages of the service's list give.
func permitted(t *testing.T, pages ...string) *resource.Resource {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.URL.Query().Get("page"), &n)
		if !strings.HasSuffix(r.URL.Path, "/providers/Microsoft.Authorization/permissions") || r.URL.Query().Get("api-version") == "" {
			t.Errorf("asked for %s", r.URL)
		}
		if n >= len(pages) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"The client 'a' with object id 'o' does not have authorization to perform action 'Microsoft.Authorization/permissions/read' over scope '`+profileID+`' or the scope is invalid."}}`)
			return
		}
		answer := map[string]any{"value": json.RawMessage(pages[n])}
		if n+1 < len(pages) {
			answer["nextLink"] = fmt.Sprintf("%s%s?api-version=2022-04-01&page=%d", server.URL, r.URL.Path, n+1)
		}
		json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	o := e.ClientOptions()
	o.Transport = server.Client()
	o.Cloud = cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: server.URL, Audience: "https://management.azure.com"}}}
	r, err := resource.New(resource.Kind{Type: "Microsoft.Network/trafficManagerProfiles", Version: "2022-04-01", Word: "profile", What: "Traffic Manager profile"}, profileID, resource.NewManager(e.Credential(""), o))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARightIsHadWhereOneRoleGivesIt(t *testing.T) {
	const write = "Microsoft.Network/trafficManagerProfiles/write"
	for name, c := range map[string]struct {
		pages []string
		has   bool
	}{
		"owner":                        {[]string{`[{"actions":["*"],"notActions":[]}]`}, true},
		"reader":                       {[]string{`[{"actions":["*/read"],"notActions":[]}]`}, false},
		"by name, in another case":     {[]string{`[{"actions":["microsoft.network/TRAFFICMANAGERPROFILES/write"]}]`}, true},
		"a pattern":                    {[]string{`[{"actions":["Microsoft.Network/*/write"]}]`}, true},
		"left out of a role":           {[]string{`[{"actions":["*"],"notActions":["Microsoft.Network/*"]}]`}, false},
		"left out of one, not another": {[]string{`[{"actions":["*"],"notActions":["Microsoft.Network/*"]},{"actions":["` + write + `"]}]`}, true},
		"on a second page":             {[]string{`[{"actions":["*/read"]}]`, `[{"actions":["` + write + `"]}]`}, true},
		"none":                         {[]string{`[]`}, false},
		"a longer action":              {[]string{`[{"actions":["Microsoft.Network/trafficManagerProfiles/writes"]}]`}, false},
	} {
		found, err := permitted(t, c.pages...).Lacking(t.Context(), resource.Needs{Scope: profileID, Actions: []string{write}, For: "to move traffic"})
		if err != nil || (len(found) == 0) != c.has {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		if !c.has {
			cause, fix := found[0].Parts()
			if found[0].Warning || cause != "the identity lacks "+write+" on "+profileID+", to move traffic" || !strings.HasPrefix(fix, "az role assignment create --assignee-object-id OBJECT-ID ") || !strings.Contains(fix, "--scope "+profileID) {
				t.Errorf("%s: %q, %q", name, cause, fix)
			}
		}
	}
}

func TestRightsThatCannotBeListedAreNotKnown(t *testing.T) {
	found, err := permitted(t).Lacking(t.Context(), resource.Needs{Scope: profileID, Actions: []string{"a/read"}})
	if err == nil || len(found) > 0 || !strings.Contains(err.Error(), "which rights the identity has") || !strings.Contains(err.Error(), "Microsoft.Authorization/permissions/read") {
		t.Errorf("%+v, %v", found, err)
	}
}
