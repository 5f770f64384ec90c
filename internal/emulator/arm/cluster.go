package arm

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"
)

// Cluster is an AKS cluster in ARM.
type Cluster struct {
	ID      string
	Server  string // https://host:port of its API server
	CAData  []byte // PEM
	Stopped bool
}

// AddCluster registers a cluster, or replaces the one with its id.
func (e *Emulator) AddCluster(c Cluster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clusters[strings.ToLower(c.ID)] = c
}

// RemoveCluster deletes a cluster.
func (e *Emulator) RemoveCluster(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.clusters, strings.ToLower(id))
}

func (e *Emulator) serveCluster(c call) answer {
	e.mu.Lock()
	cluster, found := e.clusters[strings.ToLower(c.scope())]
	e.mu.Unlock()
	switch {
	case !found:
		return c.notFound()
	case c.method == http.MethodGet && c.rest == "":
		return ok(cluster.resource(c))
	case c.method == http.MethodPost && strings.EqualFold(c.rest, "listClusterUserCredential"):
		return ok(fields{"kubeconfigs": []any{fields{"name": "clusterUser", "value": base64.StdEncoding.EncodeToString(cluster.kubeconfig(c))}}})
	}
	return c.notAllowed()
}

func (cluster Cluster) resource(c call) fields {
	power, host := "Running", cluster.Server
	if cluster.Stopped {
		power = "Stopped"
	}
	if u, err := url.Parse(cluster.Server); err == nil {
		host = u.Hostname()
	}
	return fields{
		"id": cluster.ID, "name": c.name, "type": "Microsoft.ContainerService/ManagedClusters", "location": "westeurope",
		"properties": fields{
			"provisioningState": "Succeeded", "powerState": fields{"code": power}, "fqdn": host, "dnsPrefix": c.name,
			"kubernetesVersion": "1.37.2", "enableRBAC": true, "disableLocalAccounts": true,
			"aadProfile": fields{"managed": true, "enableAzureRBAC": true, "tenantID": TenantID},
		},
	}
}

// kubeconfig is that of a cluster with Entra ID: its user section runs kubelogin.
func (cluster Cluster) kubeconfig(c call) []byte {
	var b bytes.Buffer
	err := kubeconfig.Execute(&b, map[string]string{
		"CA": base64.StdEncoding.EncodeToString(cluster.CAData), "Server": cluster.Server,
		"Name": c.name, "User": fmt.Sprintf("clusterUser_%s_%s", c.group, c.name), "Tenant": TenantID,
	})
	if err != nil {
		panic(err) // the template and its data are ours
	}
	return b.Bytes()
}

var kubeconfig = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {{.CA}}
    server: {{.Server}}
  name: {{.Name}}
contexts:
- context:
    cluster: {{.Name}}
    user: {{.User}}
  name: {{.Name}}
current-context: {{.Name}}
kind: Config
preferences: {}
users:
- name: {{.User}}
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - get-token
      - --environment
      - AzurePublicCloud
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      - --client-id
      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a
      - --tenant-id
      - {{.Tenant}}
      - --login
      - devicecode
      command: kubelogin
      env: null
      installHint: |2

        kubelogin is not installed which is required to connect to AAD enabled cluster.

        To learn more, please go to https://aka.ms/aks/kubelogin
      provideClusterInfo: false
`))
