package aks_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/aks"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/testbed"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const (
	id       = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop/providers/Microsoft.ContainerService/managedClusters/aks-blue"
	resource = "6dae42f8-4368-4678-94ff-3960e28e3630"
)

func emulator(t *testing.T) *arm.Emulator {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// reach is how the product reaches a cluster.
func reach(t *testing.T, e *arm.Emulator) *access.Cluster {
	t.Helper()
	c, err := aks.New(id, e.Credential(""), e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	return access.New(c.Name(), c.Config)
}

func list(t *testing.T, c *access.Cluster, namespace string) error {
	_, err := c.Client().AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	return c.Explain(err)
}

func TestARealClusterIsReachedByTheIdentitysToken(t *testing.T) {
	real := testbed.Shared(t)
	namespace := real.Namespace(t)
	e := emulator(t)
	e.AddCluster(arm.Cluster{ID: id, Server: real.Server(), CAData: real.CAData()})
	e.SetToken(resource, real.Token(testbed.DefaultUser))
	c := reach(t, e)
	if err := list(t, c, namespace); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), access.RoleFile) {
		t.Errorf("without a Role: %v", err)
	}
	real.Grant(t, namespace, testbed.DefaultUser, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"list"}})
	var err error
	testbed.Eventually(t, 30*time.Second, func() bool { err = list(t, c, namespace); return err == nil }, func() string { return err.Error() })

	e.SetToken(resource, "of-another-tenant")
	if err := list(t, c, namespace); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "does not accept the identity's token") {
		t.Errorf("with a token of another tenant: %v", err)
	}
}

// server is an API server that only records the token of a request.
func server(t *testing.T, seen *atomic.Value) (*httptest.Server, arm.Cluster) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{},"items":[]}`)
	}))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s, arm.Cluster{ID: id, Server: s.URL, CAData: ca}
}

func TestAzureIsAskedOnceAndAgainWhenTheClusterHasMoved(t *testing.T) {
	var seen atomic.Value
	e := emulator(t)
	first, cluster := server(t, &seen)
	e.AddCluster(cluster)
	e.SetToken(resource, "token-1")
	c := reach(t, e)
	for range 5 {
		if err := list(t, c, "podinfo"); err != nil {
			t.Fatal(err)
		}
	}
	if n := asked(e); n != 1 || seen.Load() != "Bearer token-1" {
		t.Errorf("credentials were asked for %d times, the cluster saw %q", n, seen.Load())
	}
	e.SetToken(resource, "token-2")
	_, moved := server(t, &seen)
	e.AddCluster(moved)
	first.CloseClientConnections()
	first.Close()
	if err := list(t, c, "podinfo"); err != nil || seen.Load() != "Bearer token-2" {
		t.Errorf("after the move: error %v, the cluster saw %q", err, seen.Load())
	}
	if n := asked(e); n != 2 {
		t.Errorf("credentials were asked for %d times", n)
	}
}

func asked(e *arm.Emulator) (n int) {
	for _, r := range e.Requests() {
		if r.Method == http.MethodPost {
			n++
		}
	}
	return n
}

func TestTheReasonWhyAzureRefusesAccessIsReported(t *testing.T) {
	var seen atomic.Value
	_, cluster := server(t, &seen)
	stopped := cluster
	stopped.Stopped = true
	for name, test := range map[string]struct {
		prepare func(e *arm.Emulator)
		words   string
	}{
		"role":    {func(e *arm.Emulator) { e.AddCluster(cluster); e.Permit("") }, `give it the role "Azure Kubernetes Service Cluster User Role" on ` + id},
		"missing": {func(*arm.Emulator) {}, "there is no AKS cluster " + id},
		"disabled": {func(e *arm.Emulator) { e.AddCluster(cluster); e.Disable(strings.Split(id, "/")[2]) },
			"az account subscription enable --id " + strings.Split(id, "/")[2]},
		"locked":  {func(e *arm.Emulator) { e.AddCluster(cluster); e.Lock(id) }, "az lock list --resource-group rg-shop"},
		"stopped": {func(e *arm.Emulator) { e.AddCluster(stopped) }, "AKS cluster aks-blue is stopped: start it with az aks start -g rg-shop -n aks-blue"},
	} {
		t.Run(name, func(t *testing.T) {
			e := emulator(t)
			test.prepare(e)
			if err := list(t, reach(t, e), "podinfo"); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestTheRightToFetchCredentialsIsEnough(t *testing.T) {
	var seen atomic.Value
	e := emulator(t)
	_, cluster := server(t, &seen)
	e.AddCluster(cluster)
	e.Permit("", "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action")
	if err := list(t, reach(t, e), "podinfo"); err != nil {
		t.Error(err)
	}
}

// transport answers as a cluster without Entra ID does.
type transport struct{ kubeconfig string }

func (f transport) Do(r *http.Request) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"kubeconfigs": []any{map[string]string{
		"name": "clusterUser", "value": base64.StdEncoding.EncodeToString([]byte(f.kubeconfig)),
	}}})
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, err
}

func TestAClusterWithoutEntraIDIsRefused(t *testing.T) {
	e := emulator(t)
	options := e.ClientOptions()
	options.Transport = transport{`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
		"clusters":[{"name":"c","cluster":{"server":"https://192.0.2.1"}}],"users":[{"name":"u","user":{"client-certificate-data":"Yg==","client-key-data":"Yg==","token":"admin-token"}}]}`}
	c, err := aks.New(id, e.Credential(""), options)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Config(t.Context())
	if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "Entra ID is not turned on") {
		t.Errorf("error is %v", err)
	}
}

func TestAnIDOfSomethingElseIsRefused(t *testing.T) {
	e := emulator(t)
	for _, wrong := range []string{"", "aks-blue", strings.Replace(id, "managedClusters", "fleets", 1)} {
		if _, err := aks.New(wrong, e.Credential(""), e.ClientOptions()); err == nil || !strings.Contains(err.Error(), "managedClusters/NAME") {
			t.Errorf("%q: error %v", wrong, err)
		}
	}
}
