// Package testbed starts the real parts that tests run against: control planes
// (etcd, kube-apiserver, kube-controller-manager) with an actor in the place of
// scheduler and kubelet, ingresses to their Services, and Azurite. `make
// testbed` builds and installs them. Everything listens on loopback networks of
// its own, so many test processes can run at once, and dies with the test.
package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const missing = "%s is missing: run make testbed (about 7 minutes the first time)"

// controlPlaneBinary is the path of the built control plane.
func controlPlaneBinary() (string, error) { return built(".testbed", "controlplane") }

// azuriteBinary is the path of Azurite's start script.
func azuriteBinary() (string, error) {
	return built("testbed", "azurite", "node_modules", ".bin", "azurite")
}

func built(path ...string) (string, error) {
	root, err := repoRoot()
	if err != nil {
		return "", err
	}
	file := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf(missing, filepath.Join(path...))
	}
	return file, nil
}

// repoRoot walks up to the go.mod of module bluegreen; tests run in the folder
// of their package.
func repoRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module bluegreen\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("find the repository: no go.mod of module bluegreen above the working folder")
		}
		dir = up
	}
}
