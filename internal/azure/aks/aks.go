// Package aks reaches AKS clusters with the tokens of an Azure identity: no secret is
// fetched or kept. A cluster without Entra ID, which accepts its certificate from any holder,
// is refused.
package aks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Scope is the scope of tokens for the API servers of AKS, in every cluster with Entra ID
// (https://azure.github.io/kubelogin/concepts/aks.html).
const Scope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"

// Cluster is an AKS cluster and the identity that reaches it.
type Cluster struct {
	id         *arm.ResourceID
	credential azcore.TokenCredential
	client     *armcontainerservice.ManagedClustersClient
}

// New makes a cluster from its resource id. Nothing is asked of Azure yet.
func New(id string, credential azcore.TokenCredential, options *arm.ClientOptions) (*Cluster, error) {
	parsed, err := arm.ParseResourceID(id)
	if err != nil || !strings.EqualFold(parsed.ResourceType.String(), "Microsoft.ContainerService/managedClusters") {
		return nil, fmt.Errorf("%q is not the resource id of an AKS cluster: /subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerService/managedClusters/NAME", id)
	}
	var o arm.ClientOptions
	if options != nil {
		o = *options
	}
	o.Retry = outbound.Discovery.Retry()
	client, err := armcontainerservice.NewManagedClustersClient(parsed.SubscriptionID, credential, &o)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", parsed.Name, err)
	}
	return &Cluster{id: parsed, credential: credential, client: client}, nil
}

// Name is the cluster's name without the rest of its id.
func (c *Cluster) Name() string { return c.id.Name }

// Config asks Azure for the address of the cluster's API server and its certificate
// authority. Each request made with the answer carries a token of the identity, which the
// credential keeps fresh. It fails with engine.ErrDenied when only an operator can fix the cause.
func (c *Cluster) Config(ctx context.Context) (*rest.Config, error) {
	var config *rest.Config
	var failed, stopped error
	var both errgroup.Group
	both.Go(func() error { config, failed = c.fetch(ctx); return nil })
	both.Go(func() error { stopped = c.stopped(ctx); return nil })
	both.Wait()
	if stopped != nil {
		return nil, stopped
	}
	return config, failed
}

// stopped returns an error only if the cluster surely does not run: a stopped cluster may
// still give out credentials, and then cannot be reached.
func (c *Cluster) stopped(ctx context.Context) error {
	cluster, err := c.client.Get(ctx, c.id.ResourceGroupName, c.id.Name, nil)
	if err != nil || cluster.Properties == nil || cluster.Properties.PowerState == nil || cluster.Properties.PowerState.Code == nil ||
		*cluster.Properties.PowerState.Code != armcontainerservice.CodeStopped {
		return nil
	}
	return fmt.Errorf("%w: AKS cluster %s is stopped: start it with az aks start -g %s -n %s",
		engine.ErrDenied, c.id.Name, c.id.ResourceGroupName, c.id.Name)
}

func (c *Cluster) fetch(ctx context.Context) (*rest.Config, error) {
	answer, err := c.client.ListClusterUserCredentials(ctx, c.id.ResourceGroupName, c.id.Name,
		&armcontainerservice.ManagedClustersClientListClusterUserCredentialsOptions{Format: to.Ptr(armcontainerservice.FormatExec)})
	if err != nil {
		return nil, c.explain(err)
	}
	if len(answer.Kubeconfigs) == 0 || answer.Kubeconfigs[0] == nil {
		return nil, fmt.Errorf("AKS cluster %s: Azure gave no kubeconfig", c.id.Name)
	}
	return c.read(answer.Kubeconfigs[0].Value)
}

func (c *Cluster) explain(err error) error {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return fmt.Errorf("ask Azure for access to AKS cluster %s: %w", c.id.Name, err)
	}
	f := resource.Read(response.RawResponse)
	switch {
	case f.Final() && len(f.Missing()) == 0:
		return fmt.Errorf("%w: ask Azure for access to AKS cluster %s: %s", engine.ErrDenied, c.id.Name, f.Explain(c.id))
	case response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: the identity may not get access to AKS cluster %s: give it the role \"Azure Kubernetes Service Cluster User Role\" on %s (%s), with az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role 'Azure Kubernetes Service Cluster User Role' --scope %[3]s",
			engine.ErrDenied, c.id.Name, c.id, response.ErrorCode, engine.ObjectID)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: there is no AKS cluster %s (%s): correct its id in the configuration", engine.ErrDenied, c.id, response.ErrorCode)
	}
	return fmt.Errorf("ask Azure for access to AKS cluster %s: status %d, %s", c.id.Name, response.StatusCode, response.ErrorCode)
}

// read takes from a kubeconfig only where the API server is and which authority it has.
func (c *Cluster) read(kubeconfig []byte) (*rest.Config, error) {
	file, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of AKS cluster %s: %w", c.id.Name, err)
	}
	current := file.Contexts[file.CurrentContext]
	if current == nil || file.Clusters[current.Cluster] == nil {
		return nil, fmt.Errorf("read the kubeconfig of AKS cluster %s: it names no cluster", c.id.Name)
	}
	if user := file.AuthInfos[current.AuthInfo]; user != nil && secret(user) {
		return nil, fmt.Errorf("%w: AKS cluster %s gives out a certificate of its administrator, because Entra ID is not turned on: run az aks update -g %s -n %s --enable-aad, then bind the identity to a Role",
			engine.ErrDenied, c.id.Name, c.id.ResourceGroupName, c.id.Name)
	}
	cluster := file.Clusters[current.Cluster]
	config := &rest.Config{
		Host:            cluster.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CertificateAuthorityData, ServerName: cluster.TLSServerName},
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bearer{c, next} })
	return config, nil
}

func secret(user *clientcmdapi.AuthInfo) bool {
	return len(user.ClientCertificateData) > 0 || len(user.ClientKeyData) > 0 || user.Token != "" || user.Password != ""
}

// bearer puts the identity's token on each request.
type bearer struct {
	cluster *Cluster
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.cluster.credential.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{Scope}})
	if err != nil {
		return nil, fmt.Errorf("get a token for AKS cluster %s: %w", b.cluster.id.Name, err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token.Token)
	return b.next.RoundTrip(r)
}
