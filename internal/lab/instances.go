package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// instances are those of an app: a port for each color, which answers with the color and the
// version that the color runs in the cluster, and a preview of both colors that does not
// depend on which one has the traffic.
type instances struct {
	cluster *fake.Cluster
	port    map[release.Color]int
	preview string // URL; the color follows, and then the path
	servers []*http.Server

	mu    sync.Mutex
	flaws map[string]string    // by tag
	met   map[string]time.Time // by tag, when the first user was answered
}

func startInstances(cluster *fake.Cluster) (*instances, error) {
	in := &instances{cluster: cluster, port: map[release.Color]int{}, flaws: map[string]string{}, met: map[string]time.Time{}}
	preview := http.NewServeMux()
	for _, color := range colors {
		answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.answer(w, r, color) })
		port, err := in.serve(answers)
		if err != nil {
			in.close()
			return nil, fmt.Errorf("start the %s instances: %w", color, err)
		}
		in.port[color] = port
		preview.Handle("/"+string(color)+"/", http.StripPrefix("/"+string(color), answers))
	}
	port, err := in.serve(preview)
	if err != nil {
		in.close()
		return nil, fmt.Errorf("start the preview: %w", err)
	}
	in.preview = fmt.Sprintf("http://%s:%d/", loopback, port)
	return in, nil
}

// serve listens on a free port, which it returns.
func (in *instances) serve(handler http.Handler) (int, error) {
	listener, err := net.Listen("tcp", loopback+":0")
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

// set makes a version have a flaw, or none.
func (in *instances) set(tag, flaw string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.flaws[tag] = flaw
	delete(in.met, tag)
}

// flaw is the flaw of a version.
func (in *instances) flaw(tag string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.flaws[tag]
}

func (in *instances) answer(w http.ResponseWriter, r *http.Request, color release.Color) {
	image, ready := in.cluster.Running(color)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Color", string(color))
	w.Header().Set("X-Version", image.Tag)
	w.WriteHeader(in.status(r.URL.Path, image.Tag, ready))
	_ = json.NewEncoder(w).Encode(map[string]string{"color": string(color), "version": image.Tag}) // a client that went away needs no answer
}

// good is how long a version answers users well before its confirm check fails.
const good = 5 * time.Second

func (in *instances) status(path string, tag string, ready int32) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	flaw := in.flaws[tag]
	ofUser := path != "/verify" && path != "/confirm" && path != "/healthz"
	if ofUser && in.met[tag].IsZero() {
		in.met[tag] = time.Now()
	}
	switch {
	case ready == 0:
		return http.StatusServiceUnavailable
	case path == "/verify" && flaw == flawVerify, ofUser && flaw == flawErrors:
		return http.StatusInternalServerError
	case path == "/confirm" && flaw == flawConfirm && !in.met[tag].IsZero() && time.Since(in.met[tag]) > good:
		return http.StatusInternalServerError
	}
	return http.StatusOK
}
