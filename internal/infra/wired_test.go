package infra_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/release"
)

// right is an action that the controller may take on a resource.
type right struct{ action, id string }

// rights are those of the custom roles that the controller is given.
func (c *deployment) rights() (found []right) {
	for _, r := range c.of("Microsoft.Authorization/roleAssignments") {
		p := r.body["properties"].(map[string]any)
		role, custom := c.withID(p["roleDefinitionId"].(string))
		if !custom || p["principalId"] != c.output(c.entry, "CONTROLLER_OBJECT_ID") {
			continue
		}
		for _, permission := range list(role.body, "permissions") {
			for _, action := range permission["actions"].([]any) {
				found = append(found, right{action.(string), before(r.id, "/providers/Microsoft.Authorization/")})
			}
		}
	}
	return found
}

// links are the ids of other resources in the description of one.
func (r resource) links() []string {
	found := map[string]bool{}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, here+"/") && !strings.HasPrefix(v, r.id+"/") {
				found[v] = true
			}
		case []any:
			for _, value := range v {
				look(value)
			}
		case map[string]any:
			for key, value := range v {
				look(key)
				look(value)
			}
		}
	}
	look(r.body)
	return slices.Sorted(maps.Keys(found))
}

// exists reports whether a resource, or a subnet within its network, is made.
func (c *deployment) exists(id string) bool {
	network, _ := c.withID(path.Dir(path.Dir(id)))
	_, made := c.withID(id)
	return made || slices.ContainsFunc(list(network.body, "subnets"), func(s map[string]any) bool { return s["name"] == path.Base(id) })
}

// TestTheControllerMayWriteItsGateways: at every write Azure requires permissions on all
// resources that the gateway refers to. These resources must be in the deployment, too.
func TestTheControllerMayWriteItsGateways(t *testing.T) {
	network := "Microsoft.Network/"
	onLinks := map[string]string{
		"subnets": network + "virtualNetworks/subnets/join/action", "publicIPAddresses": network + "publicIPAddresses/join/action",
		"userAssignedIdentities":                           "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
		"ApplicationGatewayWebApplicationFirewallPolicies": network + "ApplicationGatewayWebApplicationFirewallPolicies/join/action",
	}
	each(t, func(t *testing.T, file string, params map[string]any, _ release.Color) {
		c := setup(t, file, params)
		app, rights := c.configured(), c.rights()
		r, _ := c.withID(app.Gateway.TrafficManager + app.Gateway.ApplicationGateway)
		needed := []right{{r.kind + "/read", r.id}, {r.kind + "/write", r.id}}
		for _, id := range r.links() {
			if !c.exists(id) {
				t.Errorf("%s refers to %s, which is not made", r.name, id)
			}
			action := onLinks[path.Base(path.Dir(id))]
			if r.kind == profiles {
				action = network + "publicIPAddresses/read"
			}
			needed = append(needed, right{action, id})
		}
		for _, need := range needed {
			if !slices.Contains(rights, need) {
				t.Errorf("the controller is not given %s on %s", need.action, need.id)
			}
		}
		for _, has := range rights {
			if has.id != here && !slices.Contains(r.links(), has.id) && has.id != r.id {
				t.Errorf("the controller is given %s on %s for nothing", has.action, has.id)
			}
		}
	})
}

// TestEveryReferenceIsToADeployedResource: ids and names are built in more than one place, so
// that what-if can evaluate them. Existing resources are in another subscription.
func TestEveryReferenceIsToADeployedResource(t *testing.T) {
	for _, name := range setups {
		c := setup(t, name, nil)
		for _, r := range c.made {
			on := r.id[:max(0, strings.LastIndex(r.id, "/providers/"))] // the parent of an extension resource
			for _, id := range append(r.links(), on) {
				if strings.HasPrefix(id, here+"/resourceGroups/") && !c.exists(id) {
					t.Errorf("%s: %s refers to %s, which is not made", name, r.id, id)
				}
			}
		}
	}
}
