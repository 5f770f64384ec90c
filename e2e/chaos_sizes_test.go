package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"bluegreen/testbed"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// sizes remembers each change of a Deployment's image and each loss of replicas, with the
// API server's own time of it: after an outage of that server, changes are seen late.
type sizes struct {
	mu      sync.Mutex
	changes map[string][]change
}

type change struct {
	at   time.Time // of the API server
	seen time.Time
	what string
}

func watchSizes(t *testing.T, clusters ...*testbed.Cluster) *sizes {
	s := &sizes{changes: map[string][]change{}}
	for _, c := range clusters {
		factory := informers.NewSharedInformerFactory(c.Client(), 0)
		informer := factory.Apps().V1().Deployments().Informer()
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			UpdateFunc: func(was, is any) { s.updated(c, was.(*appsv1.Deployment), is.(*appsv1.Deployment)) },
		}); err != nil {
			t.Fatal(err)
		}
		factory.StartWithContext(t.Context())
		factory.WaitForCacheSyncWithContext(t.Context())
	}
	return s
}

func (s *sizes) updated(c *testbed.Cluster, was, is *appsv1.Deployment) {
	before, after := was.Spec.Template.Spec.Containers[0].Image, is.Spec.Template.Spec.Containers[0].Image
	if before == after && *is.Spec.Replicas >= *was.Spec.Replicas {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := place{c, is.Namespace, is.Name}.String()
	s.changes[p] = append(s.changes[p], change{written(is), time.Now(), fmt.Sprintf("%d × %s became %d × %s", *was.Spec.Replicas, before, *is.Spec.Replicas, after)})
}

// written is the time of the last write of the spec by any field manager, in whole seconds.
func written(d *appsv1.Deployment) time.Time {
	var last time.Time
	for _, m := range d.ManagedFields {
		if m.Subresource == "" && m.Manager != "kube-controller-manager" && m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	return last
}

// between returns the changes of a Deployment in a span of time, its edges left out: the
// times of the API server have whole seconds.
func (s *sizes) between(p place, from, to time.Time) []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []change
	for _, c := range s.changes[p.String()] {
		if !c.at.Before(from.Truncate(time.Second).Add(time.Second)) && c.at.Before(to.Truncate(time.Second)) {
			found = append(found, c)
		}
	}
	return found
}

// seen counts all changes.
func (s *sizes) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, changes := range s.changes {
		n += len(changes)
	}
	return n
}

// place is a Deployment in a cluster.
type place struct {
	cluster         *testbed.Cluster
	namespace, name string
}

func (p place) String() string {
	return fmt.Sprintf("%s %s/%s", p.cluster.Server(), p.namespace, p.name)
}
