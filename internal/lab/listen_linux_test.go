package lab_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bluegreen/internal/lab"
)

// TestTheLabNeedsOneLoopbackAddress: macOS has 127.0.0.1 and no other.
func TestTheLabNeedsOneLoopbackAddress(t *testing.T) {
	start(t, lab.Options{})
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	mine := sockets(t)
	own := 0
	for _, line := range strings.Split(string(table), "\n")[1:] {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" || !mine["socket:["+fields[9]+"]"] { // 0A: listening
			continue
		}
		own++
		if address := fields[1]; !strings.HasPrefix(address, "0100007F:") {
			t.Errorf("the lab listens on %s, as the kernel writes it", address)
		}
	}
	if own < 5 {
		t.Errorf("%d listeners were found: this test looks at the wrong place", own)
	}
}

// sockets are those of this process.
func sockets(t *testing.T) map[string]bool {
	t.Helper()
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, path := range open {
		if to, err := os.Readlink(path); err == nil {
			found[to] = true
		}
	}
	return found
}
