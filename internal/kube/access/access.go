// Package access gives a client of a Kubernetes cluster that can be shared and never has to
// be made again: the route to the cluster is asked for at the first request, and again when
// the cluster's address or certificate authority has changed.
package access

import (
	"context"
	"fmt"

	"bluegreen/internal/outbound"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config returns the present connection settings of a cluster. It is called rarely, and may
// take some seconds.
type Config func(ctx context.Context) (*rest.Config, error)

// Kubeconfig reads a context of a kubeconfig file, afresh each time; name "" is the
// file's current one.
func Kubeconfig(path, name string) Config {
	return func(context.Context) (*rest.Config, error) {
		rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
			&clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("read context %q of the kubeconfig %s: %w", name, path, err)
		}
		return config, nil
	}
}

// Cluster is a cluster as its clients know it.
type Cluster struct {
	name   string
	config Config
	client kubernetes.Interface
}

// New makes a cluster. Messages use the name. No request is made yet.
func New(name string, config Config) *Cluster {
	t := &transport{config: config}
	// The transport replaces this host by the cluster's. The number of requests is bounded by
	// the number of workers, and the server's own fairness is a better judge than a limit here.
	client, err := kubernetes.NewForConfigAndClient(&rest.Config{
		Host: "https://cluster", QPS: -1,
		ContentConfig: rest.ContentConfig{
			ContentType:        "application/vnd.kubernetes.protobuf",
			AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
		},
	}, outbound.Client(t))
	if err != nil {
		panic(fmt.Sprintf("make a Kubernetes client: %v", err)) // all its input is above
	}
	return &Cluster{name: name, config: config, client: client}
}

// Name is the name of the cluster in messages.
func (c *Cluster) Name() string { return c.name }

// Reach asks how the cluster is reached, as it will be asked when the present route fails.
func (c *Cluster) Reach(ctx context.Context) error {
	_, err := c.config(ctx)
	return c.Explain(err)
}

// Client acts in the cluster. No request of it, other than a watch, takes longer than 10 s.
func (c *Cluster) Client() kubernetes.Interface { return c.client }
