package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// deletes lets a process delete an object of a cluster.
func (w *env) deletes(c *testbed.Cluster, manifest string) {
	w.t.Helper()
	file, kubeconfig := filepath.Join(w.dir, "deleted.yaml"), filepath.Join(w.dir, "deletes.kubeconfig")
	write(w.t, file, []byte(manifest))
	write(w.t, kubeconfig, c.Kubeconfig(testbed.Admin))
	w.startRival("-apply", file, "-kubeconfig", kubeconfig, "-delete").says("deleted", 20*time.Second)
}

// Each change of another client that endangers a rollback, or what users get, has a status
// of its own, in the bake as well.
func TestAnotherClientsChangeOfAPartIsReportedWithItsOwnSentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*shop)
		want   string
	}{
		"the pool of the rollback target is removed": {
			func(s *shop) {
				s.startRival("-gateway", s.gateway.ID(), "-remove", "pool-blue").says("ended Succeeded", 20*time.Second)
			},
			"pool-blue",
		},
		"the Deployment of the rollback target is deleted": {
			func(s *shop) {
				s.deletes(s.blue, fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: podinfo, namespace: %s}\n", s.blueSpace))
			},
			"the rollback target blue, which served with",
		},
		"the gateway is stopped": {
			func(s *shop) {
				s.startRival("-method", "POST", "-path", s.gateway.ID()+"/stop?api-version=2025-05-01").says("accepted", 20*time.Second)
			},
			"is Stopped",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, `    bake: 60s`)
			s.release("2.0.0")
			s.reach("podinfo", release.Baking)
			c.change(s)
			began := time.Now()
			s.until("podinfo", 30*time.Second, "reported", func(api.App) bool { return s.reported(c.want) != "" })
			t.Logf("after %s: %s", time.Since(began).Round(100*time.Millisecond), s.reported(c.want))
		})
	}
}

func TestAnIdleEndpointThatAnotherClientEnablesIsReported(t *testing.T) {
	t.Parallel()
	p := openPassage(t, `    bake: 60s`)
	digest := p.push(repo, "2.0.0")
	p.deliver()
	p.until("podinfo", time.Minute, "baking", func(a api.App) bool {
		return a.Release != nil && a.Release.Phase == release.Baking && a.Release.Image.Digest == digest
	})
	p.startRival("-method", "PATCH", "-path", p.profile.ID()+"/azureEndpoints/blue?api-version=2022-04-01",
		"-body", `{"properties": {"endpointStatus": "Enabled"}}`).says("accepted", 20*time.Second)
	began := time.Now()
	seen := p.until("podinfo", 30*time.Second, "reported", func(a api.App) bool {
		return a.Trouble != nil && strings.Contains(a.Trouble.Why, "is also enabled")
	})
	t.Logf("after %s: %s", time.Since(began).Round(100*time.Millisecond), seen.Trouble.Why)
}
