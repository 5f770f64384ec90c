package workload_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	gocmp "github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// documented reads the Role of the documentation.
func documented(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	file, err := os.ReadFile("../../../" + access.RoleFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(file), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(document), &role); err == nil && role.Kind == "Role" {
			return role.Rules
		}
	}
	t.Fatal("there is no Role in the file")
	return nil
}

// podinfo is the app that the documented Role is for.
func podinfo(c *access.Cluster, namespace string) (*workload.Workloads, *service.Gateway) {
	at := func(name string) workload.Target {
		return workload.Target{Cluster: c, Namespace: namespace, Deployments: []string{name}}
	}
	w := workload.New(workload.Options{App: "podinfo", Repository: repository, CronJob: "podinfo-smoke", Blue: at("podinfo-blue"), Green: at("podinfo-green")})
	g := service.New(service.Options{
		App: "podinfo", Cluster: c, Namespace: namespace, Service: "podinfo",
		Blue: map[string]string{"color": "blue"}, Green: map[string]string{"color": "green"},
	})
	return w, g
}

func TestTheDocumentedRoleIsTheOneOfTheCode(t *testing.T) {
	w, g := podinfo(nil, "podinfo")
	rules := slices.Concat(w.Rights(release.Blue), w.Rights(release.Green), g.Rights())
	for _, extra := range w.Extras(release.Blue, []string{"podinfo-blue", "podinfo-green"}) {
		rules = append(rules, extra.Rule)
	}
	got := merged(rules)
	if diff := gocmp.Diff(merged(documented(t)), got); diff != "" {
		t.Errorf("%s (-) and the code (+) differ:\n%s", access.RoleFile, diff)
	}
}

// merged maps each right to the names that it is for; "" is all.
func merged(rules []rbacv1.PolicyRule) map[string][]string {
	rights := map[string][]string{}
	for _, r := range rules {
		names := r.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range r.Verbs {
			key := r.APIGroups[0] + "/" + r.Resources[0] + " " + verb
			rights[key] = append(rights[key], names...)
			slices.SortFunc(rights[key], cmp.Compare[string])
			rights[key] = slices.Compact(rights[key])
		}
	}
	return rights
}

func TestTheDocumentedRoleIsEnoughForAWholeRelease(t *testing.T) {
	c := testbed.Shared(t)
	w := newEnv(t, c)
	for color, replicas := range map[string]int32{"blue": 2, "green": 0} {
		c.Deploy(t, testbed.DeploymentSpec{
			Namespace: w.namespace, Name: "podinfo-" + color, Image: reference(w.images[0]), Replicas: replicas, Labels: map[string]string{"color": color},
		})
	}
	w.template("podinfo-smoke", "shop.example/check:1")
	c.Service(t, w.namespace, "podinfo", map[string]string{"color": "blue"})
	c.WaitAvailable(t, w.namespace, "podinfo-blue", 2)
	cluster := access.New("testbed", func(context.Context) (*rest.Config, error) { return c.UserConfig(testbed.DefaultUser), nil })
	work, gateway := podinfo(cluster, w.namespace)
	ctx := t.Context()

	refused(t, work, gateway)
	c.Grant(t, w.namespace, testbed.DefaultUser, documented(t)...)
	for _, part := range []engine.Preflight{work, gateway} {
		testbed.Eventually(t, 30*time.Second, func() bool { // the authorizer learns of Roles by a watch
			found, err := part.Preflight(ctx)
			return err == nil && len(found) == 0
		}, func() string { found, err := part.Preflight(ctx); return fmt.Sprint(found, errorText(err)) })
	}
	if err := work.Deploy(ctx, engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.Workloads = work
	w.until(release.Green, w.images[1], release.Complete)
	r := w.run("podinfo-smoke")
	if found := r.end(); found.Verdict != release.Passed {
		t.Errorf("the check: %s", found.Detail)
	}
	if err := r.check.(engine.Maker).End(ctx, r.subject); err != nil {
		t.Error(err)
	}
	if h, err := gateway.Health(ctx, release.Green); err != nil || !h.Healthy {
		t.Errorf("health %+v, error %v", h, err)
	}
	if op, err := gateway.Switch(ctx, release.Green, 1); err != nil || !op.Done {
		t.Errorf("switch %+v, error %v", op, err)
	}
	if r, err := gateway.Live(ctx); err != nil || r.Live != release.Green {
		t.Errorf("live %+v, error %v", r, err)
	}
	if err := work.Scale(ctx, release.Blue, 0, 1); err != nil {
		t.Error(err)
	}
	if o, err := work.Observe(ctx, release.Blue, release.Image{}, 0); err != nil || o.Replicas[0] != 0 {
		t.Errorf("blue has %v, error %v", o.Replicas, err)
	}
}

// documentedWithout is the documented Role for the Deployments of env, without a verb.
func documentedWithout(t *testing.T, resource, verb string) (rules []rbacv1.PolicyRule) {
	for _, r := range documented(t) {
		if r.Resources[0] == resource {
			r.Verbs = slices.DeleteFunc(r.Verbs, func(v string) bool { return v == verb })
		}
		for i, name := range r.ResourceNames {
			r.ResourceNames[i] = strings.TrimPrefix(name, "podinfo-")
		}
		if len(r.Verbs) > 0 {
			rules = append(rules, r)
		}
	}
	return rules
}

// limited is the app of env with no rights but these.
func (w *env) limited(rules []rbacv1.PolicyRule) *workload.Workloads {
	user := "user-of-" + w.namespace
	w.cluster.Grant(w.t, w.namespace, user, rules...)
	cluster := access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := w.cluster.AdminConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		return config, nil
	})
	at := func(name string) workload.Target {
		return workload.Target{Cluster: cluster, Namespace: w.namespace, Deployments: []string{name}}
	}
	work := workload.New(workload.Options{App: "podinfo", Repository: repository, Blue: at("blue"), Green: at("green")})
	testbed.Eventually(w.t, 30*time.Second, func() bool {
		_, err := work.Observe(w.t.Context(), release.Blue, release.Image{}, 0)
		return err == nil
	}, func() string { return "the rights are not known to the API server" })
	return work
}

// TestWithoutTheExtraRightsARollbackGoesOn: a Role that was applied for an earlier version
// lacks them.
func TestWithoutTheExtraRightsARollbackGoesOn(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.cluster.HPA(t, w.namespace, "green", 1, 9)
	w.cluster.Behave(w.images[1].Digest, testbed.NeverReady())
	var rules []rbacv1.PolicyRule
	for _, r := range documentedWithout(t, "replicasets", "list") {
		if r.Resources[0] != "horizontalpodautoscalers" || slices.Contains(r.Verbs, "list") {
			rules = append(rules, r)
		}
	}
	work := w.limited(rules)
	if err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	w.Workloads = work
	w.eventually(w.images[1], "the identity may not list replicasets")
	if err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: w.images[2], Size: []int32{2}, Fence: 2}); err != nil {
		t.Fatal(err)
	}
	w.until(release.Green, w.images[2], release.Complete)
	found, err := work.Preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{apiGroups: ["apps"], resources: [replicasets], verbs: [list]}; until then`,
		`{apiGroups: ["autoscaling"], resources: [horizontalpodautoscalers], resourceNames: [green], verbs: [patch]}; until then`,
	} {
		if !slices.ContainsFunc(found, func(f engine.Finding) bool { return f.Warning && strings.Contains(f.Text, want) }) {
			t.Errorf("%q is not among the warnings %v", want, found)
		}
	}
}

// TestLookingWritesNothing: a rollback to a color of the right size is judged by a look.
func TestLookingWritesNothing(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	w.seed(release.Green, w.images[1], 2)
	var rules []rbacv1.PolicyRule
	for _, r := range documentedWithout(t, "deployments", "patch") {
		if r.Resources[0] == "deployments" || r.Resources[0] == "pods" {
			rules = append(rules, r)
		}
	}
	o, err := w.limited(rules).Observe(t.Context(), release.Green, w.images[1], 0)
	if err != nil || o.Status != release.Complete || !o.Matches || o.Ready != 2 || !slices.Equal(o.Replicas, []int32{2}) {
		t.Errorf("%+v, error %v", o, err)
	}
}

// refused checks that without rights each part names the missing right, and changes nothing.
func refused(t *testing.T, work *workload.Workloads, gateway *service.Gateway) {
	t.Helper()
	var all []engine.Finding
	for _, part := range []engine.Preflight{work, gateway} {
		found, err := part.Preflight(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	text := fmt.Sprint(all)
	for _, want := range []string{
		`blue: the identity may not list, watch, patch deployments in namespace`,
		`{apiGroups: ["apps"], resources: [deployments], resourceNames: [podinfo-blue], verbs: [list, watch, patch]}`,
		`green: the identity may not get, create, delete jobs`,
		`{apiGroups: [""], resources: [services], resourceNames: [podinfo], verbs: [get, patch]}`,
		access.RoleFile,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not among\n%s", want, text)
		}
	}
	err := work.Deploy(t.Context(), engine.Order{Color: release.Green, Image: release.Image{Digest: "sha256:1"}, Fence: 1})
	if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), access.RoleFile) {
		t.Errorf("deploying without rights: %v", err)
	}
	if _, err := gateway.Switch(t.Context(), release.Green, 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("switching without rights: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
