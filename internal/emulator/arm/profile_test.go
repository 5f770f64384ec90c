package arm_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
	"github.com/google/go-cmp/cmp"
)

func TestTheSDKReadsAndWritesAProfile(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 10})
	client := w.sdk().NewProfilesClient()
	read, err := client.Get(t.Context(), "rg-shop-prod", "tm-shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := read.Properties
	if *p.DNSConfig.Fqdn != "tm-shop.trafficmanager.net" || *p.DNSConfig.TTL != 10 || *p.TrafficRoutingMethod != "Priority" || *read.Location != "global" {
		t.Fatalf("the profile reads %+v", p)
	}
	blue, green := p.Endpoints[0], p.Endpoints[1]
	if !strings.HasSuffix(*blue.ID, "/trafficManagerProfiles/tm-shop/AzureEndpoints/blue") || *blue.Type != "Microsoft.Network/trafficManagerProfiles/azureEndpoints" {
		t.Errorf("blue is %s, a %s", *blue.ID, *blue.Type)
	}
	blue.Properties.EndpointStatus, green.Properties.EndpointStatus = to.Ptr(armtrafficmanager.EndpointStatusDisabled), to.Ptr(armtrafficmanager.EndpointStatusEnabled)
	blue.Properties.Priority, green.Properties.Priority = green.Properties.Priority, blue.Properties.Priority
	written, err := client.CreateOrUpdate(t.Context(), "rg-shop-prod", "tm-shop", read.Profile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := written.Properties.Endpoints[1]; *got.Name != "green" || *got.Properties.Priority != 1 || *got.Properties.EndpointStatus != "Enabled" {
		t.Errorf("the answer's second endpoint is %+v", got.Properties)
	}
	w.p.Release()
	w.leads("127.11.0.2")
}

func TestTheSDKPatchesOneEndpoint(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 10})
	client := w.sdk().NewEndpointsClient()
	enabled := armtrafficmanager.Endpoint{Properties: &armtrafficmanager.EndpointProperties{EndpointStatus: to.Ptr(armtrafficmanager.EndpointStatusEnabled)}}
	answer, err := client.Update(t.Context(), "rg-shop-prod", "tm-shop", armtrafficmanager.EndpointTypeAzureEndpoints, "green", enabled, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := answer.Properties; *p.EndpointStatus != "Enabled" || *p.Target != greenName || *p.Priority != 2 {
		t.Errorf("the endpoint is %+v", p)
	}
	got, err := client.Get(t.Context(), "rg-shop-prod", "tm-shop", armtrafficmanager.EndpointTypeAzureEndpoints, "green", nil)
	if err != nil || *got.Properties.EndpointStatus != "Enabled" {
		t.Errorf("read again it is %+v, error %v", got.Properties, err)
	}
	if _, err := client.Update(t.Context(), "rg-shop-prod", "tm-shop", armtrafficmanager.EndpointTypeExternalEndpoints, "green", enabled, nil); code(err) != "ResourceNotFound" {
		t.Errorf("an endpoint of another kind: %v", err)
	}
}

func TestAnEndpointIsAddedAndReplaced(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	resp, err := w.call("", http.MethodPut, "/ExternalEndpoints/sorry", map[string]any{"properties": map[string]any{"target": "127.11.0.2", "priority": 9}})
	added := w.fields(resp, err)
	if resp.StatusCode != http.StatusCreated || added["type"] != "Microsoft.Network/trafficManagerProfiles/externalEndpoints" {
		t.Errorf("the answer is %d %v", resp.StatusCode, added)
	}
	resp, err = w.call("", http.MethodPut, "/externalEndpoints/SORRY", map[string]any{"properties": map[string]any{"target": "127.11.0.1", "priority": 8}})
	replaced := w.fields(resp, err)
	if resp.StatusCode != http.StatusOK || replaced["name"] != "sorry" || properties(replaced)["target"] != "127.11.0.1" {
		t.Errorf("the answer is %d %v", resp.StatusCode, replaced)
	}
	w.rival(enable("sorry"))
	w.p.Release()
	w.leads("127.11.0.1")
}

func TestAPatchKeepsTheKeysThatItOmits(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 10, Tags: map[string]string{"old": "1"}})
	want := w.p.Document()
	w.send(w.call("", http.MethodPatch, "", map[string]any{
		"tags": map[string]any{"new": "2"}, "properties": map[string]any{"dnsConfig": map[string]any{"ttl": 5}},
	}))
	got := w.p.Document()
	if ttl := properties(got)["dnsConfig"].(map[string]any); ttl["relativeName"] != "tm-shop" {
		t.Errorf("dnsConfig is %v", ttl)
	}
	if diff := cmp.Diff(map[string]any{"new": "2"}, got["tags"]); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for i, e := range properties(got)["endpoints"].([]any) {
		was := properties(want)["endpoints"].([]any)[i].(map[string]any)
		if properties(e.(map[string]any))["target"] != properties(was)["target"] {
			t.Errorf("endpoint %v was changed to %v", was, e)
		}
	}
}

func TestUnknownPropertiesAndTheOrderOfEndpointsStay(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	doc := w.p.Document()
	properties(doc)["somethingNew"] = map[string]any{"a": "b"}
	endpointOf(doc, "green")["later"] = "yes"
	slices.Reverse(properties(doc)["endpoints"].([]any))
	answer := w.fields(w.call("", http.MethodPut, "", doc))
	for _, got := range []map[string]any{answer, w.p.Document()} {
		first := properties(got)["endpoints"].([]any)[0].(map[string]any)
		if first["name"] != "green" || endpointOf(got, "green")["later"] != "yes" || properties(got)["somethingNew"].(map[string]any)["a"] != "b" {
			t.Errorf("the profile is %v", got)
		}
	}
}

func TestReadOnlyFieldsOfAWriteAreIgnored(t *testing.T) {
	w := newProfileEnv(t, arm.Options{ProbeSecond: time.Hour}, arm.ProfileFixture{Tolerated: 9})
	w.rival(func(doc map[string]any) {
		endpointOf(doc, "green")["endpointMonitorStatus"] = "Online"
		properties(doc)["dnsConfig"].(map[string]any)["fqdn"] = "else.example.com"
	})
	doc := w.p.Document()
	if w.status("green") != "Disabled" || properties(doc)["dnsConfig"].(map[string]any)["fqdn"] != w.p.FQDN() {
		t.Errorf("the profile is %v", doc)
	}
}

func TestAPutWhereNoProfileIsMakesOne(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	doc := w.p.Document()
	w.refuses(http.StatusBadRequest, "BadRequest", "already exists", func() (*http.Response, error) {
		return w.doAs(w.client(""), http.MethodPut, strings.Replace(w.p.ID(), "tm-shop", "tm-other", 1), "", doc)
	})
	w.e.RemoveProfile(w.p.ID())
	w.leads()
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		w.refuses(http.StatusNotFound, "ResourceNotFound", "", func() (*http.Response, error) { return w.call("", method, "", doc) })
	}
	resp := w.send(w.call("", http.MethodPut, "", doc))
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d, want 201", resp.StatusCode)
	}
	w.leads("127.11.0.1")
}

func (w *tmEnv) refuses(status int, code, text string, send func() (*http.Response, error)) {
	w.t.Helper()
	resp, err := send()
	w.refused(resp, err, status, code, text)
}

func TestAWriteReachesTheNameServersLater(t *testing.T) {
	w := newProfileEnv(t, arm.Options{Propagation: 50 * time.Millisecond}, arm.ProfileFixture{})
	w.send(w.call("", http.MethodPut, "", changed(w.p, enable("green"))))
	eventually(t, "DNS answers green", func() bool { return slices.Equal(w.lookup(), []string{"127.11.0.2"}) })
	writes := w.p.Writes()
	if len(writes) != 2 || writes[0].Prefers != "blue" || writes[1].Prefers != "green" {
		t.Fatalf("the writes are %+v", writes)
	}
	if took := writes[1].Known.Sub(writes[1].At); took < 50*time.Millisecond {
		t.Errorf("the name servers knew it after %s", took)
	}
}

func changed(p *arm.Profile, edit func(map[string]any)) map[string]any {
	doc := p.Document()
	edit(doc)
	return doc
}

func TestWritesThatAreHeldBackAreKnownAtTheirRelease(t *testing.T) {
	w := newProfileEnv(t, arm.Options{Propagation: time.Millisecond}, arm.ProfileFixture{})
	w.p.Hold()
	w.rival(enable("green"))
	w.rival(enable())
	w.rival(enable("green"))
	time.Sleep(20 * time.Millisecond) // many times the usual duration
	w.leads("127.11.0.1")
	if got := w.p.Serving(); !slices.Equal(got, []string{"blue"}) {
		t.Errorf("served by %v", got)
	}
	if last := w.p.Writes()[3]; !last.Known.IsZero() || last.Prefers != "green" {
		t.Errorf("the last write is %+v", last)
	}
	w.p.Release()
	w.leads("127.11.0.2")
	for _, write := range w.p.Writes() {
		if write.Known.IsZero() {
			t.Errorf("not known: %+v", write)
		}
	}
	w.rival(enable("blue"))
	eventually(t, "DNS follows again by itself", func() bool { return slices.Equal(w.lookup(), []string{"127.11.0.1"}) })
}

func TestTheLastWriteWinsHoweverCloseItFollows(t *testing.T) {
	w := newProfileEnv(t, arm.Options{Propagation: 30 * time.Millisecond}, arm.ProfileFixture{})
	w.rival(enable("green"))
	w.rival(enable("blue"))
	w.p.Release()
	w.leads("127.11.0.1")
	time.Sleep(60 * time.Millisecond) // the time of the older write passes
	w.leads("127.11.0.1")
}

func TestAnInvalidProfileIsNotAdded(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	for text, json := range map[string][]byte{
		"decode JSON":       []byte("{"),
		"is not that of":    []byte(`{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/a"}`),
		"one with this id":  arm.ProfileJSON(arm.ProfileFixture{}),
		"already exists":    arm.ProfileJSON(arm.ProfileFixture{Name: "tm-other", RelativeName: "tm-shop"}),
		"have the same pri": arm.ProfileJSON(arm.ProfileFixture{Name: "tm-third", Endpoints: []arm.Endpoint{{Name: "a", Target: "b.example.com", Priority: 2}, {Name: "c", Target: "d.example.com"}}}),
	} {
		if _, err := w.e.AddProfile(json); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want an error with %q, got: %v", text, err)
		}
	}
}
