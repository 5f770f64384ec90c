package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// permissions are what the identity of the app needs for a configuration, besides those on its
// own storage account.
type permissions struct {
	Roles       []role       `json:"roles"`
	Assignments []assignment `json:"assignments"`
}

// role is a Role of Kubernetes in one namespace of one cluster.
type role struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Rules     []rule `json:"rules"`
}

type rule struct {
	APIGroups     []string `json:"apiGroups" yaml:"apiGroups,flow"`
	Resources     []string `json:"resources" yaml:"resources,flow"`
	ResourceNames []string `json:"resourceNames,omitempty" yaml:"resourceNames,omitempty,flow"`
	Verbs         []string `json:"verbs" yaml:"verbs,flow"`
}

// assignment is an Azure role on a resource: a built-in one by name, or the actions that a custom
// role needs.
type assignment struct {
	Scope   string   `json:"scope"`
	Role    string   `json:"role,omitempty"`
	Actions []string `json:"actions,omitempty"`
	Why     string   `json:"why"`
}

func newRBAC(s *shell) *cobra.Command {
	return &cobra.Command{
		Use: "rbac FILE", Short: "Print the Roles and the Azure role assignments that a configuration needs",
		Long: "Print the Roles of Kubernetes and the Azure role assignments that the identity of the app needs for a\n" +
			"configuration, besides those on its own storage account. It makes no network call.",
		Example: "  bluegreen config rbac bluegreen.yaml\n  bluegreen config rbac bluegreen.yaml -o json",
		Args:    exactly("FILE", 1),
		RunE: does(func(_ *cobra.Command, args []string) error {
			c, err := s.usable(args[0])
			if err != nil {
				return err
			}
			p := permissionsOf(c)
			if s.output == "json" {
				return s.json(s.stdout, p)
			}
			return p.print(s)
		}),
	}
}

func permissionsOf(c *config.Config) permissions {
	p := permissions{Roles: []role{}, Assignments: []assignment{}}
	need := func(a assignment) {
		if !slices.ContainsFunc(p.Assignments, func(o assignment) bool { return strings.EqualFold(o.Scope, a.Scope) && o.Why == a.Why }) {
			p.Assignments = append(p.Assignments, a)
		}
	}
	for _, a := range c.Apps {
		p.Roles = append(p.Roles, rolesOf(a)...)
		need(assignment{Scope: "the registry " + a.Image.Registry, Role: "AcrPull", Why: "asks what a tag is"})
		for _, color := range []release.Color{release.Blue, release.Green} {
			if cluster := a.Color(color).Cluster; !strings.HasPrefix(cluster, "context:") {
				need(assignment{Scope: cluster, Role: "Azure Kubernetes Service Cluster User Role", Why: "reaches the cluster"})
			}
		}
		gatewayNeeds(a.Gateway, need)
	}
	if c.Notify.Topic != "" {
		need(assignment{Scope: "the topic " + c.Notify.Topic, Role: "EventGrid Data Sender", Why: "reports outcomes"})
	}
	return p
}

// gatewayNeeds are the actions on a gateway. At every write Azure also requires join and assign
// on the resources that it refers to.
func gatewayNeeds(g config.Gateway, need func(assignment)) {
	const network, readsRights = "Microsoft.Network/", "Microsoft.Authorization/permissions/read"
	if id := g.ApplicationGateway; id != "" {
		need(assignment{Scope: id, Why: "moves traffic", Actions: []string{
			network + "applicationGateways/read", network + "applicationGateways/write",
			network + "applicationGateways/backendhealth/action", network + "applicationGateways/getBackendHealthOnDemand/action",
		}})
		need(assignment{Scope: "subnet, public addresses, identities and firewall policies of " + id, Why: "Azure requires these at every write", Actions: []string{
			network + "virtualNetworks/subnets/join/action", network + "publicIPAddresses/join/action",
			"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", network + "ApplicationGatewayWebApplicationFirewallPolicies/join/action",
		}})
		need(assignment{Scope: subscriptionOf(id), Why: "follows a write to its end", Actions: []string{network + "locations/operations/read", network + "locations/operationResults/read"}})
		need(assignment{Scope: subscriptionOf(id), Why: "lets bluegreen doctor see the rights of the identity", Actions: []string{readsRights}})
	}
	if id := g.TrafficManager; id != "" {
		need(assignment{Scope: id, Why: "moves traffic", Actions: []string{network + "trafficManagerProfiles/read", network + "trafficManagerProfiles/write"}})
		need(assignment{Scope: id, Why: "lets bluegreen doctor see the rights of the identity", Actions: []string{readsRights}})
		need(assignment{Scope: "the public addresses that the endpoints of " + id + " point at", Why: "Azure reads them at every write", Actions: []string{network + "publicIPAddresses/read"}})
	}
}

// subscriptionOf is the beginning of a resource id.
func subscriptionOf(id string) string { return strings.Join(strings.Split(id, "/")[:3], "/") }

// rolesOf are the Roles of an app, one for each namespace that has a color.
func rolesOf(a config.App) (roles []role) {
	for _, color := range []release.Color{release.Blue, release.Green} {
		c := a.Color(color)
		at := slices.IndexFunc(roles, func(r role) bool { return r.Cluster == c.Cluster && r.Namespace == c.Namespace })
		if at < 0 {
			roles = append(roles, role{Cluster: c.Cluster, Namespace: c.Namespace, Name: "bluegreen-" + a.Name})
			at = len(roles) - 1
		}
		roles[at].Rules = rulesOf(a, append(deploymentsOf(roles[at]), c.Names()...))
	}
	return roles
}

// deploymentsOf are those that a Role names already.
func deploymentsOf(r role) []string {
	if len(r.Rules) == 0 {
		return nil
	}
	return r.Rules[0].ResourceNames
}

// rulesOf are the rules for Deployments, as deploy/kubernetes/access/role.yaml explains them.
func rulesOf(a config.App, deployments []string) []rule {
	slices.Sort(deployments)
	deployments = slices.Compact(deployments)
	named, all := []string{"watch", "patch"}, []string{"list"}
	if len(a.Colors.Blue.Names()) > 1 { // one watch serves them all, and cannot name them
		named, all = []string{"patch"}, []string{"list", "watch"}
	}
	rules := []rule{
		{[]string{"apps"}, []string{"deployments"}, deployments, named},
		{[]string{"apps"}, []string{"deployments"}, nil, all},
		{[]string{""}, []string{"pods"}, nil, []string{"list", "watch"}},
		{[]string{"apps"}, []string{"replicasets"}, nil, []string{"list"}},
		{[]string{"autoscaling"}, []string{"horizontalpodautoscalers"}, nil, []string{"list"}},
		{[]string{"autoscaling"}, []string{"horizontalpodautoscalers"}, deployments, []string{"patch"}},
	}
	if a.Gateway.Service != "" {
		rules = append(rules, rule{[]string{""}, []string{"services"}, []string{a.Gateway.Service}, []string{"get", "patch"}})
	}
	if a.Verify.Job != "" {
		rules = append(rules, rule{[]string{"batch"}, []string{"cronjobs"}, []string{a.Verify.Job}, []string{"get"}},
			rule{[]string{"batch"}, []string{"jobs"}, nil, []string{"get", "create", "delete"}})
	}
	return rules
}

// print writes the Roles as manifests, and the assignments as comments, so that the whole can be
// given to kubectl.
func (p permissions) print(s *shell) error {
	var out bytes.Buffer
	for _, r := range p.Roles {
		fmt.Fprintf(&out, "# cluster: %s\n# kubectl create rolebinding %s -n %s --role %s --user OBJECT_ID\n", r.Cluster, r.Name, r.Namespace, r.Name)
		e := yaml.NewEncoder(&out)
		e.SetIndent(2)
		if err := e.Encode(struct {
			APIVersion string            `yaml:"apiVersion"`
			Kind       string            `yaml:"kind"`
			Metadata   map[string]string `yaml:"metadata"`
			Rules      []rule            `yaml:"rules"`
		}{"rbac.authorization.k8s.io/v1", "Role", map[string]string{"name": r.Name, "namespace": r.Namespace}, r.Rules}); err != nil {
			return err
		}
		out.WriteString("---\n")
	}
	out.WriteString("# Azure roles of the identity (OBJECT_ID). The names of autoscalers are taken to be those of their Deployments.\n")
	for _, a := range p.Assignments {
		fmt.Fprintf(&out, "# %s, on %s\n", a.Why, a.Scope)
		if a.Role != "" {
			fmt.Fprintf(&out, "#   %s\n", a.Role)
		}
		for _, action := range a.Actions {
			fmt.Fprintf(&out, "#   %s\n", action)
		}
	}
	_, err := s.stdout.Write(out.Bytes())
	return err
}
