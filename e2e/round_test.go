package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/internal/round"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	roundApps     = 10_000
	roundGateways = 50
	roundClusters = 20
	roundSpaces   = 10 // namespaces of a cluster
)

// wire answers each request after the time that a network takes, from texts by path.
type wire struct {
	asked atomic.Int64
	texts map[string][]byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked.Add(1)
	time.Sleep(5 * time.Millisecond)
	key := r.URL.Path
	if f := r.URL.Query().Get("fieldSelector"); f != "" {
		key += "?" + f
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	text, ok := w.texts[key]
	if !ok {
		resp.StatusCode = http.StatusNotFound
	}
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return resp, nil
}

func (w *wire) Do(r *http.Request) (*http.Response, error) { return w.RoundTrip(r) }

func encoded(b *testing.B, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// gateway is the id of the n-th gateway; its text has the pools and rules of all its apps.
func (w *wire) gateway(b *testing.B, n int) string {
	id := fmt.Sprintf("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/applicationGateways/gw-%d", n)
	var pools, rules []any
	for i := n; i < roundApps; i += roundGateways {
		pool := map[string]any{}
		for _, c := range []string{"blue", "green"} {
			name := fmt.Sprintf("%s-%d", c, i)
			pool[c] = map[string]any{"id": id + "/backendAddressPools/" + name}
			pools = append(pools, map[string]any{"name": name, "id": id + "/backendAddressPools/" + name})
		}
		rules = append(rules, map[string]any{"name": fmt.Sprint("rule-", i), "properties": map[string]any{"ruleType": "Basic", "provisioningState": "Succeeded", "backendAddressPool": pool["blue"]}})
	}
	w.texts[id] = encoded(b, map[string]any{"properties": map[string]any{
		"provisioningState": "Succeeded", "operationalState": "Running", "backendAddressPools": pools, "requestRoutingRules": rules,
	}})
	return id
}

// deployments are those of all apps of a namespace, together and each alone.
func (w *wire) deployments(b *testing.B, path string, names []string) {
	list := appsv1.DeploymentList{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DeploymentList"}}
	for _, name := range names {
		size := int32(3)
		d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: appsv1.DeploymentStatus{Replicas: size, UpdatedReplicas: size, AvailableReplicas: size, ReadyReplicas: size}}
		d.Spec.Replicas = &size
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: fmt.Sprintf("registry.example/demo@sha256:%064x", 1)}}
		list.Items = append(list.Items, d)
		one := list
		one.Items = []appsv1.Deployment{d}
		w.texts[path+"?metadata.name="+name] = encoded(b, one)
	}
	w.texts[path] = encoded(b, list)
}

// lookers are the adapters of one app.
type lookers struct {
	gateway   engine.Gateway
	workloads engine.Workloads
}

func (w *wire) apps(b *testing.B) (all []lookers) {
	var ids []string
	for n := range roundGateways {
		ids = append(ids, w.gateway(b, n))
	}
	var clusters []*access.Cluster
	for n := range roundClusters {
		clusters = append(clusters, access.New(fmt.Sprint("cluster-", n), func(context.Context) (*rest.Config, error) {
			c := &rest.Config{Host: fmt.Sprintf("https://cluster-%d", n)}
			c.Wrap(func(http.RoundTripper) http.RoundTripper { return w })
			return c, nil
		}))
	}
	manager := resource.NewManager(&azfake.TokenCredential{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: w}})
	names := map[string][]string{}
	for i := range roundApps {
		cluster, space := i%roundClusters, fmt.Sprintf("space-%d-%d", i%roundClusters, i/roundClusters%roundSpaces)
		target := func(color string) workload.Target {
			name := fmt.Sprintf("%s-%d", color, i)
			names[space] = append(names[space], name)
			return workload.Target{Cluster: clusters[cluster], Namespace: space, Deployments: []string{name}}
		}
		g, err := appgateway.New(appgateway.Options{
			ID: ids[i%roundGateways], Rules: []string{fmt.Sprint("rule-", i)}, Manager: manager,
			Blue: appgateway.Backend{Pool: fmt.Sprint("blue-", i)}, Green: appgateway.Backend{Pool: fmt.Sprint("green-", i)},
		})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, lookers{g, workload.New(workload.Options{App: fmt.Sprint("app-", i), Repository: "registry.example/demo", Blue: target("blue"), Green: target("green")})})
	}
	for space, list := range names {
		w.deployments(b, "/apis/apps/v1/namespaces/"+space+"/deployments", list)
	}
	return all
}

// look has all apps look, eight at a time, as a tick does.
func (w *wire) look(b *testing.B, ctx context.Context, apps []lookers) (took time.Duration, asked int64) {
	before, began := w.asked.Load(), time.Now()
	var g errgroup.Group
	g.SetLimit(8)
	for _, a := range apps {
		g.Go(func() error {
			r, err := a.gateway.Live(ctx)
			if err != nil || r.Live != release.Blue {
				return fmt.Errorf("%s is live, %v: %s", r.Live, err, r.Detail)
			}
			for _, c := range []release.Color{release.Blue, release.Green} {
				if o, err := a.workloads.Observe(ctx, c, release.Image{}, 0); err != nil || o.Ready != 3 {
					return fmt.Errorf("%d pods are ready, %v", o.Ready, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began), w.asked.Load() - before
}

// BenchmarkLooks compares the looks of 10,000 apps that share their reads with the same looks by
// themselves, against a wire of 5 ms, in the same run.
func BenchmarkLooks(b *testing.B) {
	w := &wire{texts: map[string][]byte{}}
	apps := w.apps(b)
	var together, alone time.Duration
	var few, many int64
	for range b.N {
		together, few = w.look(b, round.With(b.Context()), apps)
		alone, many = w.look(b, b.Context(), apps)
	}
	b.ReportMetric(together.Seconds(), "shared-s")
	b.ReportMetric(alone.Seconds(), "alone-s")
	b.ReportMetric(together.Seconds()/alone.Seconds(), "ratio")
	b.ReportMetric(float64(few), "shared-calls")
	b.ReportMetric(float64(many), "alone-calls")
	b.ReportMetric(0, "ns/op")
}
