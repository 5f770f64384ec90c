package signature

import (
	"strings"
	"testing"
)

// TestALibraryThatPanicsFindsNoSignature: one app's hostile artifact must not end the process
// that returns the traffic of others.
func TestALibraryThatPanicsFindsNoSignature(t *testing.T) {
	by, err := guarded(func() (string, error) {
		panic("index out of range")
	})
	if by != "" || err == nil || !strings.Contains(err.Error(), "it cannot be read") {
		t.Errorf("signed by %q, %v", by, err)
	}
}
