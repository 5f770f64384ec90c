package testbed

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Admin is the user with all rights; DefaultUser has none until it is granted
// some (Grant, or a RoleBinding).
const (
	Admin       = "admin"
	DefaultUser = "bluegreen"
)

// Options of a cluster; the zero value is good.
type Options struct {
	Dir   string            // for data and logs; else a temporary one, removed by Close
	Log   io.Writer         // output of the starter and the pod actor; discarded by default
	Users map[string]string // further users, or other tokens for the known ones: name to token
	Drain time.Duration     // how long a deleted pod keeps serving; 0 means 300 ms
}

// Cluster is a running control plane with its pod actor.
type Cluster struct {
	dir     string
	ownDir  bool
	logf    func(format string, args ...any)
	tokens  map[string]string
	network *network
	starter *launcher
	binary  string

	ip                           netip.Addr
	etcdPort, peerPort           int
	apiPort, controllerPort      int
	etcd, apiServer, controllers *process
	client                       kubernetes.Interface
	actor                        *podActor
	life                         context.Context // of everything that runs in this process
	endLife                      context.CancelFunc
	closing                      sync.Once
	serving                      sync.WaitGroup
}

// StartCluster returns when Deployments can be created. ctx bounds the start
// only; Close ends the cluster. An error holds the last log lines of the part
// that failed.
func StartCluster(ctx context.Context, opts Options) (*Cluster, error) {
	binary, err := controlPlaneBinary()
	if err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c := newCluster(ctx, binary, opts)
	began := time.Now()
	if err := c.start(ctx, opts); err != nil {
		c.Close()
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c.logf("cluster %s is ready after %v", c.Server(), time.Since(began).Round(time.Millisecond))
	return c, nil
}

// StartClusters starts several at the same time; on an error none is left.
func StartClusters(ctx context.Context, opts ...Options) ([]*Cluster, error) {
	clusters := make([]*Cluster, len(opts))
	g, gctx := errgroup.WithContext(ctx)
	for i, o := range opts {
		g.Go(func() (err error) {
			clusters[i], err = StartCluster(gctx, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		for _, c := range clusters {
			if c != nil {
				c.Close()
			}
		}
		return nil, err
	}
	return clusters, nil
}

func newCluster(ctx context.Context, binary string, opts Options) *Cluster {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if opts.Drain == 0 {
		opts.Drain = 300 * time.Millisecond
	}
	c := &Cluster{
		binary:  binary,
		starter: newLauncher(),
		logf:    log.New(opts.Log, "testbed: ", log.Ltime|log.Lmicroseconds).Printf,
	}
	c.life, c.endLife = context.WithCancel(context.WithoutCancel(ctx))
	c.actor = &podActor{drain: opts.Drain, logf: c.logf, pods: map[types.UID]*pod{}, meanings: map[string]string{}, first: map[types.UID]types.UID{}}
	return c
}

func (c *Cluster) start(ctx context.Context, opts Options) error {
	if err := c.prepare(opts); err != nil {
		return err
	}
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	if err := c.StartAPIServer(ctx); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.AdminConfig())
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	c.client, c.actor.client = client, client
	if err := c.startControllers(ctx); err != nil {
		return err
	}
	return c.actor.start(c.life)
}

// prepare finds a place on disk and in the network.
func (c *Cluster) prepare(opts Options) (err error) {
	if c.dir, c.ownDir, err = workDir(opts.Dir, "cluster"); err != nil {
		return err
	}
	if c.network, err = reserveNetwork(); err != nil {
		return err
	}
	c.actor.network = c.network
	c.ip = c.network.address()
	for _, port := range []*int{&c.etcdPort, &c.peerPort, &c.apiPort, &c.controllerPort} {
		if *port, err = freePort(c.ip); err != nil {
			return err
		}
	}
	return c.writeCredentials(opts.Users)
}

// Close kills the control plane, stops pods and ingresses, and removes the
// cluster's files, unless Options.Dir was given.
func (c *Cluster) Close() {
	c.closing.Do(func() {
		c.endLife()
		c.controllers.stop()
		c.apiServer.stop()
		c.etcd.stop()
		c.actor.wait()
		c.serving.Wait()
		c.starter.close()
		if c.network != nil {
			c.network.close()
		}
		if c.ownDir {
			os.RemoveAll(c.dir)
		}
	})
}

// Client acts as Admin.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// Server is the URL of the API server; it stays the same over a restart.
func (c *Cluster) Server() string { return fmt.Sprintf("https://%s:%d", c.ip, c.apiPort) }

// CAData is the PEM of the authority that signed the API server's certificate.
func (c *Cluster) CAData() []byte {
	pem, err := os.ReadFile(c.path("certs", "apiserver.crt"))
	if err != nil {
		c.logf("read the API server's certificate: %v", err)
	}
	return pem
}

// Token is the bearer token of a user, empty for a user that is not known.
func (c *Cluster) Token(user string) string { return c.tokens[user] }

// AdminConfig has all rights and no client-side rate limit.
func (c *Cluster) AdminConfig() *rest.Config {
	config := c.UserConfig(Admin)
	config.QPS = -1
	return config
}

// UserConfig has the rights that were granted to the user, and client-go's own
// rate limit.
func (c *Cluster) UserConfig(name string) *rest.Config {
	return &rest.Config{
		Host:            c.Server(),
		BearerToken:     c.Token(name),
		TLSClientConfig: rest.TLSClientConfig{CAData: c.CAData()},
	}
}

// Kubeconfig is the file that gives the user access; its only context is named
// "testbed".
func (c *Cluster) Kubeconfig(user string) []byte {
	const name = "testbed"
	text, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: c.Server(), CertificateAuthorityData: c.CAData()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: c.Token(user)}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	})
	if err != nil {
		panic(fmt.Sprintf("encode kubeconfig: %v", err)) // maps of text: cannot fail
	}
	return text
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}
