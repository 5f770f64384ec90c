package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const tempPrefix = "bluegreen-testbed-"

// workDir returns dir, or makes a temporary one that is then ours to remove.
// Temporary ones of test processes that were killed are removed on the way.
func workDir(dir, what string) (path string, own bool, err error) {
	if dir != "" {
		if dir, err = filepath.Abs(dir); err != nil {
			return "", false, fmt.Errorf("find folder: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", false, fmt.Errorf("make folder: %w", err)
		}
		return dir, false, nil
	}
	removeOrphans()
	dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-%s-", tempPrefix, os.Getpid(), what))
	if err != nil {
		return "", false, fmt.Errorf("make folder: %w", err)
	}
	return dir, true, nil
}

// removeOrphans removes the folders of ended processes. A folder of another
// user, or with the id of a new process, stays.
func removeOrphans() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, dir := range dirs {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), tempPrefix+"%d-", &pid); err != nil || pid <= 0 {
			continue
		}
		if process, err := os.FindProcess(pid); err == nil && errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			os.RemoveAll(dir)
		}
	}
}
