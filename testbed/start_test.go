package testbed_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/testbed"
)

func TestMissingPartsNameTheCommandThatInstallsThem(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module bluegreen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	_, clusterErr := testbed.StartCluster(t.Context(), testbed.Options{})
	_, azuriteErr := testbed.StartAzurite(t.Context(), "")
	for _, err := range []error{clusterErr, azuriteErr} {
		if err == nil || !strings.Contains(err.Error(), "run make testbed") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestAFailedStartShowsTheLastLines(t *testing.T) {
	needsRealParts(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etcd-data"), []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := testbed.StartCluster(t.Context(), testbed.Options{Dir: dir})
	if err == nil {
		c.Close()
		t.Fatal("started without a data folder")
	}
	if !strings.Contains(err.Error(), "etcd ended while starting") || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("error is %v", err)
	}
}

const childVariable = "BLUEGREEN_TESTBED_CHILD"

// TestNothingOutlivesAKilledTest kills a test process (itself, started again
// as a child) that has a server running.
func TestNothingOutlivesAKilledTest(t *testing.T) {
	needsRealParts(t)
	if os.Getenv(childVariable) != "" {
		beKilled(t)
	}
	t.Setenv("TMPDIR", t.TempDir())
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	child.Process.Kill()
	child.Wait()
	if err != nil {
		t.Fatalf("the child did not print its address: %v", err)
	}
	testbed.Eventually(t, 5*time.Second, func() bool {
		conn, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, func() string { return addr + " still answers" })

	left := orphans(t)
	if len(left) == 0 {
		t.Fatal("the child left no folder: this test shows nothing")
	}
	next, err := testbed.StartAzurite(t.Context(), "") // the next test run
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	if left := orphans(t); len(left) != 0 {
		t.Errorf("folders are left: %v", left)
	}
}

func beKilled(t *testing.T) {
	a, err := testbed.StartAzurite(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(a.TableURL(), "http://")
	fmt.Println(addr[:strings.Index(addr, "/")])
	<-t.Context().Done()
}

func orphans(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "bluegreen-testbed-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func needsRealParts(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the test bed; runs without -short")
	}
}
