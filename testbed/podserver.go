package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podServer is the web server of one pod: every path is answered with the
// color and version in headers and body.
type podServer struct {
	http   *http.Server
	code   atomic.Int32
	health atomic.Int32 // of /healthz
}

// Answer is the JSON body with which every pod answers.
type Answer struct {
	Color   string `json:"color"`
	Version string `json:"version"` // digest of the image reference, else its tag
	Image   string `json:"image"`
	Pod     string `json:"pod"`
}

func (s *podServer) answer(code, health int32) {
	s.code.Store(code)
	s.health.Store(health)
}

// serve starts the pod's server unless it runs. A pod keeps its address over
// restarts of its container.
func (p *pod) serve() error {
	if p.server != nil {
		return nil
	}
	if !p.ip.IsValid() {
		p.ip = p.actor.network.address()
	}
	port := uint16(8080)
	if ports := p.spec.Spec.Containers[0].Ports; len(ports) > 0 {
		port = uint16(ports[0].ContainerPort)
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(p.ip, port).String())
	if err != nil {
		return fmt.Errorf("listen for pod (does another program listen on port %d of all addresses?): %w", port, err)
	}
	p.server = newPodServer(Answer{Color: p.color, Version: version(p.image), Image: p.image, Pod: p.spec.Name})
	p.runningFor = metav1.Now()
	go p.server.http.Serve(l)
	return nil
}

func newPodServer(a Answer) *podServer {
	s := &podServer{}
	body, _ := json.Marshal(a) // strings only: cannot fail
	s.http = &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code := s.code.Load()
			if r.URL.Path == "/healthz" {
				code = s.health.Load()
			}
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("Content-Length", strconv.Itoa(len(body)))
			h.Set("X-Color", a.Color)
			h.Set("X-Version", a.Version)
			w.WriteHeader(int(code))
			w.Write(body)
		}),
	}
	return s
}

// stopServing lets running answers end within the time given, then cuts them.
func (p *pod) stopServing(within time.Duration) {
	if p.server == nil {
		return
	}
	if within > 0 {
		// The pod's end must not depend on the context that may have caused it.
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		p.server.http.Shutdown(ctx)
	}
	p.server.http.Close()
	p.server = nil
}
