package infra_test

import (
	"cmp"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// subnet is one of a network, with the rules that hold for it.
type subnet struct {
	name, prefix string
	properties   map[string]any
	rules        []map[string]any
}

// subnets are those of all networks of a deployment, by name.
func (c *deployment) subnets() map[string]subnet {
	found := map[string]subnet{}
	for _, network := range c.of("Microsoft.Network/virtualNetworks") {
		for _, s := range list(network.body, "subnets") {
			p := s["properties"].(map[string]any)
			group, _ := c.withID(p["networkSecurityGroup"].(map[string]any)["id"].(string))
			rules := list(group.body, "securityRules")
			slices.SortFunc(rules, func(a, b map[string]any) int {
				return cmp.Compare(a["properties"].(map[string]any)["priority"].(int), b["properties"].(map[string]any)["priority"].(int))
			})
			name := s["name"].(string)
			found[name] = subnet{name, p["addressPrefix"].(string), p, rules}
		}
	}
	return found
}

// lets reports whether the rules of a subnet let a connection pass. Without a rule Azure allows
// what is within the virtual network and its peers.
func (s subnet) lets(direction, from, to string, port int) bool {
	within := func(prefixes any, address string) bool {
		all, _ := prefixes.([]any)
		if one, ok := prefixes.(string); ok {
			all = []any{one}
		}
		return slices.ContainsFunc(all, func(prefix any) bool {
			switch prefix {
			case "*":
				return true
			case "VirtualNetwork":
				return strings.HasPrefix(address, "10.")
			}
			p, err := netip.ParsePrefix(prefix.(string))
			return err == nil && p.Contains(netip.MustParseAddr(address))
		})
	}
	ports := func(ports any) bool {
		all, _ := ports.([]any)
		if one, ok := ports.(string); ok {
			all = []any{one}
		}
		return slices.Contains(all, any("*")) || slices.Contains(all, any(strconv.Itoa(port)))
	}
	for _, rule := range s.rules {
		p := rule["properties"].(map[string]any)
		if p["direction"] == direction && (ports(p["destinationPortRange"]) || ports(p["destinationPortRanges"])) &&
			(within(p["sourceAddressPrefix"], from) || within(p["sourceAddressPrefixes"], from)) && within(p["destinationAddressPrefix"], to) {
			return p["access"] == "Allow"
		}
	}
	return strings.HasPrefix(from, "10.") && strings.HasPrefix(to, "10.")
}

// in is an address of a subnet.
func (s subnet) in() string {
	return netip.MustParsePrefix(s.prefix).Addr().Next().Next().Next().Next().Next().String()
}

// TestOnlyTheGatewayReachesAColor: a packet to the address of an internal load balancer keeps
// this destination up to the node, and the rules of the nodes' subnet decide. Those of the
// subnet of the address decide nothing: no network card is there.
func TestOnlyTheGatewayReachesAColor(t *testing.T) {
	for file, oneGateway := range map[string]bool{"main": false, "main.full": false, "shared": true} {
		c := setup(t, file, nil)
		all := c.subnets()
		for i, color := range colors {
			nodes, address := all["snet-nodes-"+string(color)], c.output(c.entry, strings.ToUpper(string(color))+"_INGRESS").(string)
			may := []string{"snet-gateway-" + string(color), "snet-functions"}
			if oneGateway {
				may = []string{"snet-gateway"}
			}
			for name, from := range all {
				if strings.HasPrefix(name, "snet-nodes") && (oneGateway || strings.HasSuffix(name, string(color))) {
					continue // nodes forward to each other
				}
				if got, want := nodes.lets("Inbound", from.in(), address, 80), slices.Contains(may, name); got != want {
					t.Errorf("%s: %s reaches the pods of %s: %v, want %v", file, name, color, got, want)
				}
			}
			if other := "snet-nodes-" + string(colors[1-i]); !oneGateway && nodes.lets("Inbound", all[other].in(), nodes.in(), 10250) {
				t.Errorf("%s: %s reaches the nodes of %s", file, other, color)
			}
		}
	}
}

// TestNoHostOpensSessionsInTheNetwork: only Bastion, which exists for it.
func TestNoHostOpensSessionsInTheNetwork(t *testing.T) {
	for _, file := range []string{"main", "main.full", "shared"} {
		for name, s := range setup(t, file, nil).subnets() {
			for _, port := range []int{22, 3389} {
				if got, want := s.lets("Outbound", s.in(), "10.0.0.9", port), name == "AzureBastionSubnet"; got != want {
					t.Errorf("%s: %s opens connections to port %d in the network: %v, want %v", file, name, port, got, want)
				}
			}
			if name != "AzureBastionSubnet" && !s.lets("Outbound", s.in(), "10.0.13.5", 443) {
				t.Errorf("%s: %s does not reach port 443 in the network", file, name)
			}
		}
	}
}

// TestNoSubnetHasDefaultOutboundAccess: nodes go through their load balancer, gateways through
// their public address, the jump host through its NAT gateway. For the subnets of Bastion and
// of Functions Azure does not support it.
func TestNoSubnetHasDefaultOutboundAccess(t *testing.T) {
	for _, file := range []string{"main", "main.full", "shared"} {
		for name, s := range setup(t, file, nil).subnets() {
			managed := name == "AzureBastionSubnet" || len(s.properties["delegations"].([]any)) > 0
			if s.properties["defaultOutboundAccess"] != managed {
				t.Errorf("%s: %s has default outbound access: %v, want %v", file, name, s.properties["defaultOutboundAccess"], managed)
			}
		}
	}
}

func TestEveryPartIsInAllZones(t *testing.T) {
	c := setup(t, "main.full", nil)
	zones := []any{"1", "2", "3"}
	for _, r := range append(c.of(addresses), c.of(gateways)...) {
		if diff := gocmp.Diff(zones, r.body["zones"]); diff != "" {
			t.Errorf("%s is in the zones %v", r.name, r.body["zones"])
		}
	}
	for _, file := range []string{"controller", "main.full"} {
		if plan := setup(t, file, nil).of("Microsoft.Web/serverfarms")[0]; plan.body["properties"].(map[string]any)["zoneRedundant"] != true {
			t.Errorf("%s: the plan of the controller is not zone redundant", file)
		}
	}
	// Where zones are not asked for, and a plan on storage in one zone.
	for _, file := range []string{"main", "shared"} {
		c := setup(t, file, nil)
		if plan := c.of("Microsoft.Web/serverfarms")[0]; plan.body["properties"].(map[string]any)["zoneRedundant"] != false {
			t.Errorf("%s: the plan of the controller is zone redundant: %v", file, plan.body)
		}
		for _, r := range c.of(addresses) {
			if r.body["zones"] != nil {
				t.Errorf("%s: %s is in the zones %v", file, r.name, r.body["zones"])
			}
		}
	}
}

func TestAClosedRegistryExportsNothing(t *testing.T) {
	for file, want := range map[string]any{"main.full": "disabled", "main": "enabled", "shared": nil} {
		p := setup(t, file, nil).of("Microsoft.ContainerRegistry/registries")[0].body["properties"].(map[string]any)
		policies, _ := p["policies"].(map[string]any)
		export, _ := policies["exportPolicy"].(map[string]any)
		if export["status"] != want {
			t.Errorf("%s: the registry is %v, its export is %v, want %v", file, p["publicNetworkAccess"], export["status"], want)
		}
	}
}

func TestTheTopicOfOutcomesIsClosedWhereTheControllerHasANetwork(t *testing.T) {
	c := setup(t, "main.full", nil)
	topic := c.of("Microsoft.EventGrid/topics")[0]
	if access := topic.body["properties"].(map[string]any)["publicNetworkAccess"]; access != "Disabled" {
		t.Errorf("main.full: public access to the topic of outcomes is %v", access)
	}
	if !slices.ContainsFunc(c.of("Microsoft.Network/privateEndpoints"), func(r resource) bool { return slices.Contains(r.links(), topic.id) }) {
		t.Error("main.full: the controller has no endpoint of the topic of outcomes")
	}
	c = setup(t, "shared", map[string]any{"outcomeTopic": true})
	if access := c.of("Microsoft.EventGrid/topics")[0].body["properties"].(map[string]any)["publicNetworkAccess"]; access != "Enabled" {
		t.Errorf("shared: public access to the topic of outcomes is %v, but the controller has no network", access)
	}
}

func TestTheClusterLogsItsScheduler(t *testing.T) {
	for _, r := range setup(t, "main", nil).of("Microsoft.Insights/diagnosticSettings") {
		if strings.Contains(r.id, "/managedClusters/") && !slices.ContainsFunc(list(r.body, "logs"), func(l map[string]any) bool { return l["category"] == "kube-scheduler" }) {
			t.Errorf("%s has no kube-scheduler", r.id)
		}
	}
}

func TestTheJumpHostIsLoggedAndItsSizeIsAParameter(t *testing.T) {
	c := setup(t, "main.full", map[string]any{"jumpHostSize": "Standard_D2as_v5"})
	host := c.of("Microsoft.Compute/virtualMachines")[0]
	if size := host.body["properties"].(map[string]any)["hardwareProfile"].(map[string]any)["vmSize"]; size != "Standard_D2as_v5" {
		t.Errorf("the size of the jump host is %v", size)
	}
	if !slices.ContainsFunc(c.of("Microsoft.Compute/virtualMachines/extensions"), func(r resource) bool { return r.name == "AzureMonitorLinuxAgent" }) {
		t.Error("the jump host has no Azure Monitor Agent")
	}
	if !slices.ContainsFunc(c.of("Microsoft.Insights/dataCollectionRuleAssociations"), func(r resource) bool {
		rule, made := c.withID(r.body["properties"].(map[string]any)["dataCollectionRuleId"].(string))
		return strings.HasPrefix(r.id, host.id+"/") && made && path.Base(rule.id) != ""
	}) {
		t.Error("the agent of the jump host has no rule of what it collects")
	}
}

// TestAnExistingJumpHostIsKept: Azure refuses another SSH key or another cloud-init.
func TestAnExistingJumpHostIsKept(t *testing.T) {
	c := setup(t, "main.full", map[string]any{"jumpHostExists": true})
	if made := c.of("Microsoft.Compute/virtualMachines"); len(made) > 0 {
		t.Errorf("the deployment writes %s", made[0].name)
	}
	if id := c.output(c.entry, "JUMP_HOST_ID").(string); path.Base(id) != "vm-bluegreen-jump" {
		t.Errorf("the jump host is %s", id)
	}
	if len(c.of("Microsoft.Compute/virtualMachines/extensions")) != 2 {
		t.Error("an existing jump host does not get its extensions")
	}
}
