// Package e2e runs the deployment package as separate processes behind the emulated Functions
// host, against Azurite, real Kubernetes control planes and the emulated Azure.
package e2e

import (
	"archive/zip"
	"context"
	"crypto/rand"
	"flag"
	"os"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
	"bluegreen/testbed"
)

// shared is the fixture of all tests of this process: starting it for each test would take
// most of the time.
var shared struct {
	sync.Mutex
	clusters []*testbed.Cluster
	root     string // the unpacked zip
}

// token opens both clusters to the identity of the app, as one Entra token does.
var token = rand.Text()

// sideBySide is how many of the tests that say so run at once: they wait most of the time. A test
// that counts lost requests to the last one, or kills what others use, has the machine for itself.
const sideBySide = "4"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", sideBySide); err != nil { // -parallel overrides it
		panic(err)
	}
	code := m.Run()
	for _, c := range shared.clusters {
		c.Close()
	}
	if shared.root != "" {
		os.RemoveAll(shared.root)
	}
	os.Exit(code)
}

// realParts skips a test that is to take seconds.
func realParts(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the test bed; runs without -short")
	}
}

// clusters are two control planes in which the identity of the app is testbed.DefaultUser.
func clusters(t testing.TB) (blue, green *testbed.Cluster) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.clusters == nil {
		o := testbed.Options{Users: map[string]string{testbed.DefaultUser: token}, Drain: time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		both, err := testbed.StartClusters(ctx, o, o)
		if err != nil {
			t.Fatal(err)
		}
		shared.clusters = both
	}
	return shared.clusters[0], shared.clusters[1]
}

// root is the folder with the unpacked zip.
func root(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.root == "" {
		dir, err := os.MkdirTemp("", "bluegreen-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		shared.root = dir
		if err := host.Unpack("../dist/bluegreen.zip", dir); err != nil {
			t.Fatalf("unpack what is deployed (make package makes it): %v", err)
		}
	}
	return shared.root
}

func TestTheZipHoldsTheDeployedFilesAndNothingElse(t *testing.T) {
	realParts(t)
	z, err := zip.OpenReader("../dist/bluegreen.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	want := map[string]os.FileMode{
		"handler": 0o755, "host.json": 0o644, "image-pushed/function.json": 0o644, "alert-fired/function.json": 0o644,
		"release-step/function.json": 0o644, "clock-tick/function.json": 0o644, "alerts/function.json": 0o644,
		"look/function.json": 0o644, "act/function.json": 0o644, "signed-in/function.json": 0o644, "ui/function.json": 0o644,
	}
	for _, f := range z.File {
		mode, ok := want[f.Name]
		switch {
		case f.Name == "bluegreen.yaml": // the team's own, where there is one
		case !ok:
			t.Errorf("%s does not belong there", f.Name)
		case f.Mode().Perm() != mode:
			t.Errorf("%s has mode %v, not %v", f.Name, f.Mode().Perm(), mode)
		}
		delete(want, f.Name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}
