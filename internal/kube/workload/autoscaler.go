package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The annotations of an autoscaler whose minimum is held: what it was, and what it was made.
const (
	annotationBefore = "bluegreen.dev/minimum-before"
	annotationHeld   = "bluegreen.dev/minimum-held"
)

type autoscaler = autoscalingv2.HorizontalPodAutoscaler

// scalerOf finds the autoscaler of a Deployment; nil without one.
func scalerOf(scalers []autoscaler, deployment string) *autoscaler {
	i := slices.IndexFunc(scalers, func(a autoscaler) bool {
		return a.Spec.ScaleTargetRef.Kind == "Deployment" && a.Spec.ScaleTargetRef.Name == deployment
	})
	if i < 0 {
		return nil
	}
	return &scalers[i]
}

// sizes reads the Deployments of a color, and the autoscalers of its namespace.
func (t Target) sizes(ctx context.Context) (seen []*snapshot, scalers []autoscaler, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { seen, err = t.list(gctx); return err })
	g.Go(func() (err error) { scalers, err = t.scalers(gctx); return err })
	return seen, scalers, g.Wait()
}

// scaled is t.sizes, without a request where the color was ordered just now, and had no autoscaler.
func (w *Workloads) scaled(ctx context.Context, t Target, c release.Color) ([]*snapshot, []autoscaler, error) {
	if v := w.views.take(c); v != nil {
		unscaled := v.unscaled
		w.views.keep(c, v)
		if unscaled {
			return nil, nil, nil
		}
	}
	return t.sizes(ctx)
}

// minimum is the least size that an autoscaler lets a Deployment have; 0 without one. At 0
// replicas Kubernetes suspends it.
func minimum(a *autoscaler) int32 {
	switch {
	case a == nil:
		return 0
	case a.Spec.MinReplicas == nil:
		return 1 // as the API server's default
	}
	return max(1, *a.Spec.MinReplicas)
}

// keda is the name of the ScaledObject that an autoscaler belongs to; "" without one.
func keda(a *autoscaler) string {
	for _, o := range a.OwnerReferences {
		if o.Kind == "ScaledObject" {
			return o.Name
		}
	}
	name, made := strings.CutPrefix(a.Name, "keda-hpa-")
	if !made {
		return ""
	}
	return name
}

// sizeNote explains a Deployment that is at 0 or smaller than it was ordered.
func (s *snapshot) sizeNote(asked int32) string {
	have := wanted(s.deployment)
	var note string
	if have < asked {
		note = fmt.Sprintf("it has %d of the %d replicas that were ordered", have, asked)
	}
	switch a := s.scaler; {
	case have > 0 && have >= asked:
		return ""
	case s.scalerUnread != nil:
		return join(note, "whether it has an autoscaler is not known: "+s.scalerUnread.Error())
	case a == nil:
		return note
	case keda(a) != "":
		return join(note, fmt.Sprintf("KEDA (ScaledObject %s) scales the Deployment, also to and from 0 replicas", keda(a)))
	case have == 0:
		return join(note, fmt.Sprintf("its autoscaler %s is suspended by Kubernetes while the Deployment has 0 replicas", a.Name))
	default:
		return join(note, fmt.Sprintf("its autoscaler %s sets %d to %d", a.Name, minimum(a), a.Spec.MaxReplicas))
	}
}

// HoldSize implements engine.Autoscaled.
func (w *Workloads) HoldSize(ctx context.Context, c release.Color, f int64) (held bool, why string, err error) {
	t, err := w.target(c)
	if err != nil {
		return false, "", err
	}
	seen, scalers, err := w.scaled(ctx, t, c)
	if err != nil {
		return false, "", err
	}
	found := false
	for _, s := range seen {
		a := scalerOf(scalers, s.deployment.Name)
		if a == nil || wanted(s.deployment) == 0 {
			continue
		}
		found = true
		reason, err := w.holdOne(ctx, t, a, wanted(s.deployment), f)
		if err != nil {
			return false, "", err
		}
		if reason != "" {
			why = join(why, reason)
		}
	}
	return found && why == "", why, nil
}

// holdOne holds the size of one Deployment; the reason is why it cannot.
func (w *Workloads) holdOne(ctx context.Context, t Target, a *autoscaler, size int32, f int64) (reason string, err error) {
	if k := keda(a); k != "" {
		return fmt.Sprintf("autoscaler %s belongs to KEDA (ScaledObject %s), which would put its minimum back: raise minReplicaCount there", a.Name, k), nil
	}
	err = w.writeScaler(ctx, t, a, f, func(a *autoscaler) map[string]any { return w.hold(a, size) })
	if apierrors.IsForbidden(err) {
		return fmt.Sprintf("the identity may not patch autoscaler %s in namespace %s of cluster %s: add the right to its Role (%s)",
			a.Name, t.Namespace, t.Cluster.Name(), access.RoleFile), nil
	}
	return "", err
}

// FreeSize implements engine.Autoscaled. It asks for no Deployment: one may be gone.
func (w *Workloads) FreeSize(ctx context.Context, c release.Color, f int64) error {
	t, err := w.target(c)
	if err != nil {
		return err
	}
	scalers, err := t.scalers(ctx)
	if err != nil {
		return err
	}
	for _, name := range t.Deployments {
		if a := scalerOf(scalers, name); a != nil {
			if err := w.writeScaler(ctx, t, a, f, w.free); err != nil {
				return t.Cluster.Explain(err)
			}
		}
	}
	return nil
}

// hold is the change that makes a size the minimum, at most the maximum; nil when it is high
// enough. What an earlier hold found is kept, unless the minimum was changed since.
func (w *Workloads) hold(a *autoscaler, size int32) map[string]any {
	before, held := w.ownMinimum(a), a.Annotations[annotationHeld] != ""
	least := max(before, min(size, a.Spec.MaxReplicas))
	if least == minimum(a) && (held || least == before) {
		return nil
	}
	return minimumOf(least, map[string]any{annotationBefore: strconv.Itoa(int(before)), annotationHeld: strconv.Itoa(int(least))})
}

// ownMinimum is the minimum that an autoscaler has without hold. One that was changed
// outside bluegreen since is its own, and a note that no hold writes is not believed.
func (w *Workloads) ownMinimum(a *autoscaler) int32 {
	if a == nil || a.Annotations[fence.App] != w.App || a.Annotations[annotationHeld] != strconv.Itoa(int(minimum(a))) {
		return minimum(a)
	}
	n, err := strconv.ParseInt(a.Annotations[annotationBefore], 10, 32)
	if err != nil || n < 1 || int32(n) > minimum(a) {
		return minimum(a)
	}
	return int32(n)
}

// free is the change that puts back what hold found; nil when nothing is held.
func (w *Workloads) free(a *autoscaler) map[string]any {
	if a.Annotations[annotationHeld] == "" {
		return nil
	}
	return minimumOf(w.ownMinimum(a), map[string]any{annotationBefore: nil, annotationHeld: nil})
}

func minimumOf(least int32, annotations map[string]any) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": annotations}, "spec": map[string]any{"minReplicas": least}}
}

// fenced adds the fence, and the version that the change was decided on.
func fenced(change map[string]any, a *autoscaler, app string, f int64) ([]byte, error) {
	metadata := change["metadata"].(map[string]any)
	metadata["resourceVersion"] = a.ResourceVersion
	for k, v := range fence.Annotations(app, f) {
		metadata["annotations"].(map[string]any)[k] = v
	}
	return json.Marshal(change)
}

// writeScaler writes what decide returns for an autoscaler, fenced. A nil change is not
// written. The error of a missing right stays as it is.
func (w *Workloads) writeScaler(ctx context.Context, t Target, a *autoscaler, f int64, decide func(*autoscaler) map[string]any) error {
	client, name := t.Cluster.Client().AutoscalingV2().HorizontalPodAutoscalers(t.Namespace), a.Name
	for range tries {
		if held := fence.Held(a.Annotations, w.App, time.Now()); held > f {
			return fmt.Errorf("autoscaler %s of namespace %s: %w", name, t.Namespace, engine.Fenced{Held: held})
		}
		change := decide(a)
		if change == nil {
			return nil
		}
		body, err := fenced(change, a, w.App, f)
		if err != nil {
			return err
		}
		_, err = client.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager})
		switch {
		case apierrors.IsForbidden(err):
			return err
		case !apierrors.IsConflict(err):
			return t.Cluster.Explain(err)
		}
		if a, err = t.scaler(ctx, name); err != nil || a == nil {
			return err // what is gone holds nothing any more
		}
	}
	return fmt.Errorf("autoscaler %s of namespace %s in cluster %s is changed outside bluegreen too often: none of %d writes was accepted",
		name, t.Namespace, t.Cluster.Name(), tries)
}

// scaler reads one autoscaler by a list, as the Role has no other right; nil when it is gone.
func (t Target) scaler(ctx context.Context, name string) (*autoscaler, error) {
	scalers, err := t.scalers(ctx)
	i := slices.IndexFunc(scalers, func(a autoscaler) bool { return a.Name == name })
	if err != nil || i < 0 {
		return nil, err
	}
	return &scalers[i], nil
}
