// Package service moves traffic by the selector of a Kubernetes Service: the labels of one
// color are put in the place of the other's, and every other label that it selects by
// stays. The change is one write, which the cluster's proxies follow within seconds.
package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/fence"
	"bluegreen/internal/release"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// annotationMoved makes each write a change, so that an older one that is still on its
	// way finds another version than it was decided on.
	annotationMoved = "bluegreen.dev/switched-at"
	manager         = "bluegreen"
	// tries bounds how often a switch is decided anew because the Service was changed meanwhile.
	tries = 5
	token = "service/"
)

// Options of an app's gateway. Blue and Green are the labels that the Service selects while
// the color is live.
type Options struct {
	App         string
	Cluster     *access.Cluster
	Namespace   string
	Service     string
	Blue, Green map[string]string
	Now         func() time.Time // default: time.Now
}

// Gateway is a Service as engine.Gateway; it is an engine.Preflight too.
type Gateway struct {
	Options
	last atomic.Pointer[reading] // nil before the first read, and once a switch has used it
}

// reading is what is needed of the Service as it was at a time.
type reading struct {
	service *corev1.Service
	at      time.Time
}

// justNow is how long ago a read may have been to serve for what is asked of it next.
const justNow = time.Second

// New makes an app's gateway. Nothing is asked of the cluster yet.
func New(o Options) *Gateway {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gateway{Options: o}
}

func (g *Gateway) labels(c release.Color) map[string]string {
	if c == release.Green {
		return g.Green
	}
	return g.Blue
}

func (g *Gateway) get(ctx context.Context) (*corev1.Service, error) {
	at := g.Now()
	s, err := g.Cluster.Client().CoreV1().Services(g.Namespace).Get(ctx, g.Service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: there is no Service %s in namespace %s of cluster %s: create it, with the labels of one color in its selector",
			engine.ErrDenied, g.Service, g.Namespace, g.Cluster.Name())
	}
	if err != nil {
		return nil, g.Cluster.Explain(err)
	}
	g.last.Store(&reading{&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: s.ResourceVersion, Annotations: s.Annotations}, Spec: corev1.ServiceSpec{Selector: s.Spec.Selector},
	}, at})
	return s, nil
}

// lately is the Service as it was read just now, or is.
func (g *Gateway) lately(ctx context.Context) (*corev1.Service, error) {
	if last := g.last.Load(); last != nil && g.Now().Sub(last.at) < justNow {
		return last.service, nil
	}
	return g.get(ctx)
}

// Live implements engine.Gateway.
func (g *Gateway) Live(ctx context.Context) (engine.Reading, error) {
	s, err := g.get(ctx)
	if err != nil {
		return engine.Reading{}, err
	}
	r := g.read(s)
	if problem := g.problem(s); problem != "" {
		r.Detail += "; " + problem
	}
	return r, nil
}

// problem is about what is no fence of a worker; "" without one.
func (g *Gateway) problem(s *corev1.Service) string {
	return fence.Problem(s.Annotations, g.App, "service "+g.Service+" -n "+g.Namespace, time.Now())
}

func (g *Gateway) read(s *corev1.Service) engine.Reading {
	r := engine.Reading{Detail: fmt.Sprintf("Service %s selects %s", g.Service, text(s.Spec.Selector))}
	if by := setBy(s); by != "" && by != manager {
		r.Detail += ", set by " + by
	}
	blue, green := contains(s.Spec.Selector, g.Blue), contains(s.Spec.Selector, g.Green)
	switch {
	case blue && !green:
		r.Live = release.Blue
	case green && !blue:
		r.Live = release.Green
	}
	return r
}

// setBy is the field manager that set the selector last; "" where that is not known.
func setBy(s *corev1.Service) (name string) {
	var last time.Time
	for _, m := range s.ManagedFields {
		if m.FieldsV1 == nil || !bytes.Contains(m.FieldsV1.GetRawBytes(), []byte(`"f:selector"`)) || m.Time == nil {
			continue
		}
		if at := m.Time.Time; name == "" || !at.Before(last) {
			name, last = m.Manager, at
		}
	}
	return name
}

func contains(selector, labels map[string]string) bool {
	for k, v := range labels {
		if have, ok := selector[k]; !ok || have != v {
			return false
		}
	}
	return true
}

func text(selector map[string]string) string {
	if len(selector) == 0 {
		return "nothing"
	}
	return labels.FormatLabels(selector)
}

// Switch implements engine.Gateway. It is done when it returns without an error. It first writes on
// what was read last: the API server refuses that if the Service was changed since, and it is read
// then.
func (g *Gateway) Switch(ctx context.Context, to release.Color, f int64) (engine.Operation, error) {
	for range tries {
		var s *corev1.Service
		var err error
		last := g.last.Swap(nil)
		known := last != nil
		if known {
			s = last.service
		} else if s, err = g.get(ctx); err != nil {
			return engine.Operation{}, err
		}
		if err := g.refusal(s, f); err != nil {
			if known {
				continue
			}
			return engine.Operation{}, err
		}
		s, err = g.Cluster.Client().CoreV1().Services(g.Namespace).Patch(ctx, g.Service, types.MergePatchType,
			g.patch(s, to, f), metav1.PatchOptions{FieldManager: manager})
		switch {
		case err == nil:
			return engine.Operation{Token: token + s.ResourceVersion, Done: true}, nil
		case !apierrors.IsConflict(err) && !(known && apierrors.IsNotFound(err)):
			return engine.Operation{}, g.Cluster.Explain(err)
		}
	}
	return engine.Operation{}, fmt.Errorf("switch Service %s, which was changed outside bluegreen at each of the tries: %w", g.Service, engine.ErrBusy)
}

// refusal is why a Service must not be written as it is.
func (g *Gateway) refusal(s *corev1.Service, f int64) error {
	if held := fence.Held(s.Annotations, g.App, time.Now()); held > f {
		return fmt.Errorf("switch Service %s: %w", g.Service, engine.Fenced{Held: held})
	}
	if r := g.read(s); r.Live == "" {
		return fmt.Errorf("%w: %s, which is neither color: point it at %s or %s", engine.ErrDenied, r.Detail, text(g.Blue), text(g.Green))
	}
	return nil
}

// patch exchanges the labels of one color for the other's, in the version that was read.
func (g *Gateway) patch(s *corev1.Service, to release.Color, f int64) []byte {
	selector := map[string]any{}
	for k := range g.labels(to.Other()) {
		selector[k] = nil
	}
	for k, v := range g.labels(to) {
		selector[k] = v
	}
	annotations := fence.Annotations(g.App, f)
	annotations[annotationMoved] = time.Now().UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": s.ResourceVersion, "annotations": annotations},
		"spec":     map[string]any{"selector": selector},
	})
	if err != nil {
		panic(err) // maps of text
	}
	return body
}

// Poll implements engine.Gateway. Only operations that are done were ever begun here.
func (g *Gateway) Poll(_ context.Context, id string) (engine.Operation, error) {
	if strings.HasPrefix(id, token) {
		return engine.Operation{Token: id, Done: true}, nil
	}
	return engine.Operation{Token: id, Lost: true, Detail: "a Service has no such operation"}, nil
}

// Health implements engine.Gateway: a color is healthy if the Service would find a ready pod
// by its labels. The color without traffic has no endpoints yet, so pods are counted instead.
func (g *Gateway) Health(ctx context.Context, c release.Color) (engine.Health, error) {
	s, err := g.lately(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	selector := maps.Clone(s.Spec.Selector)
	if selector == nil {
		selector = map[string]string{}
	}
	for k := range g.labels(c.Other()) {
		delete(selector, k)
	}
	maps.Copy(selector, g.labels(c))
	list, err := g.Cluster.Client().CoreV1().Pods(g.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(selector)})
	if err != nil {
		return engine.Health{}, g.Cluster.Explain(err)
	}
	ready := 0
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}) {
			ready++
		}
	}
	return engine.Health{
		Healthy: ready > 0,
		Detail:  fmt.Sprintf("%d of %d pods with the labels %s are ready", ready, len(list.Items), text(selector)),
	}, nil
}
