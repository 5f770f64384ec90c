package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/actiongroup"
)

// twoApps are released in AKS clusters, behind a gateway whose alert rule both watch.
const twoApps = `
defaults: {confirm: {http: [{url: "https://shop.example.com/"}]}}
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue:  {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-blue, namespace: shop, deployment: shop, backend: blue}
      green: {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-green, namespace: shop, deployment: shop, backend: green}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [shop]}
    alerts: [{rule: "agw-*"}]
  - name: blog
    image: {registry: shopacr.azurecr.io, repository: team/blog, tags: "semver:>=1"}
    colors:
      blue:  {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-blue, namespace: blog, deployment: blog, backend: blog-blue}
      green: {cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-green, namespace: blog, deployment: blog, backend: blog-green}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [blog]}
    alerts: [{rule: "agw-*"}]
`

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan net.Conn, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		for len(open) > 0 {
			(<-open).Close()
		}
	})
	return l.Addr().String()
}

// written is a configuration in a file.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bluegreen.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWhatNeverAnswersEndsATickAndLeavesAlertsTheirTime: the storage, or the identity that it
// needs a token of, accepts connections and sends nothing.
func TestWhatNeverAnswersEndsATickAndLeavesAlertsTheirTime(t *testing.T) {
	at := silent(t)
	t.Setenv("IDENTITY_ENDPOINT", "http://"+at+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "x")
	for name, s := range map[string]storage{
		"storage":  {ConnectionString: "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=eA==;QueueEndpoint=http://" + at + "/a;TableEndpoint=http://" + at + "/a;"},
		"identity": {TableURL: "https://127.0.0.1:1", QueueURL: "https://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			handler, err := wire(t.Context(), settings{Config: written(t, twoApps), Storage: s}, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				t.Fatal(err)
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: handler}
			go server.Serve(listener)
			defer server.Close() // does not wait for what hangs
			client := &http.Client{Timeout: 30 * time.Second}
			post := func(path string, body []byte) (status int, took time.Duration, err error) {
				began := time.Now()
				resp, err := client.Post("http://"+listener.Addr().String()+path, "application/json", strings.NewReader(string(body)))
				if err != nil {
					return 0, 0, err
				}
				resp.Body.Close()
				return resp.StatusCode, time.Since(began), nil
			}
			ticked := make(chan error, 1)
			go func() {
				_, _, err := post("/clock-tick", []byte(`{"Data":{"tick":{}}}`))
				ticked <- err
			}()
			time.Sleep(50 * time.Millisecond)
			answers := make(chan string, 5)
			for range cap(answers) {
				go func() {
					status, took, err := post("/api/alerts", actiongroup.Alert{Rule: "agw-5xx"}.Activity())
					if err == nil && status == http.StatusServiceUnavailable && took < 5*time.Second {
						answers <- ""
						return
					}
					answers <- fmt.Sprintf("%d after %s, error %v", status, took, err)
				}()
			}
			for range cap(answers) {
				if answer := <-answers; answer != "" {
					t.Errorf("an alert: %s", answer)
				}
			}
			if err := <-ticked; err != nil {
				t.Errorf("the tick: %v", err)
			}
		})
	}
}
