package testbed

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// controllersRun are the ones that bluegreen meets. The node lifecycle
// controller is left out: nothing sends heartbeats for the one node.
const controllersRun = "deployment-controller,replicaset-controller,endpointslice-controller," +
	"garbage-collector-controller,namespace-controller,job-controller,horizontal-pod-autoscaler-controller"

// writeCredentials writes the signing key of service accounts and the token
// file with the users, which the API server reads at its start.
func (c *Cluster) writeCredentials(users map[string]string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode service account key: %w", err)
	}
	c.tokens = map[string]string{Admin: rand.Text(), DefaultUser: rand.Text()}
	for name, token := range users {
		c.tokens[name] = token
	}
	var file bytes.Buffer
	lines := csv.NewWriter(&file)
	for name, token := range c.tokens {
		groups := ""
		if name == Admin {
			groups = "system:masters"
		}
		lines.Write([]string{token, name, name, groups})
	}
	lines.Flush()
	return errors.Join(
		os.WriteFile(c.path("service-account.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600),
		os.WriteFile(c.path("tokens.csv"), file.Bytes(), 0o600),
	)
}

func (c *Cluster) startEtcd(ctx context.Context) (err error) {
	client, peer := c.etcdURL(c.etcdPort), c.etcdURL(c.peerPort)
	c.etcd, err = c.starter.start(c.dir, "etcd", c.binary, "etcd",
		"--data-dir", c.path("etcd-data"),
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "default="+peer,
		"--unsafe-no-fsync", "--log-level", "error")
	if err != nil {
		return err
	}
	return c.etcd.waitFor(ctx, answersOK(client+"/health"))
}

func (c *Cluster) etcdURL(port int) string { return fmt.Sprintf("http://%s:%d", c.ip, port) }

// StartAPIServer starts it, always at the same address, and returns when it is
// ready; one that still runs is killed first. Watches of the controllers and
// pods resume by themselves, some seconds later after a long absence.
func (c *Cluster) StartAPIServer(ctx context.Context) (err error) {
	c.apiServer.stop()
	key := c.path("service-account.key")
	c.apiServer, err = c.starter.start(c.dir, "kube-apiserver", c.binary, "kube-apiserver",
		"--etcd-servers", c.etcdURL(c.etcdPort),
		"--bind-address", c.ip.String(), "--secure-port", fmt.Sprint(c.apiPort),
		// The Service "kubernetes" is not used, and cannot have a loopback address.
		"--advertise-address", c.ip.String(), "--endpoint-reconciler-type", "none",
		"--cert-dir", c.path("certs"),
		"--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--token-auth-file", c.path("tokens.csv"), "--authorization-mode", "RBAC",
		"--service-cluster-ip-range", "10.0.0.0/16",
		"--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition")
	if err != nil {
		return err
	}
	return c.apiServer.waitFor(ctx, answersOK(c.Server()+"/readyz"))
}

// StopAPIServer kills it, as a crash would, and returns when it is gone.
func (c *Cluster) StopAPIServer() { c.apiServer.stop() }

// StopControllers kills the controller manager, so that changes of Deployments are not acted
// on; a test that calls it starts a cluster of its own.
func (c *Cluster) StopControllers() { c.controllers.stop() }

func (c *Cluster) startControllers(ctx context.Context) (err error) {
	kubeconfig := c.path("kubeconfig")
	if err := os.WriteFile(kubeconfig, c.Kubeconfig(Admin), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	c.controllers, err = c.starter.start(c.dir, "kube-controller-manager", c.binary, "kube-controller-manager",
		"--kubeconfig", kubeconfig, "--controllers", controllersRun, "--leader-elect=false",
		"--bind-address", c.ip.String(), "--secure-port", fmt.Sprint(c.controllerPort),
		// Without these the controllers, not the code under test, would be the slow part.
		"--kube-api-qps", "2000", "--kube-api-burst", "4000")
	if err != nil {
		return err
	}
	return c.controllers.waitFor(ctx, answersOK(fmt.Sprintf("https://%s:%d/healthz", c.ip, c.controllerPort)))
}

// answersOK asks one of our own programs whether it is up. The certificate is
// not looked at: the program writes it while it starts.
func answersOK(url string) func(context.Context) error {
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
			return fmt.Errorf("%s answers %s: %s", url, resp.Status, text)
		}
		return nil
	}
}
