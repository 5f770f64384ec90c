package arm_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"k8s.io/client-go/tools/clientcmd"
)

const sub = "0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10"

func TestAManagedIdentityReachesARM(t *testing.T) {
	const user = "11111111-2222-4333-8444-555555555555"
	w := newEnv(t, arm.Options{ClientIDs: []string{user}})
	for k, v := range w.e.IdentityEnv() {
		t.Setenv(k, v)
	}
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(user)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := azarm.NewClient("arm_test", "v1.0.0", cred, w.e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.doAs(c, http.MethodGet, w.g.ID(), "", nil))
	if log := w.e.Requests(); log[len(log)-1].Principal != user {
		t.Errorf("the principal is %q, want the user-assigned identity", log[len(log)-1].Principal)
	}

	w.e.SetToken("6dae42f8-4368-4678-94ff-3960e28e3630", "token-of-the-cluster")
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"6dae42f8-4368-4678-94ff-3960e28e3630/.default"}})
	if err != nil || token.Token != "token-of-the-cluster" {
		t.Errorf("the token for AKS is %q, error %v", token.Token, err)
	}
	unknown, _ := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID("99999999-2222-4333-8444-555555555555")})
	if _, err := unknown.GetToken(t.Context(), managementScope); err == nil {
		t.Error("an identity that is not assigned got a token")
	}
}

func TestARMWantsATokenOfItsOwn(t *testing.T) {
	w := newEnv(t, arm.Options{})
	foreign, _ := w.e.Credential("").GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	for _, token := range []string{"", "Bearer made-up", "Bearer " + foreign.Token} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.e.URL()+w.g.ID()+"?api-version="+apiVersion, nil)
		req.Header.Set("Authorization", token)
		resp, err := w.e.HTTPClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("token %.12q: status %d, WWW-Authenticate %q", token, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestTheIdentityEndpointWantsItsHeader(t *testing.T) {
	w := newEnv(t, arm.Options{})
	resp, err := http.Get(w.e.IdentityEnv()["IDENTITY_ENDPOINT"] + "?resource=https://management.azure.com&api-version=2019-08-01")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d without the header", resp.StatusCode)
	}
}

func TestAnotherProcessTrustsTheEmulatorThroughAFile(t *testing.T) {
	if url := os.Getenv("ARM_TEST_URL"); url != "" { // the other process
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return
	}
	w := newEnv(t, arm.Options{})
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, w.e.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir(), "ARM_TEST_URL="+w.e.URL())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the other process: %v\n%s", err, out)
	}
	if _, err := http.Get(w.e.URL()); err == nil {
		t.Error("a process without the authority's certificate trusts it")
	}
}

func TestEveryActionNeedsItsPermission(t *testing.T) {
	w := newEnv(t, arm.Options{})
	role := []string{
		"Microsoft.Network/applicationGateways/read", "Microsoft.Network/applicationGateways/write",
		"Microsoft.Network/applicationGateways/backendhealth/action", "Microsoft.Network/applicationGateways/getBackendHealthOnDemand/action",
		"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/publicIPAddresses/join/action",
		"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action",
		"Microsoft.Network/locations/operations/read", "Microsoft.Network/locations/operationResults/read",
	}
	work := func() error {
		for _, call := range []func() (*http.Response, error){
			func() (*http.Response, error) { return w.do(http.MethodGet, "", "", nil) },
			func() (*http.Response, error) { return w.repoint("pool-green", "") },
			func() (*http.Response, error) { return w.do(http.MethodPost, "/backendhealth", "", nil) },
			func() (*http.Response, error) {
				return w.do(http.MethodPost, "/getBackendHealthOnDemand", "", map[string]any{
					"path": "/", "backendAddressPool": map[string]any{"id": w.g.ID() + "/backendAddressPools/pool-green"},
					"backendHttpSettings": map[string]any{"id": w.g.ID() + "/backendHttpSettingsCollection/set-app"},
				})
			},
		} {
			resp, err := call()
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusForbidden {
				return runtime.NewResponseError(resp)
			}
			if resp.StatusCode == http.StatusOK && resp.Request.Method == http.MethodGet {
				continue
			}
			if _, err := wait(t, w.poller(resp)); err != nil {
				return err
			}
		}
		return nil
	}
	w.e.Permit("", role...)
	if err := work(); err != nil {
		t.Fatalf("the whole role: %v", err)
	}
	for i, action := range role {
		w.e.Permit("", append(append([]string{}, role[:i]...), role[i+1:]...)...)
		err := work()
		if err == nil || !strings.Contains(err.Error(), "Failed") || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(action)) {
			t.Errorf("without %s: %v", action, err)
		}
	}
	w.e.PermitAll("")
	if err := work(); err != nil {
		t.Errorf("with everything permitted: %v", err)
	}
}

func TestAMissingLinkedPermissionHasTheServicesError(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.e.Deny("", "Microsoft.ManagedIdentity/*")
	resp, err := w.repoint("pool-green", "")
	w.refused(resp, err, http.StatusForbidden, "LinkedAuthorizationFailed",
		"has permission to perform action 'Microsoft.Network/applicationGateways/write' on scope '"+w.g.ID()+"'",
		"'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '", "id-agw")
}

func TestAKSGivesAKubeconfigOfItsCluster(t *testing.T) {
	w := newEnv(t, arm.Options{})
	id := "/subscriptions/" + sub + "/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/aks-blue"
	w.e.AddCluster(arm.Cluster{ID: id, Server: "https://127.0.0.1:6443", CAData: w.e.CAPEM()})
	c, err := armcontainerservice.NewManagedClustersClient(sub, w.e.Credential(""), w.e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.ListClusterUserCredentials(t.Context(), "rg-aks", "AKS-blue", &armcontainerservice.ManagedClustersClientListClusterUserCredentialsOptions{Format: to.Ptr(armcontainerservice.FormatExec)})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.Load(r.Kubeconfigs[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	now := cfg.Contexts[cfg.CurrentContext]
	cluster, user := cfg.Clusters[now.Cluster], cfg.AuthInfos[now.AuthInfo]
	if cluster.Server != "https://127.0.0.1:6443" || string(cluster.CertificateAuthorityData) != string(w.e.CAPEM()) || user.Exec.Command != "kubelogin" {
		t.Errorf("cluster %+v, user %+v", cluster, user)
	}
	got, err := c.Get(t.Context(), "rg-aks", "aks-blue", nil)
	if err != nil || *got.Properties.PowerState.Code != armcontainerservice.CodeRunning {
		t.Errorf("cluster %+v, error %v", got.Properties, err)
	}
	w.e.Deny("", "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action")
	if _, err := c.ListClusterUserCredentials(t.Context(), "rg-aks", "aks-blue", nil); err == nil || !strings.Contains(err.Error(), "AuthorizationFailed") {
		t.Errorf("without the right: %v", err)
	}
	w.e.RemoveCluster(id)
	if _, err := c.Get(t.Context(), "rg-aks", "aks-blue", nil); err == nil || !strings.Contains(err.Error(), "ResourceNotFound") {
		t.Errorf("a removed cluster: %v", err)
	}
}

func TestAlertRulesAreListedByKindAndScope(t *testing.T) {
	w := newEnv(t, arm.Options{})
	base := "/subscriptions/" + sub + "/resourceGroups/rg-shop-prod/providers/"
	w.e.AddAlertRule(arm.AlertRule{ID: base + "Microsoft.Insights/metricAlerts/podinfo-5xx", Severity: 1, Actions: []string{base + "Microsoft.Insights/actionGroups/ag"}})
	w.e.AddAlertRule(arm.AlertRule{ID: base + "microsoft.insights/scheduledQueryRules/podinfo-log", Severity: 2})
	w.e.AddAlertRule(arm.AlertRule{ID: strings.Replace(base, "rg-shop-prod", "rg-other", 1) + "Microsoft.Insights/metricAlerts/other", Severity: 3})
	list := func(path string) string {
		t.Helper()
		resp := w.send(w.doAs(w.client(""), http.MethodGet, path, "", nil))
		var body struct{ Value []struct{ Name string } }
		b, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(b, &body); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, v := range body.Value {
			names = append(names, v.Name)
		}
		return strings.Join(names, " ")
	}
	for path, want := range map[string]string{
		"/subscriptions/" + sub + "/providers/Microsoft.Insights/metricAlerts":        "podinfo-5xx other",
		base + "Microsoft.Insights/metricAlerts":                                      "podinfo-5xx",
		"/subscriptions/" + sub + "/providers/Microsoft.Insights/scheduledQueryRules": "podinfo-log",
		"/subscriptions/0/providers/Microsoft.Insights/metricAlerts":                  "",
	} {
		if got := list(path); got != want {
			t.Errorf("%s lists %q, want %q", path, got, want)
		}
	}
	resp, err := w.doAs(w.client(""), http.MethodGet, base+"Microsoft.Insights/metricAlerts/none", "", nil)
	w.refused(resp, err, http.StatusNotFound, "ResourceNotFound")
}

func TestATopicTakesCloudEventsByTokenOrKey(t *testing.T) {
	w := newEnv(t, arm.Options{})
	topic, err := w.e.AddTopic()
	if err != nil {
		t.Fatal(err)
	}
	o := &azeventgrid.ClientOptions{ClientOptions: policy.ClientOptions{Transport: w.e.HTTPClient(), Retry: policy.RetryOptions{MaxRetries: -1, TryTimeout: time.Second}}}
	byToken, err := azeventgrid.NewClient(topic.URL(), w.e.Credential(""), o)
	if err != nil {
		t.Fatal(err)
	}
	byKey, _ := azeventgrid.NewClientWithSharedKeyCredential(topic.URL(), azcore.NewKeyCredential(topic.Key()), o)
	wrong, _ := azeventgrid.NewClientWithSharedKeyCredential(topic.URL(), azcore.NewKeyCredential("wrong"), o)
	event, _ := messaging.NewCloudEvent("/bluegreen/podinfo", "bluegreen.release.completed", map[string]string{"to": "green"}, nil)
	publish := func(c *azeventgrid.Client) error {
		_, err := c.PublishCloudEvents(t.Context(), []messaging.CloudEvent{event}, nil)
		return err
	}
	if err := publish(byToken); err != nil {
		t.Error(err)
	}
	if err := publish(byKey); err != nil {
		t.Error(err)
	}
	if err := publish(wrong); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong key: %v", err)
	}
	w.e.Deny("", "Microsoft.EventGrid/events/send/action")
	if err := publish(byToken); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the right: %v", err)
	}
	for _, down := range []arm.TopicState{arm.TopicRefuses, arm.TopicUnavailable, arm.TopicHangs} {
		if err := topic.Set(down); err != nil {
			t.Fatal(err)
		}
		if err := publish(byKey); err == nil {
			t.Errorf("state %d: the event was accepted", down)
		}
	}
	if err := topic.Set(arm.TopicUp); err != nil {
		t.Fatal(err)
	}
	if err := publish(byKey); err != nil {
		t.Error(err)
	}
	got := topic.Events()
	if len(got) != 3 || got[0].ID != event.ID || got[0].Type != event.Type || string(got[0].Data) != `{"to":"green"}` {
		t.Errorf("events: %+v", got)
	}
}
