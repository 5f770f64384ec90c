package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/testbed"
)

// template makes an app of each of the two gateways that are Azure's out of one line.
const template = `
templates:
  web:
    parameters: {team: {}}
    image: {registry: shopacr.azurecr.io, repository: "${team}/${app}", tags: "semver:>=1"}
    colors:
      blue:  {cluster: &aks /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters/aks, namespace: "${app}", deployment: blue, backend: "${app}-blue"}
      green: {cluster: *aks, namespace: "${app}", deployment: green, backend: "${app}-green"}
    gateway: {applicationGateway: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop/providers/Microsoft.Network/applicationGateways/agw, rules: ["${app}"]}
    verify: {http: [{url: "https://{color}.${app}.example.com/healthz", times: 3}]}
    confirm: {http: [{url: "https://${app}.example.com/healthz"}]}
    alerts: [{rule: "${app}-*"}, {rule: "agw-*", severity: "<=Sev2"}]
apps:
`

// BenchmarkManyApps starts the handler with 10,000 apps of a template, as a process beside a
// storage, and with one: how long it takes to its first answer, and how much memory it has then
// and when it has looked at its storage.
func BenchmarkManyApps(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "handler")
	if out, err := exec.Command("go", "build", "-o", binary, "-tags", "grpcnotrace", "-ldflags", "-s -w", ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, apps := range []int{1, 10_000} {
		b.Run(fmt.Sprint(apps), func(b *testing.B) {
			for b.Loop() {
				ready, first, later := start(b, binary, apps)
				b.ReportMetric(float64(ready.Milliseconds()), "ms-to-answer")
				b.ReportMetric(first, "MB-at-first")
				b.ReportMetric(later, "MB-at-rest")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func start(b *testing.B, binary string, apps int) (ready time.Duration, first, later float64) {
	var text strings.Builder
	text.WriteString(template)
	for n := range apps {
		fmt.Fprintf(&text, "  - {name: shop-%05d, template: web, parameters: {team: team-%d}}\n", n, n%50)
	}
	folder := b.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "bluegreen.yaml"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	ctx, stop := context.WithCancel(b.Context())
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = []string{"FUNCTIONS_CUSTOMHANDLER_PORT=" + port, "FUNCTIONS_APP_ROOT_PATH=" + folder, "AzureWebJobsStorage=" + testbed.SharedAzurite(b).ConnectionString()}
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { stop(); _ = cmd.Wait() }()
	for {
		resp, err := http.Get("http://127.0.0.1:" + port + "/api/apps/shop-00000/configuration")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Since(began) > time.Minute {
			b.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	ready = time.Since(began)
	first = resident(b, cmd.Process.Pid, "VmHWM")
	time.Sleep(20 * time.Second)
	return ready, first, max(resident(b, cmd.Process.Pid, "VmHWM"), first)
}

// ofProcess is a line of /proc/PID/status, in kB.
var ofProcess = regexp.MustCompile(`(?m)^(Vm\w+):\s+(\d+) kB$`)

func resident(b *testing.B, pid int, name string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, found := range ofProcess.FindAllSubmatch(status, -1) {
		if string(found[1]) == name {
			kB, _ := strconv.Atoi(string(found[2]))
			return float64(kB) / 1024
		}
	}
	b.Fatalf("no %s", name)
	return 0
}
