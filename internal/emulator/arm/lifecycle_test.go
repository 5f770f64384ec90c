package arm_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
)

const subscription = "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"

// value decodes the answer to a GET of a path.
func (w *env) value(path string) (into map[string]any) {
	w.t.Helper()
	resp, err := w.doAs(w.client(""), http.MethodGet, path, "", nil)
	raw, _ := runtime.Payload(w.send(resp, err))
	if err := json.Unmarshal(raw, &into); err != nil {
		w.t.Fatal(err)
	}
	return into
}

func TestSubscriptionsAreThoseOfTheResources(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.e.AddCluster(arm.Cluster{ID: "/subscriptions/other/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"})
	var ids []string
	for _, s := range w.value("/subscriptions")["value"].([]any) {
		ids = append(ids, s.(map[string]any)["subscriptionId"].(string))
	}
	if !slices.Equal(ids, []string{subscription, "other"}) {
		t.Errorf("the subscriptions are %q", ids)
	}
	if s := w.value("/subscriptions/" + subscription); s["state"] != "Enabled" || s["tenantId"] != arm.TenantID || s["id"] != "/subscriptions/"+subscription {
		t.Errorf("the subscription is %v", s)
	}
	w.e.Disable(subscription)
	if s := w.value("/subscriptions/" + strings.ToUpper(subscription)); s["state"] != "Disabled" {
		t.Errorf("a disabled subscription is %v", s)
	}
	resp, err := w.doAs(w.client(""), http.MethodGet, "/subscriptions/nowhere", "", nil)
	w.refused(resp, err, http.StatusNotFound, "SubscriptionNotFound", "'nowhere' could not be found")
}

func TestGatewaysAreListedByGroupAndSubscription(t *testing.T) {
	w := newEnv(t, arm.Options{})
	if _, err := w.e.AddGateway(arm.GatewayJSON(arm.Fixture{ResourceGroup: "rg-two", Name: "agw-two", Pools: []arm.Pool{{Name: "p"}}, Rules: []arm.Rule{{Name: "r", Pool: "p"}}})); err != nil {
		t.Fatal(err)
	}
	client := w.gateways()
	var all, group []string
	for pager := client.NewListAllPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Value {
			all = append(all, *g.Name)
		}
	}
	for pager := client.NewListPager("RG-Two", nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Value {
			group = append(group, *g.Name)
		}
	}
	if !slices.Equal(all, []string{"agw-shop", "agw-two"}) || !slices.Equal(group, []string{"agw-two"}) {
		t.Errorf("the subscription has %q, the group %q", all, group)
	}
}

func (w *env) gateways() *armnetwork.ApplicationGatewaysClient {
	w.t.Helper()
	client, err := armnetwork.NewApplicationGatewaysClient(subscription, w.e.Credential(""), w.e.ClientOptions())
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func TestAGatewayIsCreatedAndDeletedByOperations(t *testing.T) {
	w := newEnv(t, arm.Options{})
	client := w.gateways()
	doc := w.value(w.g.ID())
	path := strings.Replace(w.g.ID(), "agw-shop", "agw-new", 1)
	raw, _ := json.Marshal(doc)
	var whole map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), "agw-shop", "agw-new")), &whole); err != nil {
		t.Fatal(err)
	}
	resp, err := w.doAs(w.client(""), http.MethodPut, path, "", whole)
	if w.send(resp, err); resp.StatusCode != http.StatusCreated {
		t.Fatalf("the creating PUT answers %d", resp.StatusCode)
	}
	if g := w.value(path); state(g) != "Updating" {
		t.Errorf("while it is created the gateway is %s", state(g))
	}
	if _, err := wait(t, w.poller(resp)); err != nil {
		t.Fatal(err)
	}
	made := w.e.Gateway(path)
	if g := w.value(path); state(g) != "Succeeded" || made == nil || made.ListenerURL("lst-https") == "" {
		t.Errorf("the gateway that was created is %s", state(g))
	}

	made.HoldOperations()
	gone, err := client.BeginDelete(t.Context(), "rg-shop-prod", "agw-new", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Poll(t.Context()); err != nil || gone.Done() {
		t.Errorf("the deletion: error %v, done %v; want it running", err, gone.Done())
	}
	if g := w.value(path); state(g) != "Deleting" {
		t.Errorf("while it is deleted the gateway is %s", state(g))
	}
	made.Release()
	for !gone.Done() {
		if _, err := gone.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gone.Result(t.Context()); err != nil {
		t.Errorf("the deletion ended with %v", err)
	}
	resp, err = w.doAs(w.client(""), http.MethodGet, path, "", nil)
	w.refused(resp, err, http.StatusNotFound, "ResourceNotFound")
	if resp, err := w.doAs(w.client(""), http.MethodDelete, path, "", nil); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Errorf("deleted again: %v, error %v", resp, err)
	}
}

func TestAGatewayThatIsNotValidIsNotCreated(t *testing.T) {
	w := newEnv(t, arm.Options{})
	path := strings.Replace(w.g.ID(), "agw-shop", "agw-new", 1)
	resp, err := w.doAs(w.client(""), http.MethodPut, path, "", map[string]any{"location": "westeurope"})
	w.refused(resp, err, http.StatusBadRequest, "ApplicationGatewayMustHaveAtleastOneResourceOfType")
	if w.e.Gateway(path) != nil {
		t.Error("it exists all the same")
	}
}

func TestProfilesAndEndpointsAreListedCreatedAndDeleted(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{TTL: 10})
	profiles, endpoints := w.sdk().NewProfilesClient(), w.sdk().NewEndpointsClient()
	names := func() (all, group []string) {
		for pager := profiles.NewListBySubscriptionPager(nil); pager.More(); {
			page, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Value {
				all = append(all, *p.Name)
			}
		}
		for pager := profiles.NewListByResourceGroupPager("rg-none", nil); pager.More(); {
			page, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Value {
				group = append(group, *p.Name)
			}
		}
		return all, group
	}
	if all, group := names(); !slices.Equal(all, []string{"tm-shop"}) || len(group) > 0 {
		t.Errorf("the subscription has %q, another group %q", all, group)
	}
	external := armtrafficmanager.EndpointTypeExternalEndpoints
	made, err := endpoints.CreateOrUpdate(t.Context(), "rg-shop-prod", "tm-shop", external, "sorry",
		armtrafficmanager.Endpoint{Properties: &armtrafficmanager.EndpointProperties{Target: to.Ptr("sorry.example.com"), Priority: to.Ptr[int64](9)}}, nil)
	if err != nil || *made.Name != "sorry" {
		t.Fatalf("the endpoint is %+v, error %v", made, err)
	}
	if _, err := endpoints.Delete(t.Context(), "rg-shop-prod", "tm-shop", external, "sorry", nil); err != nil {
		t.Error(err)
	}
	if _, err := endpoints.Get(t.Context(), "rg-shop-prod", "tm-shop", external, "sorry", nil); code(err) != "ResourceNotFound" {
		t.Errorf("the endpoint that was deleted: %v", err)
	}
	if _, err := endpoints.Delete(t.Context(), "rg-shop-prod", "tm-shop", external, "sorry", nil); err != nil {
		t.Errorf("deleted again: %v", err)
	}
	if _, err := profiles.Delete(t.Context(), "rg-shop-prod", "tm-shop", nil); err != nil {
		t.Error(err)
	}
	if _, err := profiles.Get(t.Context(), "rg-shop-prod", "tm-shop", nil); code(err) != "ResourceNotFound" {
		t.Errorf("the profile that was deleted: %v", err)
	}
	if _, err := profiles.Delete(t.Context(), "rg-shop-prod", "tm-shop", nil); err != nil {
		t.Errorf("deleted again: %v", err)
	}
}

func TestEveryAnswerHasTheIdsOfItsRequest(t *testing.T) {
	w := newEnv(t, arm.Options{})
	seen := map[string]bool{}
	for _, path := range []string{"", "/nothing", "/subscriptions", w.g.ID(), w.g.ID() + "-none"} {
		resp, err := w.doAs(w.client(""), http.MethodGet, path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"x-ms-request-id", "x-ms-correlation-request-id"} {
			id := resp.Header.Get(key)
			if id == "" || seen[id] {
				t.Errorf("%q: %s is %q", path, key, id)
			}
			seen[id] = true
		}
	}
}
