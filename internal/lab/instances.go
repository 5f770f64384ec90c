package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// instances are the demo app: one address for each color, which answers with the color
// and the version that the color runs in the cluster, and a preview of both colors that
// does not depend on which one has the traffic.
type instances struct {
	cluster *fake.Cluster
	port    int
	address map[release.Color]string // IP
	preview string                   // URL; the color follows, and then the path
	servers []*http.Server

	mu    sync.Mutex
	fails map[string]bool // tags whose smoke test fails
}

// startInstances listens on two loopback addresses with one port, as the members of two
// backend pools that share their HTTP settings.
func startInstances(cluster *fake.Cluster) (*instances, error) {
	in := &instances{
		cluster: cluster, fails: map[string]bool{},
		address: map[release.Color]string{release.Blue: "127.0.0.1", release.Green: "127.0.0.2"},
	}
	preview := http.NewServeMux()
	for _, color := range colors {
		answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.answer(w, r, color) })
		port, err := in.serve(in.address[color], in.port, answers)
		if err != nil {
			in.close()
			return nil, fmt.Errorf("start the %s instances: %w", color, err)
		}
		in.port = port
		preview.Handle("/"+string(color)+"/", http.StripPrefix("/"+string(color), answers))
	}
	port, err := in.serve("127.0.0.1", 0, preview)
	if err != nil {
		in.close()
		return nil, fmt.Errorf("start the preview: %w", err)
	}
	in.preview = fmt.Sprintf("http://127.0.0.1:%d/", port)
	return in, nil
}

// serve listens on a port of an address, a free one for 0, and returns the port.
func (in *instances) serve(address string, port int, handler http.Handler) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: handler}
	in.servers = append(in.servers, server)
	go server.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (in *instances) close() {
	for _, server := range in.servers {
		server.Close()
	}
}

// fail decides whether the smoke test of a tag fails.
func (in *instances) fail(tag string, fails bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fails[tag] = fails
}

func (in *instances) answer(w http.ResponseWriter, r *http.Request, color release.Color) {
	image, ready := in.cluster.Running(color)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Color", string(color))
	w.Header().Set("X-Version", image.Tag)
	w.WriteHeader(in.status(r.URL.Path, color, image.Tag, ready))
	_ = json.NewEncoder(w).Encode(map[string]string{"color": string(color), "version": image.Tag}) // a client that went away needs no answer
}

func (in *instances) status(path string, color release.Color, tag string, ready int32) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case ready == 0:
		return http.StatusServiceUnavailable
	case path == "/smoke" && in.fails[tag]:
		return http.StatusInternalServerError
	case path != "/smoke" && path != "/healthz" && in.cluster.Fails(color): // these users see, checks do not
		return http.StatusInternalServerError
	}
	return http.StatusOK
}
