package fake

import (
	"math"
	"time"

	"bluegreen/internal/release"
)

// Behaviour configures the pods of an image.
type Behaviour struct {
	// Ready is how long pods take to become ready.
	Ready time.Duration
	// Never keeps pods from becoming ready, for the reason given.
	Never string
	// Share is the share of the pods that become ready, rounded down; 0 stands for all.
	Share float64
	// Up and Down make ready pods come and go: each is ready for Up, then not for Down, the
	// pods in turn. Always ready when Down is 0.
	Up, Down time.Duration
	// Status is the reported rollout status; release.Progressing by default.
	Status release.Rollout
	// CrashAfter makes ready pods fail after a time; 0 for never.
	CrashAfter time.Duration
	// Errors makes instances answer 500.
	Errors bool
}

// deployment is one color. Each pod has a start of its own, and what its image meant then.
type deployment struct {
	image     release.Image
	pods      []pod
	asked     int32 // the size that bluegreen last asked for
	minimum   int32 // of its autoscaler; 0 without one
	before    int32 // what the minimum was, while it is raised
	scaler    int64 // the fence of its autoscaler
	fence     int64
	lost      float64 // share of the pods whose nodes are gone
	gone      bool
	denied    bool   // its changes are refused
	away      bool   // its API does not answer
	changedBy string // who last set image or size, where that was not bluegreen
}

type pod struct {
	since  time.Time
	digest string
}

// size is the number of pods that are wanted.
func (d *deployment) size() int32 {
	if d.gone {
		return 0
	}
	return int32(len(d.pods))
}

// running is the image of the template, or where that names only a tag, of the pods.
func (d *deployment) running() release.Image {
	if d.gone {
		return release.Image{}
	}
	i := d.image
	if i.Digest != "" || len(d.pods) == 0 {
		return i
	}
	for _, p := range d.pods {
		if p.digest != d.pods[0].digest {
			return i
		}
	}
	i.Digest = d.pods[0].digest
	return i
}

// floor is the minimum that the autoscaler has of its own.
func (d *deployment) floor() int32 {
	if d.before > 0 {
		return d.before
	}
	return d.minimum
}

// part is a share of the pods, rounded down.
func (d *deployment) part(share float64) int {
	return int(math.Floor(share*float64(len(d.pods)) + 1e-9))
}

// isLost reports whether the node of the n-th pod is gone. Any loss takes one pod at least.
func (d *deployment) isLost(n int) bool {
	return d.lost > 0 && n < max(1, d.part(d.lost))
}

// resize starts pods, or stops the newest ones.
func (c *Cluster) resize(d *deployment, replicas int32, now time.Time) {
	for len(d.pods) < int(replicas) {
		d.pods = append(d.pods, c.start(d, now))
	}
	d.pods = d.pods[:replicas]
}

// start makes a pod of the template, with what its tag means now.
func (c *Cluster) start(d *deployment, now time.Time) pod {
	digest := d.image.Digest
	if digest == "" {
		digest = c.tags[d.image.Tag]
	}
	return pod{since: now, digest: digest}
}

func (c *Cluster) behaviour(i release.Image) Behaviour {
	for _, ref := range []string{i.Digest, i.Tag} {
		if b, ok := c.behave[ref]; ok && ref != "" {
			return b
		}
	}
	return c.usual
}

// ready is the number of ready pods.
func (c *Cluster) ready(d *deployment) (ready int32) {
	if d.gone || d.image.IsZero() {
		return 0
	}
	now := c.now()
	for n, p := range d.pods {
		if !d.isLost(n) && c.isReady(d, n, now.Sub(p.since)) {
			ready++
		}
	}
	return ready
}

// isReady reports whether the n-th pod is ready at an age.
func (c *Cluster) isReady(d *deployment, n int, age time.Duration) bool {
	b := c.behaviour(release.Image{Digest: d.pods[n].digest, Tag: d.image.Tag})
	switch {
	case b.Never != "" || age < b.Ready:
		return false
	case b.CrashAfter > 0 && age >= b.Ready+b.CrashAfter:
		return false
	case b.Share > 0 && n >= d.part(b.Share):
		return false
	case b.Down > 0:
		period := b.Up + b.Down
		turn := period * time.Duration(n) / time.Duration(len(d.pods))
		return (age-b.Ready+turn)%period < b.Up
	}
	return true
}
