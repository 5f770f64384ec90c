package testbed

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Behaviour configures the containers of an image. The zero value is Healthy.
// In the pod of a Job, Healthy and Slow succeed, CrashLoop
// and ServerErrors fail with exit code 1.
type Behaviour struct {
	kind  kind
	after time.Duration
	aged  time.Duration
}

type kind int

const (
	healthy kind = iota
	neverReady
	pullError
	invalidImageName
	configError
	crashLoop
	serverErrors
	slow
	partlyReady
)

// Healthy is ready at once and answers 200.
func Healthy() Behaviour { return Behaviour{} }

// NeverReady runs, answers 503, and never becomes ready.
func NeverReady() Behaviour { return Behaviour{kind: neverReady} }

// PullError waits with reason ErrImagePull, then ImagePullBackOff, as for a
// tag that the registry does not have ("manifest unknown").
func PullError() Behaviour { return Behaviour{kind: pullError} }

// InvalidImageName waits forever with the reason of that name.
func InvalidImageName() Behaviour { return Behaviour{kind: invalidImageName} }

// CreateContainerConfigError waits with the reason of that name, as for a
// ConfigMap that does not exist.
func CreateContainerConfigError() Behaviour { return Behaviour{kind: configError} }

// CrashLoop is healthy for the time given, then ends with exit code 1 and is
// restarted again and again, about once a second, without ever becoming ready.
func CrashLoop(after time.Duration) Behaviour { return Behaviour{kind: crashLoop, after: after} }

// ServerErrors is ready and answers /healthz with 200, all else with 500.
func ServerErrors() Behaviour { return Behaviour{kind: serverErrors} }

// Slow is healthy, but ready only after the time given.
func Slow(ready time.Duration) Behaviour { return Behaviour{kind: slow, after: ready} }

// PartlyReady is healthy in one pod of each ReplicaSet; the others answer, too, and never
// become ready.
func PartlyReady() Behaviour { return Behaviour{kind: partlyReady} }

// Aged is the same, with start and conditions of the pods reported as so much earlier.
func (b Behaviour) Aged(by time.Duration) Behaviour {
	b.aged = by
	return b
}

type rule struct {
	substring string
	behaviour Behaviour
}

// Behave sets the behaviour of images whose reference contains the substring,
// from now on, also in running pods. The latest match wins.
func (c *Cluster) Behave(imageSubstring string, b Behaviour) {
	a := c.actor
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rules = append(a.rules, rule{imageSubstring, b})
	for _, p := range a.pods {
		select {
		case p.changed <- struct{}{}:
		default: // it will look anyway
		}
	}
}

func (a *podActor) behaviour(image string) Behaviour {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.rules) - 1; i >= 0; i-- {
		if strings.Contains(image, a.rules[i].substring) {
			return a.rules[i].behaviour
		}
	}
	return Healthy()
}

// Means sets the digest that pods which start from now on report for an image that is named
// without one, as after a push under a tag that was used before.
func (c *Cluster) Means(image, digest string) {
	a := c.actor
	a.mu.Lock()
	defer a.mu.Unlock()
	a.meanings[image] = digest
}

// imageID is the image ID of a container runtime: the repository and the digest. A reference
// without one has that of Means, else one that is computed from its text.
func (a *podActor) imageID(image string) string {
	repository, digest, pinned := strings.Cut(image, "@")
	if !pinned {
		digest = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(image)))
		a.mu.Lock()
		if meant, ok := a.meanings[image]; ok {
			digest = meant
		}
		a.mu.Unlock()
	}
	if i := strings.LastIndex(repository, ":"); i > strings.LastIndex(repository, "/") {
		repository = repository[:i]
	}
	return repository + "@" + digest
}
