package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// instances are the demo app: one address for each color, which answers with the color
// and the version that the color runs in the cluster.
type instances struct {
	port    int
	address map[release.Color]string // IP
	servers []*http.Server
}

// startInstances listens on two loopback addresses with one port, as the members of two
// backend pools that share their HTTP settings.
func startInstances(cluster *fake.Cluster) (*instances, error) {
	in := &instances{address: map[release.Color]string{release.Blue: "127.0.0.1", release.Green: "127.0.0.2"}}
	for _, color := range []release.Color{release.Blue, release.Green} {
		listener, err := net.Listen("tcp", net.JoinHostPort(in.address[color], strconv.Itoa(in.port)))
		if err != nil {
			in.close()
			return nil, fmt.Errorf("start the %s instances: %w", color, err)
		}
		in.port = listener.Addr().(*net.TCPAddr).Port
		server := &http.Server{
			ErrorLog: log.New(io.Discard, "", 0),
			Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, cluster, color) }),
		}
		in.servers = append(in.servers, server)
		go server.Serve(listener)
	}
	return in, nil
}

func (in *instances) close() {
	for _, server := range in.servers {
		server.Close()
	}
}

func answer(w http.ResponseWriter, r *http.Request, cluster *fake.Cluster, color release.Color) {
	image, ready := cluster.Running(color)
	status := http.StatusOK
	switch {
	case ready == 0:
		status = http.StatusServiceUnavailable
	case cluster.Fails(color) && r.URL.Path != "/healthz":
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Color", string(color))
	w.Header().Set("X-Version", image.Tag)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"color": string(color), "version": image.Tag}) // a client that went away needs no answer
}
