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

// Cluster is the fake of engine.Workloads: two colors with one Deployment each.
type Cluster struct {
	mu     sync.Mutex
	hook   Hook
	now    func() time.Time
	sleep  func(ctx context.Context, d time.Duration) error
	colors map[release.Color]*deployment
	behave map[string]Behaviour // by digest or tag
	tags   map[string]string    // what the registry holds under a tag now, by digest
	usual  Behaviour
	log    []Change
}

// Change is something that was done to a color.
type Change struct {
	At       time.Time
	Color    release.Color
	Image    release.Image
	Replicas int32
}

// NewCluster makes a cluster with two empty colors.
func NewCluster(now func() time.Time, sleep func(ctx context.Context, d time.Duration) error, hook Hook) *Cluster {
	return &Cluster{
		hook: hook, now: now, sleep: sleep, behave: map[string]Behaviour{}, tags: map[string]string{},
		colors: map[release.Color]*deployment{release.Blue: {}, release.Green: {}},
	}
}

// Seed sets the initial image and replicas of a color, ready at once.
func (c *Cluster) Seed(color release.Color, i release.Image, replicas int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &deployment{image: i}
	c.resize(d, replicas, time.Time{})
	c.colors[color] = d
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

// Running returns the image of a color and the number of its ready pods. Where the Deployment
// names only a tag, the digest is that of its pods, and empty when they have none or differ.
func (c *Cluster) Running(color release.Color) (release.Image, int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.colors[color]
	return d.running(), c.ready(d)
}

// Fails reports whether the instances of a color answer users with errors.
func (c *Cluster) Fails(color release.Color) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behaviour(c.colors[color].running()).Errors
}

// Wanted returns the size that a color is asked to have; 0 when its Deployment is gone.
func (c *Cluster) Wanted(color release.Color) int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.colors[color].size()
}

// Changes returns everything that was done to the colors.
func (c *Cluster) Changes() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Change(nil), c.log...)
}

// locked makes a call to the API of a color.
func (c *Cluster) locked(call string, color release.Color, do func(d *deployment) error) error {
	return c.hook.around(call, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		d := c.colors[color]
		if d.away {
			return fmt.Errorf("the cluster's API does not answer")
		}
		return do(d)
	})
}

// Observe implements engine.Workloads.
func (c *Cluster) Observe(ctx context.Context, color release.Color, i release.Image, wait time.Duration) (engine.Workload, error) {
	var o engine.Workload
	look := func(d *deployment) error {
		o = c.observe(d, i)
		return nil
	}
	if err := c.locked("observe", color, look); err != nil || wait == 0 || o.Status == release.Complete || o.Status == release.Broken {
		return o, err
	}
	if err := c.sleep(ctx, wait); err != nil {
		return o, err
	}
	return o, c.locked("observe", color, look)
}

func (c *Cluster) observe(d *deployment, i release.Image) engine.Workload {
	if d.gone {
		return engine.Workload{Status: release.Broken, Replicas: []int32{0}, Detail: "its Deployment does not exist"}
	}
	running, ready, replicas := d.running(), c.ready(d), d.size()
	held := replicas >= d.asked
	o := engine.Workload{
		Status: release.Complete, Running: running, Replicas: []int32{replicas}, Ready: ready, ReadyOf: []int32{ready},
		Matches: held && (i.Digest == "" || i.Digest == running.Digest), ChangedBy: d.changedBy,
		Detail: fmt.Sprintf("%d of %d pods ready", ready, replicas),
	}
	if ready == replicas {
		return o
	}
	o.Status = release.Progressing
	if d.lost > 0 {
		o.Detail += ": their nodes are gone"
	}
	b := c.behaviour(running)
	if b.Never == "" {
		return o
	}
	o.Detail += ": " + b.Never
	if b.Status != "" && ready == 0 {
		o.Status = b.Status
	}
	return o
}

// Deploy implements engine.Workloads.
func (c *Cluster) Deploy(ctx context.Context, o engine.Order) error {
	return c.locked("deploy", o.Color, func(d *deployment) error {
		size := max(1, d.floor(), slices.Max(append([]int32{0}, o.Size...)))
		same := o.Image.Digest == "" || o.Image.Digest == d.image.Digest
		if same && !o.Shrink && d.size() > size {
			return c.change(o.Color, d, release.Image{}, d.size(), o.Fence) // it stays as it is
		}
		return c.change(o.Color, d, o.Image, size, o.Fence)
	})
}

// Scale implements engine.Workloads.
func (c *Cluster) Scale(ctx context.Context, color release.Color, replicas int32, fence int64) error {
	return c.locked("scale", color, func(d *deployment) error {
		return c.change(color, d, release.Image{}, replicas, fence)
	})
}

// HoldSize implements engine.Autoscaled.
func (c *Cluster) HoldSize(ctx context.Context, color release.Color, fence int64) (held bool, why string, err error) {
	err = c.locked("hold", color, func(d *deployment) error {
		switch {
		case d.minimum == 0 || d.size() == 0:
			return nil
		case d.denied:
			why = "horizontalpodautoscalers/patch is missing"
			return nil
		case d.scaler > fence:
			return engine.Fenced{Held: d.scaler}
		}
		held = true
		if least := max(d.floor(), d.size()); least != d.minimum {
			d.before, d.minimum, d.scaler = d.floor(), least, fence
		}
		return nil
	})
	return held, why, err
}

// FreeSize implements engine.Autoscaled.
func (c *Cluster) FreeSize(ctx context.Context, color release.Color, fence int64) error {
	return c.locked("free", color, func(d *deployment) error {
		switch {
		case d.before == 0:
			return nil
		case d.scaler > fence:
			return engine.Fenced{Held: d.scaler}
		case d.denied:
			return fmt.Errorf("horizontalpodautoscalers/patch is missing: %w", engine.ErrDenied)
		}
		d.minimum, d.before, d.scaler = d.before, 0, fence
		return nil
	})
}

// change makes the color ask for an image and a size, unless an older worker asks.
func (c *Cluster) change(color release.Color, d *deployment, i release.Image, replicas int32, fence int64) error {
	switch {
	case d.gone:
		return fmt.Errorf("its Deployment does not exist: %w", engine.ErrDenied)
	case d.denied:
		return fmt.Errorf("deployments/patch is missing: %w", engine.ErrDenied)
	case d.fence > fence:
		return engine.Fenced{Held: d.fence}
	}
	d.fence = fence
	same := i.Digest == "" || i.Digest == d.image.Digest
	if same && replicas == d.size() {
		return nil
	}
	if !same {
		d.image, d.pods = i, nil
	}
	c.resize(d, replicas, c.now())
	d.asked, d.changedBy = replicas, ""
	c.log = append(c.log, Change{At: c.now(), Color: color, Image: d.image, Replicas: replicas})
	return nil
}
