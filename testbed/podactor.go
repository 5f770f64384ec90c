package testbed

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// nodeName is the one node that all pods are bound to. It must exist, or the
// EndpointSlice controller skips its pods; bound pods are deleted gracefully.
const nodeName = "testbed"

// podActor replaces scheduler, kubelet and containers: it binds each pod,
// gives it an address with a web server, reports the status that its image's
// Behaviour defines, and finishes its deletion. Nothing is pulled, so the image IDs are
// made up: tests assume that a runtime reports REPOSITORY@DIGEST with the digest that was
// pulled, which for an image of several platforms is that of its index.
type podActor struct {
	client  kubernetes.Interface
	network *network
	drain   time.Duration
	logf    func(format string, args ...any)

	mu       sync.Mutex
	pods     map[types.UID]*pod
	rules    []rule
	first    map[types.UID]types.UID // of each owner with PartlyReady pods, the pod that is ready
	meanings map[string]string       // digests of images named without one
	keepers  sync.WaitGroup
}

// start returns when the actor watches; it acts until ctx ends.
func (a *podActor) start(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	if _, err := a.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create node: %w", err)
	}
	informer := cache.NewSharedInformer(
		cache.NewListWatchFromClient(a.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, fields.Everything()),
		&corev1.Pod{}, 0)
	if err := informer.SetWatchErrorHandlerWithContext(a.watchFailed); err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { a.seen(ctx, obj.(*corev1.Pod)) },
		UpdateFunc: func(_, obj any) { a.seen(ctx, obj.(*corev1.Pod)) },
		DeleteFunc: a.lost,
	}); err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	a.keepers.Go(func() { informer.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("watch pods: %w", context.Cause(ctx))
	}
	return nil
}

// wait returns when every pod has stopped after the end of start's ctx.
func (a *podActor) wait() { a.keepers.Wait() }

func (a *podActor) watchFailed(_ context.Context, _ *cache.Reflector, err error) {
	a.logf("pod actor: watch pods: %v", err) // an API server that is away is part of the tests
}

func (a *podActor) seen(ctx context.Context, seen *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pods[seen.UID]
	if p == nil {
		if ctx.Err() != nil {
			return
		}
		p = newPod(a, seen)
		a.pods[seen.UID] = p
		a.keepers.Go(func() { p.keep(ctx) })
	}
	if seen.DeletionTimestamp != nil {
		p.deletingOnce.Do(func() { close(p.deleting) })
	}
}

// isFirst reports whether a pod is the one of its owner's pods that PartlyReady makes ready.
func (a *podActor) isFirst(p *pod) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(p.spec.OwnerReferences) == 0 {
		return true
	}
	owner := p.spec.OwnerReferences[0].UID
	if a.pods[a.first[owner]] == nil {
		a.first[owner] = p.spec.UID
	}
	return a.first[owner] == p.spec.UID
}

func (a *podActor) lost(obj any) {
	if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = last.Obj
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	uid := obj.(*corev1.Pod).UID
	if p := a.pods[uid]; p != nil {
		close(p.gone)
		delete(a.pods, uid)
	}
}
