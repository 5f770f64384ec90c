package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Behaviour configures the pods of an image.
type Behaviour struct {
	// Ready is how long pods take to become ready.
	Ready time.Duration
	// Never keeps pods from becoming ready, for the reason given.
	Never string
	// Status is the reported rollout status; release.Progressing by default.
	Status release.Rollout
	// CrashAfter makes ready pods fail after a time; 0 for never.
	CrashAfter time.Duration
	// Errors makes instances answer 500.
	Errors bool
}

// Cluster is the fake of engine.Workloads: two colors with one Deployment each.
type Cluster struct {
	mu     sync.Mutex
	hook   Hook
	now    func() time.Time
	sleep  func(ctx context.Context, d time.Duration) error
	colors map[release.Color]*deployment
	behave map[string]Behaviour // by digest or tag
	usual  Behaviour
	away   bool
	log    []Change
}

// Change is something that was done to a color.
type Change struct {
	At       time.Time
	Color    release.Color
	Image    release.Image
	Replicas int32
}

type deployment struct {
	image    release.Image
	replicas int32
	fence    int64
	since    time.Time // when the pods of this image were started
	lost     bool
}

// NewCluster makes a cluster with two empty colors.
func NewCluster(now func() time.Time, sleep func(ctx context.Context, d time.Duration) error, hook Hook) *Cluster {
	return &Cluster{
		hook: hook, now: now, sleep: sleep, behave: map[string]Behaviour{},
		colors: map[release.Color]*deployment{release.Blue: {}, release.Green: {}},
	}
}

// Seed sets the initial image and replicas of a color, ready at once.
func (c *Cluster) Seed(color release.Color, i release.Image, replicas int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.colors[color] = deployment{image: i, replicas: replicas}
}

// Behave sets the behaviour of the pods of an image, given by digest or tag; "" means all
// other images. It takes effect at once, for running pods too.
func (c *Cluster) Behave(ref string, b Behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ref == "" {
		c.usual = b
		return
	}
	c.behave[ref] = b
}

// Away makes the API unreachable, or reachable again. Pods go on meanwhile.
func (c *Cluster) Away(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}

// Lose takes the nodes away that a color's pods run on, or brings them back: its pods
// then start anew.
func (c *Cluster) Lose(color release.Color, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.colors[color].lost == lost {
		return
	}
	c.colors[color].lost = lost
	c.colors[color].since = c.now()
}

// Edit changes the image of a color outside bluegreen, as with kubectl.
func (c *Cluster) Edit(color release.Color, i release.Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.colors[color].image, c.colors[color].since = i, c.now()
}

// Running returns the image of a color and the number of its ready pods.
func (c *Cluster) Running(color release.Color) (release.Image, int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.colors[color]
	return d.image, c.ready(d)
}

// Fails reports whether the instances of a color answer users with errors.
func (c *Cluster) Fails(color release.Color) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behaviour(c.colors[color].image).Errors
}

// Wanted returns the size that a color is asked to have.
func (c *Cluster) Wanted(color release.Color) int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.colors[color].replicas
}

// Changes returns everything that was done to the colors.
func (c *Cluster) Changes() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Change(nil), c.log...)
}

func (c *Cluster) behaviour(i release.Image) Behaviour {
	for _, ref := range []string{i.Digest, i.Tag} {
		if b, ok := c.behave[ref]; ok && ref != "" {
			return b
		}
	}
	return c.usual
}

func (c *Cluster) ready(d *deployment) int32 {
	b := c.behaviour(d.image)
	age := c.now().Sub(d.since)
	if d.lost || d.image.IsZero() || b.Never != "" || age < b.Ready || b.CrashAfter > 0 && age >= b.Ready+b.CrashAfter {
		return 0
	}
	return d.replicas
}

func (c *Cluster) locked(call string, do func() error) error {
	return c.hook.around(call, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.away {
			return fmt.Errorf("the cluster's API does not answer")
		}
		return do()
	})
}

// Observe implements engine.Workloads.
func (c *Cluster) Observe(ctx context.Context, color release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	var o engine.Workload
	look := func() error {
		o = c.observe(c.colors[color], i)
		return nil
	}
	if err := c.locked("observe", look); err != nil || wait == 0 || o.Status == release.Complete || o.Status == release.Broken {
		return o, err
	}
	if err := c.sleep(ctx, wait); err != nil {
		return o, err
	}
	return o, c.locked("observe", look)
}

func (c *Cluster) observe(d *deployment, i release.Image) engine.Workload {
	b, ready := c.behaviour(d.image), c.ready(d)
	o := engine.Workload{
		Status: release.Complete, Running: d.image, Replicas: []int32{d.replicas}, Ready: ready,
		Matches: i.Digest == "" || i.Digest == d.image.Digest,
		Detail:  fmt.Sprintf("%d of %d pods ready", ready, d.replicas),
	}
	if ready < d.replicas {
		o.Status = release.Progressing
		if d.lost {
			o.Detail += ": their nodes are gone"
		}
		if b.Never != "" {
			o.Detail += ": " + b.Never
			if b.Status != "" {
				o.Status = b.Status
			}
		}
	}
	return o
}

// Deploy implements engine.Workloads.
func (c *Cluster) Deploy(ctx context.Context, o engine.Order) error {
	return c.locked("deploy", func() error {
		replicas := max(1, slices.Max(append([]int32{0}, o.Size...)))
		if d := c.colors[o.Color]; !o.Shrink && (o.Image.Digest == "" || o.Image.Digest == d.image.Digest) {
			replicas = max(replicas, d.replicas) // a color of sufficient size stays as it is
		}
		return c.change(o.Color, o.Image, replicas, o.Fence)
	})
}

// Scale implements engine.Workloads.
func (c *Cluster) Scale(ctx context.Context, color release.Color, replicas int32, fence int64) error {
	return c.locked("scale", func() error { return c.change(color, release.Image{}, replicas, fence) })
}

func (c *Cluster) change(color release.Color, i release.Image, replicas int32, fence int64) error {
	d := c.colors[color]
	if d.fence > fence {
		return engine.ErrFenced
	}
	d.fence = fence
	same := i.Digest == "" || i.Digest == d.image.Digest
	if same && replicas == d.replicas {
		return nil
	}
	if !same {
		d.image = i
	}
	if !same || replicas > d.replicas {
		d.since = c.now()
	}
	d.replicas = replicas
	c.log = append(c.log, Change{At: c.now(), Color: color, Image: d.image, Replicas: replicas})
	return nil
}
