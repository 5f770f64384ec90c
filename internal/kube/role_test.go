// Package kube_test compares the manifests for clusters with the needs of the adapters.
package kube_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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

	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const repository = "shopacr.example/team/podinfo"

// product is the app that the documented Role is for, as one user of the cluster.
type product struct {
	*workload.Workloads
	*service.Gateway
}

// as makes the adapters act as a user that has no rights but those that a binding gives it.
func as(c *testbed.Cluster, user string) *access.Cluster {
	return access.New("testbed", func(context.Context) (*rest.Config, error) {
		config := c.AdminConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		return config, nil
	})
}

func newProduct(c *access.Cluster, namespace string) product {
	at := func(name string) workload.Target {
		return workload.Target{Cluster: c, Namespace: namespace, Deployments: []string{name}}
	}
	return product{
		Workloads: workload.New(workload.Options{App: "podinfo", Repository: repository, CronJob: "podinfo-smoke", Blue: at("podinfo-blue"), Green: at("podinfo-green")}),
		Gateway: service.New(service.Options{
			App: "podinfo", Cluster: c, Namespace: namespace, Service: "podinfo",
			Blue: map[string]string{"color": "blue"}, Green: map[string]string{"color": "green"},
		}),
	}
}

// need is a right of the Role and the smallest piece of the product that cannot do without.
type need struct {
	resource, name, verb string // name is that of an object, "" where the right is for all
	piece                func(context.Context, product) error
}

var needs = []need{
	{"horizontalpodautoscalers", "podinfo-blue", "patch", holds(release.Blue)},
	{"horizontalpodautoscalers", "podinfo-green", "patch", holds(release.Green)},
	{"replicasets", "", "list", func(ctx context.Context, p product) error {
		o, err := p.Observe(ctx, release.Green, release.Image{}, 0)
		return reported(err, o.Detail, "may not list replicasets", `cannot list resource "replicasets"`)
	}},
	{"deployments", "", "list", looks(release.Green)},
	{"deployments", "podinfo-blue", "watch", waits(release.Blue)},
	{"deployments", "podinfo-blue", "patch", retires(release.Blue)},
	{"deployments", "podinfo-green", "watch", waits(release.Green)},
	{"deployments", "podinfo-green", "patch", retires(release.Green)},
	{"pods", "", "list", func(ctx context.Context, p product) error {
		_, err := p.Health(ctx, release.Green)
		return err
	}},
	{"pods", "", "watch", waits(release.Green)},
	{"horizontalpodautoscalers", "", "list", func(ctx context.Context, p product) error {
		return p.Deploy(ctx, engine.Order{Color: release.Green, Fence: 1})
	}},
	{"services", "podinfo", "get", func(ctx context.Context, p product) error {
		_, err := p.Live(ctx)
		return err
	}},
	{"services", "podinfo", "patch", func(ctx context.Context, p product) error {
		_, err := p.Switch(ctx, release.Green, 1)
		return err
	}},
	{"cronjobs", "podinfo-smoke", "get", runsJob},
	{"jobs", "", "get", readsJob},
	{"jobs", "", "create", runsJob},
	{"jobs", "", "delete", func(ctx context.Context, p product) error {
		return p.JobCheck("podinfo-smoke", time.Minute).(engine.Maker).End(ctx, job)
	}},
}

// holds keeps an autoscaler from shrinking the color.
func holds(c release.Color) func(context.Context, product) error {
	return func(ctx context.Context, p product) error {
		_, why, err := p.HoldSize(ctx, c, 1)
		return reported(err, why, "may not patch autoscaler", `cannot patch resource "horizontalpodautoscalers"`)
	}
}

// reported makes an error of a missing right that the code only reports.
func reported(err error, detail, missing, reason string) error {
	if err == nil && strings.Contains(detail, missing) {
		return fmt.Errorf("%w: %s", engine.ErrDenied, reason)
	}
	return err
}

// looks reads the size and the image of the color.
func looks(c release.Color) func(context.Context, product) error {
	return func(ctx context.Context, p product) error {
		_, err := p.Observe(ctx, c, release.Image{}, 0)
		return err
	}
}

// waits follows a rollout that does not end, until it is stopped.
func waits(c release.Color) func(context.Context, product) error {
	return func(ctx context.Context, p product) error {
		_, err := p.Observe(ctx, c, release.Image{}, patience(ctx))
		return err
	}
}

// patience leaves the last look time to be answered.
func patience(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return time.Until(end) / 2
}

// retires scales the color to 0, which it is not while this is denied.
func retires(c release.Color) func(context.Context, product) error {
	return func(ctx context.Context, p product) error { return p.Scale(ctx, c, 0, 1) }
}

var job = engine.Subject{Release: 7, Color: release.Green, Image: release.Image{Digest: digest("job")}, Run: "run"}

func runsJob(ctx context.Context, p product) error { return check(ctx, p, job) }

func readsJob(ctx context.Context, p product) error {
	made := job
	made.Made = "uid hash"
	return check(ctx, p, made)
}

func check(ctx context.Context, p product, s engine.Subject) error {
	r := p.JobCheck("podinfo-smoke", time.Minute).Run(ctx, s)
	switch {
	case r.Verdict != release.Unknown:
		return nil
	case strings.Contains(r.Detail, "is forbidden"): // by the API server
		return fmt.Errorf("%w: %s", engine.ErrDenied, r.Detail)
	}
	return errors.New(r.Detail)
}

func digest(of string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(of))) }

// TestTheDocumentedRoleHasNoLineTooManyAndNoneTooFew takes each right away and runs the code that needs it.
func TestTheDocumentedRoleHasNoLineTooManyAndNoneTooFew(t *testing.T) {
	role := documented(t)
	var have, want []string
	for _, r := range role.Rules {
		have = append(have, rights(r)...)
	}
	for _, n := range needs {
		want = append(want, n.String())
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(have), slices.Compact(want)) {
		t.Fatalf("%s grants\n%s\nand there are pieces that need\n%s", access.RoleFile, strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	s := openStand(t)
	for _, c := range cutDown(role.Rules) {
		t.Run("without "+c.what, func(t *testing.T) { s.misses(t, c) })
	}
	t.Run("whole", func(t *testing.T) {
		const user = "7d1f7a52-5d0c-4a0e-9d4e-0c9a7a5f0b11"
		role.Namespace = s.namespace
		p := s.bind(t, role, user)
		for _, n := range needs {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			if err := n.piece(ctx, p); err != nil {
				t.Errorf("%s: %v", n, err)
			}
			cancel()
		}
	})
}
