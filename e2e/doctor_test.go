package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"

	"bluegreen/internal/api"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/emulator/arm"
	"bluegreen/testbed"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ward is an app whose parts are taken away in turn.
type ward struct {
	*shop
	t *testing.T
}

// fault is one part that is taken away. The doctor must find it by a check, in a state, with words
// of its reason and of its fix; what it finds besides has to speak of the same, in one of also.
type fault struct {
	name, check string
	state       api.CheckState
	reason, fix string
	also        []string
	take        func(w *ward) (back func())
}

// examine returns what is not well.
func (w *ward) examine() (all int, ill []api.Check) {
	w.t.Helper()
	for _, app := range []string{"", "podinfo"} {
		d, err := w.client(0).Doctor(w.t.Context(), app)
		if err != nil {
			w.t.Fatal(err)
		}
		all += len(d.Checks)
		for _, c := range d.Checks {
			if c.State != api.CheckOK {
				ill = append(ill, c)
			}
		}
	}
	return all, ill
}

// meets waits until the checks are as wanted: a right that was given or taken, and a gateway, take
// a moment to count.
func (w *ward) meets(want func(ill []api.Check) string) {
	w.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, ill := w.examine()
		wrong := want(ill)
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s:\n%s", wrong, listed(ill))
		}
	}
}

func listed(checks []api.Check) string {
	var lines []string
	for _, c := range checks {
		lines = append(lines, fmt.Sprintf("%s, %s (%s): %s\n\tfix: %s", c.State, c.Name, c.Target, c.Reason, c.Fix))
	}
	return strings.Join(lines, "\n")
}

func allWell(ill []api.Check) string {
	if len(ill) > 0 {
		return "not everything is well"
	}
	return ""
}

// named wants the fault, and nothing of anything else.
func (f fault) named(ill []api.Check) string {
	if !slices.ContainsFunc(ill, func(c api.Check) bool {
		return c.Name == f.check && c.State == f.state && strings.Contains(c.Reason, f.reason) && strings.Contains(c.Fix, f.fix) && (c.Fix != "") == (f.fix != "")
	}) {
		return fmt.Sprintf("%s %q with the fix %q is not found", f.state, f.reason, f.fix)
	}
	for _, c := range ill {
		if !slices.ContainsFunc(append(f.also, f.reason), func(part string) bool { return strings.Contains(c.Reason, part) }) {
			return fmt.Sprintf("%q is found as well", c.Reason)
		}
	}
	return ""
}

// without takes a verb of a resource out of the app's Role on a color.
func without(resource, verb string) func(w *ward) func() {
	return func(w *ward) func() {
		roles := w.green.Client().RbacV1().Roles(w.greenSpace)
		role, err := roles.Get(w.t.Context(), testbed.DefaultUser, metav1.GetOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		was := role.DeepCopy()
		for i, rule := range role.Rules {
			if slices.Contains(rule.Resources, resource) {
				role.Rules[i].Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(v string) bool { return v == verb })
			}
		}
		role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return len(r.Verbs) == 0 })
		return w.replaceRole(role, was.Rules)
	}
}

func (w *ward) replaceRole(role *rbacv1.Role, was []rbacv1.PolicyRule) func() {
	roles := w.green.Client().RbacV1().Roles(w.greenSpace)
	put := func(r *rbacv1.Role) *rbacv1.Role {
		written, err := roles.Update(w.t.Context(), r, metav1.UpdateOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		return written
	}
	written := put(role)
	return func() {
		written.Rules = was
		put(written)
	}
}

// denied takes an Azure action from the app's identity.
func denied(action string) func(w *ward) func() {
	return func(w *ward) func() {
		w.azure.Deny("", action)
		return func() { w.azure.PermitAll("") }
	}
}

// edited changes the gateway.
func edited(change func(doc, properties map[string]any)) func(w *ward) func() {
	return func(w *ward) func() {
		was := w.gateway.Document()
		edit := func(doc map[string]any) { change(doc, doc["properties"].(map[string]any)) }
		if err := w.gateway.Rival(edit); err != nil {
			w.t.Fatal(err)
		}
		w.gateway.Release()
		return func() {
			if err := w.gateway.RivalPut(was); err != nil {
				w.t.Fatal(err)
			}
			w.gateway.Release()
		}
	}
}

// part is the properties of a part of the gateway.
func part(properties map[string]any, section, name string) map[string]any {
	for _, p := range properties[section].([]any) {
		if p := p.(map[string]any); p["name"] == name {
			return p["properties"].(map[string]any)
		}
	}
	panic(section + " has no " + name)
}

// deployed changes the Deployment of green.
func deployed(change func(d *appsv1.Deployment)) func(w *ward) func() {
	return func(w *ward) func() {
		all := w.green.Client().AppsV1().Deployments(w.greenSpace)
		put := func(change func(d *appsv1.Deployment)) appsv1.DeploymentSpec {
			d, err := all.Get(w.t.Context(), "podinfo", metav1.GetOptions{})
			if err != nil {
				w.t.Fatal(err)
			}
			was := *d.Spec.DeepCopy()
			change(d)
			if _, err := all.Update(w.t.Context(), d, metav1.UpdateOptions{}); err != nil {
				w.t.Fatal(err)
			}
			return was
		}
		was := put(change)
		return func() { put(func(d *appsv1.Deployment) { d.Spec = was }) }
	}
}

func container(d *appsv1.Deployment) *corev1.Container { return &d.Spec.Template.Spec.Containers[0] }

func (w *ward) noDeployment() func() {
	all := w.green.Client().AppsV1().Deployments(w.greenSpace)
	d, err := all.Get(w.t.Context(), "podinfo", metav1.GetOptions{})
	if err == nil {
		err = all.Delete(w.t.Context(), "podinfo", metav1.DeleteOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		fresh := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: d.Namespace, Annotations: d.Annotations}, Spec: d.Spec}
		if _, err := all.Create(w.t.Context(), fresh, metav1.CreateOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *ward) greenCluster() arm.Cluster {
	return arm.Cluster{ID: group + "/Microsoft.ContainerService/managedClusters/aks-green", Server: w.green.Server(), CAData: w.green.CAData()}
}

// TestTheDoctorNamesWhatIsTakenAway takes parts away one after the other, asks, and puts them back.
func TestTheDoctorNamesWhatIsTakenAway(t *testing.T) {
	t.Parallel()
	s := newShop(t, "")
	w := &ward{s, t}
	s.users.Stop()
	w.takenOver()
	w.meets(allWell)
	all, _ := w.examine()
	t.Logf("%d checks with nothing taken away, all well", all)

	w.names(t, faults())
}

// names takes each fault, asks, and puts it back.
func (w *ward) names(t *testing.T, faults []fault) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			w.t = t
			back := f.take(w)
			returned := false
			defer func() {
				if !returned {
					back()
				}
			}()
			w.meets(f.named)
			back()
			returned = true
			w.meets(allWell)
		})
	}
	t.Logf("%d faults named", len(faults))
}

// takenOver does not wait for the first tick.
func (w *ward) takenOver() {
	w.t.Helper()
	if err := queue.New(w.queues().NewQueueClient("release-steps")).Wake(w.t.Context(), "podinfo", time.Now()); err != nil {
		w.t.Fatal(err)
	}
	w.until("podinfo", 2*time.Minute, "taken over", func(a api.App) bool { return a.Live == "blue" })
}

func (w *ward) queues() *azqueue.ServiceClient {
	queues, err := azqueue.NewServiceClientFromConnectionString(w.azurite.ConnectionString(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return queues
}

func faults() []fault {
	const problem, warning, unknown = api.CheckProblem, api.CheckWarning, api.CheckUnknown
	network := "Microsoft.Network/"
	grant := "az role assignment create --assignee-object-id 7a5e0c1f-0b6d-4d3a-8c11-3f2e9d4b6a70"
	missing := func(resource, verb string, state api.CheckState) fault {
		return fault{name: "right to " + verb + " " + resource, check: "workloads", state: state,
			reason: "may not " + verb + " " + resource, fix: "the rule {apiGroups: ", take: without(resource, verb)}
	}
	lacks := func(action, check, fix string) fault {
		return fault{name: action, check: check, state: problem, reason: "lacks " + action, fix: fix, take: denied(action),
			also: []string{action}}
	}
	return []fault{
		missing("deployments", "list", problem), missing("deployments", "watch", problem), missing("deployments", "patch", problem),
		missing("pods", "list", problem), missing("pods", "watch", problem),
		missing("horizontalpodautoscalers", "list", problem), missing("replicasets", "list", warning),

		lacks(network+"applicationGateways/read", "gateway", grant),
		lacks(network+"applicationGateways/write", "gateway rights", grant),
		lacks(network+"applicationGateways/backendhealth/action", "gateway rights", grant),
		lacks(network+"applicationGateways/getBackendHealthOnDemand/action", "gateway rights", grant),
		lacks(network+"virtualNetworks/subnets/join/action", "gateway rights", grant),
		lacks(network+"publicIPAddresses/join/action", "gateway rights", grant),
		lacks("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "gateway rights", grant),
		lacks(network+"ApplicationGatewayWebApplicationFirewallPolicies/join/action", "gateway rights", grant),
		lacks(network+"locations/operations/read", "gateway rights", grant),
		lacks(network+"locations/operationResults/read", "gateway rights", grant),
		{name: "right to see rights", check: "gateway rights", state: unknown, reason: "Microsoft.Authorization/permissions/read", take: denied("Microsoft.Authorization/permissions/read")},

		{name: "registry access", check: "registry", state: problem, reason: "may not read team/podinfo", fix: "AcrPull", take: func(w *ward) func() {
			w.registry.Deny(true)
			return func() { w.registry.Deny(false) }
		}},
		{name: "registry away", check: "registry", state: unknown, reason: "503", take: func(w *ward) func() {
			w.registry.Break(503)
			return func() { w.registry.Break(0) }
		}},

		{name: "rule", check: "gateway", state: problem, reason: "rule podinfo-https does not exist", fix: "the gateway has", take: edited(func(_, p map[string]any) {
			for _, r := range p["requestRoutingRules"].([]any) {
				if r := r.(map[string]any); r["name"] == "podinfo-https" {
					r["name"] = "podinfo-other"
				}
			}
		}), also: []string{"podinfo-other"}},
		{name: "pool", check: "gateway", state: problem, reason: "backend pool pool-green of green does not exist", fix: "az network application-gateway address-pool create", take: edited(func(_, p map[string]any) {
			p["backendAddressPools"] = slices.DeleteFunc(p["backendAddressPools"].([]any), func(o any) bool { return o.(map[string]any)["name"] == "pool-green" })
		})},
		{name: "servers of a pool", check: "gateway", state: warning, reason: "backend pool pool-green of green has no servers", fix: "nothing can answer", take: edited(func(_, p map[string]any) {
			part(p, "backendAddressPools", "pool-green")["backendAddresses"] = []any{}
		})},
		{name: "probe of the settings", check: "gateway", state: warning, reason: "HTTP settings set-app have no probe", fix: "the gateway asks for /", take: edited(func(_, p map[string]any) {
			delete(part(p, "backendHttpSettingsCollection", "set-app"), "probe")
		})},
		{name: "connection draining", check: "gateway", state: warning, reason: "HTTP settings set-app have no connection draining", fix: "turn it on", take: edited(func(_, p map[string]any) {
			delete(part(p, "backendHttpSettingsCollection", "set-app"), "connectionDraining")
		})},
		{name: "gateway stopped", check: "gateway", state: problem, reason: "the gateway is Stopped", fix: "az network application-gateway start", also: []string{"what users get of blue"}, take: func(w *ward) func() {
			w.gateway.Stop()
			return w.gateway.Start
		}},
		{name: "gateway of an ingress controller", check: "gateway", state: problem, reason: "belongs to an ingress controller", fix: "Use a gateway of its own", take: edited(func(d, _ map[string]any) {
			d["tags"].(map[string]any)["managed-by-k8s-ingress"] = "1.7"
		})},

		{name: "Deployment", check: "workloads", state: problem, reason: "there is no Deployment podinfo", fix: "create it", take: (*ward).noDeployment},
		{name: "Deployment paused", check: "workloads", state: problem, reason: "Deployment podinfo", fix: "kubectl rollout resume", take: deployed(func(d *appsv1.Deployment) { d.Spec.Paused = true })},
		{name: "digest", check: "workloads", state: warning, reason: "names its image by the tag 1.0.0", fix: "kubectl set image", take: deployed(func(d *appsv1.Deployment) {
			name, _, _ := strings.Cut(container(d).Image, "@")
			container(d).Image = name + ":1.0.0"
		})},
		{name: "image of another repository", check: "workloads", state: warning, reason: "has an image of registry.example/demo", fix: "az acr import", take: deployed(func(d *appsv1.Deployment) {
			_, digest, _ := strings.Cut(container(d).Image, "@")
			container(d).Image = "registry.example/demo@" + digest
		})},
		{name: "readiness probe", check: "workloads", state: warning, reason: "has no readiness probe", fix: "readinessProbe:", take: deployed(func(d *appsv1.Deployment) { container(d).ReadinessProbe = nil })},
		{name: "fence", check: "workloads", state: warning, reason: "is not fenced", fix: "kubectl annotate", take: func(w *ward) func() {
			all := w.green.Client().AppsV1().Deployments(w.greenSpace)
			patch := func(values string) {
				if _, err := all.Patch(w.t.Context(), "podinfo", "application/merge-patch+json", []byte(`{"metadata":{"annotations":`+values+`}}`), metav1.PatchOptions{}); err != nil {
					w.t.Fatal(err)
				}
			}
			patch(`{"bluegreen.dev/app":"podinfo","bluegreen.dev/fence":"many"}`)
			return func() { patch(`{"bluegreen.dev/app":null,"bluegreen.dev/fence":null}`) }
		}},

		{name: "cluster in ARM", check: "workloads", state: problem, reason: "there is no AKS cluster", fix: "correct its id", take: func(w *ward) func() {
			w.azure.RemoveCluster(w.greenCluster().ID)
			return func() { w.azure.AddCluster(w.greenCluster()) }
		}},
		{name: "cluster stopped", check: "workloads", state: problem, reason: "AKS cluster aks-green is stopped", fix: "az aks start", take: func(w *ward) func() {
			stopped := w.greenCluster()
			stopped.Stopped = true
			w.azure.AddCluster(stopped)
			return func() { w.azure.AddCluster(w.greenCluster()) }
		}},
		{name: "right to reach the cluster", check: "workloads", state: problem, reason: "may not get access to AKS cluster", fix: grant,
			take: denied("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action")},
		{name: "API server", check: "workloads", state: unknown, reason: "aks-green", take: func(w *ward) func() {
			w.green.StopAPIServer()
			return func() {
				if err := w.green.StartAPIServer(context.Background()); err != nil {
					w.t.Error(err)
				}
			}
		}},
		{name: "last tick", check: "clock", state: problem, reason: "the clock has not ticked since", fix: "clock-tick", take: func(w *ward) func() {
			ctx, stop := context.WithCancel(w.t.Context())
			done := make(chan struct{})
			go func() { // a tick comes every minute, and would end the fault
				defer close(done)
				for ctx.Err() == nil {
					_ = w.store().Ticked(ctx, time.Now().Add(-10*time.Minute))
					time.Sleep(50 * time.Millisecond)
				}
			}()
			return func() {
				stop()
				<-done
				if err := w.store().Ticked(w.t.Context(), time.Now()); err != nil {
					w.t.Fatal(err)
				}
			}
		}},
		{name: "queue", check: "storage", state: problem, reason: "has no queue release-steps", fix: "az storage queue create", take: func(w *ward) func() {
			queues := w.queues()
			if _, err := queues.DeleteQueue(w.t.Context(), "release-steps", nil); err != nil {
				w.t.Fatal(err)
			}
			return func() {
				if _, err := queues.CreateQueue(w.t.Context(), "release-steps", nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
					w.t.Fatal(err)
				}
			}
		}},

		{name: "table", check: "storage", state: problem, reason: "has no table with the state of apps", fix: "az storage table create", also: []string{"no color is known to have the users yet"}, take: func(w *ward) func() {
			if _, err := w.tables().DeleteTable(w.t.Context(), "bluegreen", nil); err != nil {
				w.t.Fatal(err)
			}
			return w.takenOver
		}},

		{name: "mistake in the configuration", check: "configuration", state: problem, reason: "confirm.http[0].url", fix: "bluegreen config check bluegreen.yaml",
			take: reconfigured("/healthz\"", "/{colour}\"")},
		{name: "app setting", check: "confirm", state: problem, reason: "the app setting CHECK_TOKEN is missing", fix: "add it to the Functions app",
			take: reconfigured("/healthz\"", "/healthz?t={setting:CHECK_TOKEN}\"")},
	}
}

// reconfigured asks another host, whose configuration is not as it should be.
func reconfigured(from, to string) func(w *ward) func() {
	return func(w *ward) func() {
		text := w.configuration("")
		changed := strings.Replace(text, from, to, 1)
		if changed == text {
			w.t.Fatalf("the configuration has no %s", from)
		}
		file := filepath.Join(w.t.TempDir(), "bluegreen.yaml")
		write(w.t, file, []byte(changed))
		good, bad := w.hosts[0], w.host(file)
		if err := bad.Ready(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.hosts[0] = bad
		return func() {
			bad.Close()
			w.hosts[0] = good
		}
	}
}

func (w *ward) tables() *aztables.ServiceClient {
	service, err := aztables.NewServiceClientFromConnectionString(w.azurite.ConnectionString(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return service
}

func (w *ward) store() *tables.Store { return tables.New(w.tables().NewClient("bluegreen")) }

// TestTheDoctorNamesWhatIsTakenFromATrafficManager does the same behind a profile.
func TestTheDoctorNamesWhatIsTakenFromATrafficManager(t *testing.T) {
	t.Parallel()
	p := openPassage(t, "")
	w := &ward{p.shop, t}
	w.takenOver()
	profile := func(change func(properties map[string]any)) func(w *ward) func() {
		return func(w *ward) func() {
			was := p.profile.Document()
			edit := func(to func(doc map[string]any)) {
				if err := p.profile.Rival(to); err != nil {
					w.t.Fatal(err)
				}
				p.profile.Release()
			}
			edit(func(doc map[string]any) { change(doc["properties"].(map[string]any)) })
			return func() { edit(func(doc map[string]any) { doc["properties"] = was["properties"] }) }
		}
	}
	endpoint := func(properties map[string]any, name string) map[string]any {
		return part(properties, "endpoints", name)
	}
	const right = "Microsoft.Network/"
	faults := []fault{
		{name: "right to read", check: "gateway", state: api.CheckProblem, reason: "lacks " + right + "trafficManagerProfiles/read", fix: "az role assignment create", take: denied(right + "trafficManagerProfiles/read")},
		{name: "right to write", check: "gateway rights", state: api.CheckProblem, reason: "lacks " + right + "trafficManagerProfiles/write", fix: "az role assignment create", take: denied(right + "trafficManagerProfiles/write")},
		{name: "right to read addresses", check: "gateway rights", state: api.CheckProblem, reason: "lacks " + right + "publicIPAddresses/read", fix: "az role assignment create", take: denied(right + "publicIPAddresses/read")},
		{name: "endpoint", check: "gateway", state: api.CheckProblem, reason: "endpoint green of green does not exist", fix: "az network traffic-manager endpoint create", take: profile(func(p map[string]any) {
			p["endpoints"] = slices.DeleteFunc(p["endpoints"].([]any), func(e any) bool { return e.(map[string]any)["name"] == "green" })
		})},
		{name: "idle endpoint enabled", check: "gateway", state: api.CheckWarning, reason: "endpoint green of green is also enabled", fix: "--endpoint-status Disabled", take: profile(func(p map[string]any) {
			endpoint(p, "green")["endpointStatus"] = "Enabled"
		})},
		{name: "routing method", check: "gateway", state: api.CheckProblem, reason: `the profile routes by "Weighted"`, fix: "set its routing method to Priority", take: profile(func(p map[string]any) { p["trafficRoutingMethod"] = "Weighted" })},
		{name: "profile disabled", check: "gateway", state: api.CheckProblem, reason: "the profile is disabled", fix: "--status Enabled", also: []string{"what users get of blue"}, take: profile(func(p map[string]any) { p["profileStatus"] = "Disabled" })},
		{name: "time to live", check: "gateway", state: api.CheckWarning, reason: "users follow a switch or a return only within 5m0s", fix: "set dnsConfig.ttl", take: profile(func(p map[string]any) {
			p["dnsConfig"].(map[string]any)["ttl"] = 300
		})},
	}
	w.meets(allWell)
	w.names(t, faults)
}
