package infra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	topics = "Microsoft.EventGrid/systemTopics"
	theirs = here + "/resourceGroups/rg-shop/providers/"
)

// outside are the resources and nested deployments that are not in the resource group of the
// environment itself.
func (c *deployment) outside() (found []resource) {
	group := here + "/resourceGroups/" + c.output(c.entry, "RESOURCE_GROUP").(string)
	for _, r := range append(slices.Clone(c.made), c.nested...) {
		if r.id != group && !strings.HasPrefix(r.id, group+"/") {
			found = append(found, r)
		}
	}
	return found
}

// TestTwoEnvironmentsWriteNothingOfEachOther: a controller for staging and one for production
// with the same name, in a group each, for the same registry, clusters and gateways. Azure
// allows one system topic for each registry, so that both write the same one, with equal text.
func TestTwoEnvironmentsWriteNothingOfEachOther(t *testing.T) {
	for _, name := range setups {
		all := map[string]any{"location": "westeurope", "registry": map[string]any{"id": theirs + "Microsoft.ContainerRegistry/registries/shopacr"}}
		staging, production := map[string]any{"groupName": "rg-staging", "tags": map[string]any{"azd-env-name": "staging"}}, map[string]any{"groupName": "rg-production"}
		for key, value := range all {
			if name == "controller" {
				staging[key], production[key] = value, value
			}
		}
		a, b := setup(t, name, staging), setup(t, name, production)
		shared := 0
		for _, one := range a.outside() {
			i := slices.IndexFunc(b.outside(), func(r resource) bool { return r.id == one.id })
			switch {
			case i < 0:
			case one.kind != topics:
				t.Errorf("%s: both environments write %s", name, one.id)
			default:
				shared++
				if diff := cmp.Diff(one.body, b.outside()[i].body); diff != "" {
					t.Errorf("%s: the environments write %s with different text:\n%s", name, one.name, diff)
				}
			}
		}
		if want := map[bool]int{true: 1}[name == "controller"]; shared != want {
			t.Errorf("%s: the environments share %d topics of the registry, want %d", name, shared, want)
		}
		for _, r := range a.outside() {
			if r.kind == "Microsoft.Insights/diagnosticSettings" && r.name != a.output(a.entry, "EVENT_SUBSCRIPTION") {
				t.Errorf("%s: scripts/azure-down.sh does not find the diagnostic setting %s", name, r.name)
			}
		}
		if x, y := a.output(a.entry, "EVENT_SUBSCRIPTION"), b.output(b.entry, "EVENT_SUBSCRIPTION"); x == y {
			t.Errorf("%s: both environments write the subscription %s", name, x)
		}
	}
}

// TestADeploymentInTheSubscriptionIsOfOneRegion: Azure refuses its name in another one, also
// after the environment was deleted.
func TestADeploymentInTheSubscriptionIsOfOneRegion(t *testing.T) {
	for _, name := range setups {
		elsewhere := setup(t, name, map[string]any{"location": "northeurope"}).nested
		for _, d := range setup(t, name, nil).nested {
			if !strings.Contains(d.id, "/resourceGroups/") && slices.ContainsFunc(elsewhere, func(r resource) bool { return r.id == d.id }) {
				t.Errorf("%s: the deployment in the subscription is called %s in every region", name, d.name)
			}
		}
	}
}

// TestTheSubscriptionIsMadeFromTheOutputsOfItsEnvironment: a variable that is not set has its
// name as the value here.
func TestTheSubscriptionIsMadeFromTheOutputsOfItsEnvironment(t *testing.T) {
	made := setup(t, "events", nil).of(topics + "/eventSubscriptions")
	if len(made) != 1 || !strings.HasSuffix(made[0].id, "/systemTopics/REGISTRY_TOPIC/eventSubscriptions/EVENT_SUBSCRIPTION") {
		t.Fatalf("%+v", made)
	}
	at := made[0].body["properties"].(map[string]any)["destination"].(map[string]any)["properties"].(map[string]any)["resourceId"]
	if at != "FUNCTION_APP_ID/functions/image-pushed" {
		t.Errorf("events go to %v", at)
	}
}

// TestASubscriptionFiltersByTheRepositories: Event Grid takes 25 values in all filters of a
// subscription, and no empty one.
func TestASubscriptionFiltersByTheRepositories(t *testing.T) {
	for _, c := range []struct {
		repositories []any
		prefixes     bool
		want         string
	}{
		{[]any{"team/shop", "team/pay"}, false, "StringIn [team/shop team/pay]"},
		{[]any{"team-1", "team-2"}, true, "StringBeginsWith [team-1 team-2]"},
		{[]any{}, true, ""},
	} {
		made := setup(t, "events", map[string]any{"repositories": c.repositories, "prefixes": c.prefixes}).of(topics + "/eventSubscriptions")
		filters := made[0].body["properties"].(map[string]any)["filter"].(map[string]any)["advancedFilters"].([]any)
		got := ""
		for _, f := range filters {
			if f := f.(map[string]any); f["key"] == "data.target.repository" {
				got += fmt.Sprint(f["operatorType"], " ", f["values"])
			}
		}
		if got != c.want {
			t.Errorf("repositories are filtered by %q, want %q", got, c.want)
		}
		if others := len(filters) - min(len(c.want), 1); others != 2 {
			t.Errorf("%d filters for other things", others)
		}
	}
}

// TestAPreviewLeavesOutTheTopicOfTheRegistry: to an identity that may only read, what-if answers
// AuthorizationFailed for a system topic, and shows nothing of the rest.
func TestAPreviewLeavesOutTheTopicOfTheRegistry(t *testing.T) {
	for _, name := range setups {
		if made := setup(t, name, nil).of(topics); len(made) != 1 {
			t.Errorf("%s: a deployment makes %d system topics", name, len(made))
		}
		preview, all := setup(t, name, map[string]any{"preview": true}), setup(t, name, nil)
		for _, r := range preview.made {
			if strings.Contains(r.id, topics) {
				t.Errorf("%s: a preview asks for %s", name, r.id)
			}
		}
		if left := len(all.made) - len(preview.made); left != 2 {
			t.Errorf("%s: a preview leaves out %d resources, want the topic and its diagnostic setting", name, left)
		}
		if text := read(t, root+"/bicep/"+name+".bicepparam"); !strings.Contains(text, "param preview = bool(readEnvironmentVariable('BLUEGREEN_PREVIEW', 'false'))") {
			t.Errorf("%s.bicepparam does not read BLUEGREEN_PREVIEW", name)
		}
	}
}

// TestAnExistingTopicOfTheRegistryIsNotWritten: only its identity is read, for dead letters.
func TestAnExistingTopicOfTheRegistryIsNotWritten(t *testing.T) {
	registry := theirs + "Microsoft.ContainerRegistry/registries/shopacr"
	c := setup(t, "controller", map[string]any{"registry": map[string]any{"id": registry, "topicName": "evgt-shop"}})
	topic := theirs + topics + "/evgt-shop"
	for _, r := range c.made {
		if strings.HasPrefix(r.id, topic) {
			t.Errorf("the deployment writes %s", r.id)
		}
	}
	if name := c.output(c.entry, "REGISTRY_TOPIC"); name != "evgt-shop" {
		t.Errorf("events are subscribed to at %s", name)
	}
	if !slices.ContainsFunc(c.of("Microsoft.Authorization/roleAssignments"), func(r resource) bool {
		return r.body["properties"].(map[string]any)["principalId"] == "principalId of "+topic+onlyAzure
	}) {
		t.Error("the topic may not write dead letters")
	}
}

// TestTwoGatewaysOfOneAppHaveTheirOwnRules: a rule is one for a name in the group.
func TestTwoGatewaysOfOneAppHaveTheirOwnRules(t *testing.T) {
	pools := []any{map[string]any{"color": "blue", "pool": "pool-blue", "settings": "set"}, map[string]any{"color": "green", "pool": "pool-green", "settings": "set"}}
	watched := func(gateway string) any {
		return map[string]any{"id": theirs + gateways + "/" + gateway, "app": "podinfo", "pools": pools}
	}
	c := setup(t, "controller", map[string]any{"watched": []any{watched("agw-west"), watched("agw-north")}})
	names := map[string]bool{}
	for _, r := range c.alertRules() {
		if names[r.name] {
			t.Errorf("two rules are called %s", r.name)
		}
		names[r.name] = true
	}
	if len(names) != 14 {
		t.Errorf("there are %d rules, want seven for each gateway", len(names))
	}
}

// TestTheStorageIsGrantedBeforeTheAppIsMade: a grant takes minutes to spread, and the code is
// deployed with it.
func TestTheStorageIsGrantedBeforeTheAppIsMade(t *testing.T) {
	for _, name := range setups {
		c := setup(t, name, nil)
		order := func(kind string, fits func(resource) bool) int {
			return slices.IndexFunc(c.made, func(r resource) bool { return r.kind == kind && fits(r) })
		}
		app := order("Microsoft.Web/sites", func(resource) bool { return true })
		grant := order("Microsoft.Authorization/roleAssignments", func(r resource) bool {
			p := r.body["properties"].(map[string]any)
			return strings.Contains(r.id, "/storageAccounts/") && p["principalId"] == c.output(c.entry, "CONTROLLER_OBJECT_ID")
		})
		if grant < 0 || grant > app {
			t.Errorf("%s: the grant on the storage account is resource %d, the app is %d", name, grant, app)
		}
	}
	app := load(t)["modules/controller.bicep"].find("module", "app")
	waits := []string{}
	if list := object(app.body).get("dependsOn"); list != nil {
		for _, on := range list.kids {
			waits = append(waits, on.text)
		}
	}
	if !slices.Contains(waits, "storageRoles") {
		t.Errorf("the app does not wait for the grants on its storage account, but for %v", waits)
	}
}
