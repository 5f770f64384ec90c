package workload_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A color that was whole when it was ordered has no watch that would show what becomes of it.
func TestAColorThatWasWholeWhenItWasOrderedIsSeenToFail(t *testing.T) {
	ready, lists := int32(3), 0
	w := played(t, func(r *http.Request) (int, any) {
		switch {
		case r.Method == http.MethodPatch:
			d := rolling(ready).Items[0]
			d.TypeMeta = metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"}
			return http.StatusOK, d
		case strings.HasSuffix(r.URL.Path, "/deployments"):
			lists++
			return http.StatusOK, rolling(ready)
		}
		return http.StatusOK, nil
	})
	image := release.Image{Tag: "2.0", Digest: "sha256:" + strings.Repeat("a", 64)}
	if err := w.Deploy(t.Context(), engine.Order{Color: release.Blue, Image: image, Size: []int32{3}, Fence: 1}); err != nil {
		t.Fatal(err)
	}
	ready, lists = 0, 0
	var o engine.Workload
	began := time.Now()
	for time.Since(began) < 12*time.Second {
		var err error
		if o, err = w.Observe(t.Context(), release.Blue, image, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if o.Status != release.Complete {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Errorf("no pod is ready for %s, and after %d reads it is %s with %d ready", time.Since(began).Round(time.Second), lists, o.Status, o.Ready)
}
