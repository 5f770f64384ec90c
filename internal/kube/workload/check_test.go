package workload_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/workload"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"k8s.io/client-go/rest"
)

func TestADeploymentWhosePodsAreReadyAtOnceIsWarnedOf(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	if found, err := w.Preflight(t.Context()); err != nil || len(found) > 0 {
		t.Fatalf("with a probe: %v, error %v", found, err)
	}
	w.patch("green", `{"spec":{"template":{"spec":{"containers":[{"name":"app","readinessProbe":null}]}}}}`)
	found, err := w.Preflight(t.Context())
	if err != nil || len(found) != 1 || !found[0].Warning || !strings.HasPrefix(found[0].Text, "green: container app of Deployment green has no readiness probe") {
		t.Errorf("%+v, error %v", found, err)
	}
}

// TestPodsOfTheOtherColorAreNoPodsOfThisOne: the Service would lead nobody to them.
func TestPodsOfTheOtherColorAreNoPodsOfThisOne(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	blue, green := w.at("blue"), w.at("green")
	blue.Labels, green.Labels = map[string]string{"color": "blue"}, map[string]string{"color": "green"}
	o := workload.Options{App: "podinfo", Repository: repository, Blue: blue, Green: green}
	if found, err := workload.New(o).Preflight(t.Context()); err != nil || len(found) > 0 {
		t.Fatalf("as deployed: %v, error %v", found, err)
	}
	o.Blue.Deployments, o.Green.Deployments = []string{"green"}, []string{"blue"}
	found, err := workload.New(o).PreflightOf(t.Context(), release.Blue)
	want := fmt.Sprintf("the pods of Deployment green in namespace %s have the label color=green, not color=blue, which the Service selects for this color", w.namespace)
	if err != nil || len(found) != 1 || found[0].Warning || !strings.HasPrefix(found[0].Text, want) {
		t.Errorf("%+v, error %v", found, err)
	}
}

// TestTheWayToAClusterIsAskedForAgain although the present one works.
func TestTheWayToAClusterIsAskedForAgain(t *testing.T) {
	asked, away := 0, false
	cluster := access.New("aks-blue", func(context.Context) (*rest.Config, error) {
		if asked++; away {
			return nil, fmt.Errorf("%w: the identity may not get access: give it the role", engine.ErrDenied)
		}
		return &rest.Config{Host: "https://127.0.0.1:1"}, nil
	})
	w := workload.New(workload.Options{Blue: workload.Target{Cluster: cluster, Namespace: "shop", Deployments: []string{"a", "b"}}})
	if place := w.Place(release.Blue); place != "a, b in namespace shop of cluster aks-blue" {
		t.Error(place)
	}
	if found, err := w.Reach(t.Context(), release.Blue); err != nil || len(found) > 0 || asked != 1 {
		t.Errorf("%v, error %v, asked %d times", found, err, asked)
	}
	away = true
	found, err := w.Reach(t.Context(), release.Blue)
	if want := []engine.Finding{{Text: "the identity may not get access: give it the role"}}; err != nil || !slices.Equal(found, want) {
		t.Errorf("%+v, error %v", found, err)
	}
}
