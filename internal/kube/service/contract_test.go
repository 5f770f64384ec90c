package service_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"bluegreen/internal/contract"
	"bluegreen/internal/engine"
	"bluegreen/internal/kube/access"
	"bluegreen/internal/kube/service"
	"bluegreen/internal/release"
	"bluegreen/testbed"

	"k8s.io/client-go/rest"
)

// line is the transport to the API server, on which the next write may fail.
type line struct {
	next    http.RoundTripper
	trouble atomic.Pointer[contract.Trouble]
}

const refused = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"services \"podinfo\" is forbidden","reason":"Forbidden","code":403}`

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch {
		return l.next.RoundTrip(r)
	}
	trouble := l.trouble.Swap(nil)
	switch {
	case trouble == nil:
		return l.next.RoundTrip(r)
	case *trouble == contract.Forbidden:
		return &http.Response{
			StatusCode: http.StatusForbidden, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(refused)),
		}, nil
	case *trouble == contract.Unheard:
		resp, err := l.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
	}
	return nil, errors.New("connection reset")
}

func TestTheServiceKeepsTheContractOfAGateway(t *testing.T) {
	contract.Gateway(t, func(t *testing.T) contract.Traffic {
		w := newEnv(t, map[string]string{"shop": "podinfo", "color": "blue", "generation": "old"})
		wire := &line{}
		o := w.options()
		o.Cluster = access.New("testbed", func(context.Context) (*rest.Config, error) {
			config := w.cluster.AdminConfig()
			config.Wrap(func(next http.RoundTripper) http.RoundTripper { wire.next = next; return wire })
			return config, nil
		})
		for color, labels := range map[string]map[string]string{
			"blue": {"color": "blue", "generation": "old"}, "green": {"color": "green"},
		} {
			labels["shop"] = "podinfo"
			w.deploy(t, color, labels)
		}
		return contract.Traffic{
			Gateway:   service.New(o),
			Again:     func() engine.Gateway { return service.New(w.options()) },
			Effective: func() release.Color { return release.Color(w.get().Spec.Selector["color"]) },
			Settle:    func() {}, // a switch is done when it returns
			Rival: func(to release.Color) {
				switch to {
				case release.Blue:
					w.patch(`{"spec":{"selector":{"color":"blue","generation":"old"}}}`)
				case release.Green:
					w.patch(`{"spec":{"selector":{"color":"green","generation":null}}}`)
				default:
					w.patch(`{"spec":{"selector":{"color":null,"generation":null}}}`)
				}
			},
			Trouble: func(trouble contract.Trouble) bool {
				if trouble == contract.Occupied || trouble == contract.FailsLater {
					return false // a Service is written at once
				}
				wire.trouble.Store(&trouble)
				return true
			},
			Sicken: func(c release.Color) { w.cluster.Behave(w.namespace+"/"+string(c), testbed.NeverReady()) },
			Fences: true,
		}
	})
}

// deploy runs one pod of a color, whose image names its place.
func (w *env) deploy(t *testing.T, color string, labels map[string]string) {
	name := "podinfo-" + color
	w.cluster.Deploy(t, testbed.DeploymentSpec{
		Namespace: w.namespace, Name: name, Image: "registry.example/" + w.namespace + "/" + color + ":1", Replicas: 1, Labels: labels,
	})
	w.cluster.WaitAvailable(t, w.namespace, name, 1)
}
