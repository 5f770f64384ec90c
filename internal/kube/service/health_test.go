package service_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/release"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestOnlyReadyPodsThatStayMakeAColorHealthy(t *testing.T) {
	pod := func(ready corev1.ConditionStatus, going bool) corev1.Pod {
		p := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}}
		if going {
			now := metav1.Now()
			p.DeletionTimestamp = &now
		}
		return p
	}
	for name, c := range map[string]struct {
		pods    []corev1.Pod
		healthy bool
	}{
		"none":                        {},
		"one of two is ready":         {[]corev1.Pod{pod(corev1.ConditionFalse, false), pod(corev1.ConditionTrue, false)}, true},
		"none is ready":               {[]corev1.Pod{pod(corev1.ConditionFalse, false)}, false},
		"the ready ones are deleted":  {[]corev1.Pod{pod(corev1.ConditionTrue, true), pod(corev1.ConditionFalse, false)}, false},
		"whether it is, is not known": {[]corev1.Pod{pod(corev1.ConditionUnknown, false)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				var body any = corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: c.pods}
				if strings.Contains(r.URL.Path, "/services/") {
					body = corev1.Service{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "podinfo"}}
				}
				_ = json.NewEncoder(w).Encode(body)
			}))
			defer server.Close()
			g := service.New(service.Options{
				App: "podinfo", Namespace: "shop", Service: "podinfo", Blue: map[string]string{"color": "blue"}, Green: map[string]string{"color": "green"},
				Cluster: access.New("weu", func(context.Context) (*rest.Config, error) { return &rest.Config{Host: server.URL}, nil }),
			})
			if h, err := g.Health(t.Context(), release.Green); err != nil || h.Healthy != c.healthy {
				t.Errorf("%+v, error %v", h, err)
			}
		})
	}
}
