package contract

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Failure is how pods of an image fail.
type Failure int

const (
	NeverReady  Failure = iota // they run, and that is all
	Unpullable                 // the registry does not have the image
	Unstartable                // for a reason that waiting cannot fix
)

// Colors are the two colors of one app, with one Deployment each, and the hand that
// prepares and disturbs them.
type Colors struct {
	Workloads engine.Workloads
	// Images are of the app's repository, all different, with a tag and a digest.
	Images [4]release.Image
	// Seed makes a color run an image, and returns when all its pods are ready.
	Seed func(c release.Color, i release.Image, replicas int32)
	// Fail makes pods of an image fail from now on.
	Fail func(i release.Image, how Failure)
	// Away makes the API unreachable, or reachable again.
	Away func(away bool)
	// Remove takes the color's Deployment away. Without it the promise about that is skipped.
	Remove func(c release.Color)
	// State is everything that was asked of a color, in a form that changes with it.
	State func(c release.Color) string
}

// within bounds the time that a rollout takes on a busy machine.
const within = time.Minute

// Workloads is the contract test of every engine.Workloads. open makes fresh colors that run nothing.
func Workloads(t *testing.T, open func(t *testing.T) Colors) {
	for name, promise := range map[string]func(*testing.T, Colors){
		"AnIdleColorComesUpAtTheSizeOfTheLiveOne":   comesUp,
		"AnOrderIsNeverSmallerThanItsFloor":         floor,
		"RepeatingAnOrderChangesNothing":            repeats,
		"WithoutADigestOnlyTheSizeChanges":          onlySize,
		"AStaleWorkerChangesNothing":                stale,
		"NorWhereNothingWasLeftToChange":            staleToo,
		"AnotherImageDoesNotMatch":                  other,
		"FailingPodsAreReportedWithTheirReason":     fails,
		"AColorScaledToZeroIsCompleteAndComesBack":  zero,
		"AnUnreachableClusterIsAnError":             unreachable,
		"AWaitEndsWithItsContext":                   waits,
		"AnImageThatFailedCanBeReplacedByAGoodOne":  replaced,
		"WhatRunsIsReportedBeforeAnythingWasAsked":  reports,
		"AFailureThatTimeMayMendIsWaitedFor":        patient,
		"ACompleteColorIsReportedWithoutAnyWaiting": prompt,
		"ADeploymentThatIsGoneIsABrokenColor":       gone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, open(t))
		})
	}
}

func deploy(t *testing.T, c Colors, o engine.Order) {
	t.Helper()
	if err := c.Workloads.Deploy(t.Context(), o); err != nil {
		t.Fatalf("deploy %s to %s: %v", o.Image, o.Color, err)
	}
}

func look(t *testing.T, c Colors, color release.Color, i release.Image) engine.Workload {
	t.Helper()
	o, err := c.Workloads.Observe(t.Context(), color, i, 0)
	if err != nil {
		t.Fatalf("look at %s: %v", color, err)
	}
	return o
}

// until observes a color until its status is as wanted.
func until(t *testing.T, c Colors, color release.Color, i release.Image, status release.Rollout) engine.Workload {
	t.Helper()
	for end := time.Now().Add(within); ; {
		o, err := c.Workloads.Observe(t.Context(), color, i, time.Second)
		if err != nil {
			t.Fatalf("watch %s: %v", color, err)
		}
		if o.Status == status {
			return o
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %s, not %s: %s", color, o.Status, status, o.Detail)
		}
	}
}

func comesUp(t *testing.T, c Colors) {
	c.Seed(release.Blue, c.Images[0], 3)
	blue := c.State(release.Blue)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{3}, Fence: 1})
	o := until(t, c, release.Green, c.Images[1], release.Complete)
	if !o.Matches || o.Running.Digest != c.Images[1].Digest || o.Running.Tag != c.Images[1].Tag {
		t.Errorf("green runs %s, matches %v, after %s was deployed", o.Running, o.Matches, c.Images[1])
	}
	if !slices.Equal(o.Replicas, []int32{3}) || o.Ready != 3 {
		t.Errorf("green has %d ready of %v, blue has 3", o.Ready, o.Replicas)
	}
	if now := c.State(release.Blue); now != blue {
		t.Errorf("deploying to green changed blue from %s to %s", blue, now)
	}
}

func floor(t *testing.T, c Colors) {
	c.Seed(release.Blue, c.Images[0], 2)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{4}, Fence: 1})
	if o := look(t, c, release.Green, c.Images[1]); !slices.Equal(o.Replicas, []int32{4}) {
		t.Errorf("green is to have %v pods, 4 were ordered", o.Replicas)
	}
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{2}, Fence: 1})
	if o := look(t, c, release.Green, c.Images[1]); !slices.Equal(o.Replicas, []int32{4}) {
		t.Errorf("an order of 2 made %v of 4 pods", o.Replicas)
	}
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{2}, Shrink: true, Fence: 1})
	if o := look(t, c, release.Green, c.Images[1]); !slices.Equal(o.Replicas, []int32{2}) {
		t.Errorf("an order to shrink to 2 made %v of 4 pods", o.Replicas)
	}
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[2], Size: []int32{0}, Fence: 2})
	if o := look(t, c, release.Green, c.Images[2]); !slices.Equal(o.Replicas, []int32{1}) {
		t.Errorf("ordered to have none, green is to have %v pods, not 1", o.Replicas)
	}
}

func repeats(t *testing.T, c Colors) {
	c.Seed(release.Blue, c.Images[0], 2)
	order := engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{2}, Fence: 3}
	deploy(t, c, order)
	until(t, c, release.Green, c.Images[1], release.Complete)
	before := c.State(release.Green)
	for fence := int64(3); fence < 6; fence++ {
		order.Fence = fence
		deploy(t, c, order)
	}
	if now := c.State(release.Green); now != before {
		t.Errorf("the same order again changed green from %s to %s", before, now)
	}
}

func onlySize(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[1], 1)
	deploy(t, c, engine.Order{Color: release.Green, Size: []int32{2}, Fence: 1})
	o := until(t, c, release.Green, release.Image{}, release.Complete)
	if o.Running.Digest != c.Images[1].Digest || !slices.Equal(o.Replicas, []int32{2}) || !o.Matches {
		t.Errorf("green runs %s at %v, matches %v", o.Running, o.Replicas, o.Matches)
	}
}

func stale(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{2}, Fence: 7})
	before := c.State(release.Green)
	err := c.Workloads.Deploy(t.Context(), engine.Order{Color: release.Green, Image: c.Images[2], Fence: 6})
	if !errors.Is(err, engine.ErrFenced) {
		t.Errorf("an order of an older worker: error %v", err)
	}
	if err := c.Workloads.Scale(t.Context(), release.Green, 0, 6); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("scaling by an older worker: error %v", err)
	}
	if now := c.State(release.Green); now != before {
		t.Errorf("an older worker changed green from %s to %s", before, now)
	}
}

// staleToo is about a worker that was followed by one which found all as it wanted it.
func staleToo(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	order := engine.Order{Color: release.Green, Image: c.Images[1], Size: []int32{2}, Fence: 7}
	deploy(t, c, order)
	before := c.State(release.Green)
	order.Fence = 9
	deploy(t, c, order)
	if err := c.Workloads.Scale(t.Context(), release.Green, 0, 8); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("scaling by the worker before: error %v", err)
	}
	if err := c.Workloads.Scale(t.Context(), release.Green, 2, 11); err != nil {
		t.Fatal(err)
	}
	if err := c.Workloads.Deploy(t.Context(), engine.Order{Color: release.Green, Image: c.Images[2], Fence: 10}); !errors.Is(err, engine.ErrFenced) {
		t.Errorf("an order of the worker before: error %v", err)
	}
	if now := c.State(release.Green); now != before {
		t.Errorf("workers that wanted nothing else changed green from %s to %s", before, now)
	}
}

func other(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	if o := look(t, c, release.Green, c.Images[1]); o.Matches || o.Running.Digest != c.Images[0].Digest {
		t.Errorf("green runs %s and matches %s: %v", o.Running, c.Images[1], o.Matches)
	}
}

func fails(t *testing.T, c Colors) {
	c.Seed(release.Blue, c.Images[0], 2)
	for n, test := range []struct {
		how    Failure
		status release.Rollout
	}{{NeverReady, release.Progressing}, {Unpullable, release.PullFailing}, {Unstartable, release.Broken}} {
		i := c.Images[n+1]
		c.Fail(i, test.how)
		deploy(t, c, engine.Order{Color: release.Green, Image: i, Size: []int32{2}, Fence: int64(n + 1)})
		o := until(t, c, release.Green, i, test.status)
		if o.Ready != 0 || !o.Matches || !strings.HasPrefix(o.Detail, "0 of 2 pods ready") {
			t.Errorf("failure %d: %d ready, matches %v, detail %q", test.how, o.Ready, o.Matches, o.Detail)
		}
		if test.how != NeverReady && !strings.Contains(o.Detail, ": ") {
			t.Errorf("failure %d: no reason in %q", test.how, o.Detail)
		}
	}
}

func zero(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 2)
	if err := c.Workloads.Scale(t.Context(), release.Green, 0, 1); err != nil {
		t.Fatal(err)
	}
	o := until(t, c, release.Green, c.Images[0], release.Complete)
	if o.Ready != 0 || !slices.Equal(o.Replicas, []int32{0}) || o.Running.Digest != c.Images[0].Digest || !o.Matches {
		t.Errorf("scaled to 0, green has %d ready of %v and runs %s", o.Ready, o.Replicas, o.Running)
	}
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[0], Size: []int32{2}, Fence: 2})
	if o := until(t, c, release.Green, c.Images[0], release.Complete); o.Ready != 2 {
		t.Errorf("back from 0, green has %d ready of %v", o.Ready, o.Replicas)
	}
}

func unreachable(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	before := c.State(release.Green)
	c.Away(true)
	if _, err := c.Workloads.Observe(t.Context(), release.Green, c.Images[0], time.Second); err == nil {
		t.Error("an unreachable cluster was observed")
	}
	err := c.Workloads.Deploy(t.Context(), engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1})
	if err == nil || errors.Is(err, engine.ErrFenced) {
		t.Errorf("deploying to an unreachable cluster: error %v", err)
	}
	if err := c.Workloads.Scale(t.Context(), release.Green, 0, 1); err == nil {
		t.Error("an unreachable cluster was scaled")
	}
	c.Away(false)
	if now := c.State(release.Green); now != before {
		t.Errorf("green changed from %s to %s", before, now)
	}
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1})
	until(t, c, release.Green, c.Images[1], release.Complete)
}

func waits(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	c.Fail(c.Images[1], NeverReady)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	for ctx.Err() == nil {
		if _, err := c.Workloads.Observe(ctx, release.Green, c.Images[1], within); err == nil {
			continue // a change was seen first
		}
	}
	if took := time.Since(began); took > within/2 {
		t.Errorf("waited %v after a context of 1 s", took)
	}
}

func replaced(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	c.Fail(c.Images[1], Unstartable)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1})
	until(t, c, release.Green, c.Images[1], release.Broken)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[2], Fence: 2})
	if o := until(t, c, release.Green, c.Images[2], release.Complete); o.Running.Digest != c.Images[2].Digest || o.Ready != 1 {
		t.Errorf("green runs %s with %d ready", o.Running, o.Ready)
	}
}

func reports(t *testing.T, c Colors) {
	c.Seed(release.Blue, c.Images[0], 2)
	o := look(t, c, release.Blue, release.Image{})
	if o.Status != release.Complete || !o.Matches || o.Running.Digest != c.Images[0].Digest || !slices.Equal(o.Replicas, []int32{2}) {
		t.Errorf("blue is %s, runs %s at %v, matches %v", o.Status, o.Running, o.Replicas, o.Matches)
	}
}

func patient(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	c.Fail(c.Images[1], Unpullable)
	deploy(t, c, engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1})
	until(t, c, release.Green, c.Images[1], release.PullFailing)
	const wait = 700 * time.Millisecond
	began := time.Now()
	o, err := c.Workloads.Observe(t.Context(), release.Green, c.Images[1], wait)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); o.Status == release.PullFailing && took < wait {
		t.Errorf("after %v the status is still %s: it was not waited for", took, o.Status)
	}
}

func prompt(t *testing.T, c Colors) {
	c.Seed(release.Green, c.Images[0], 1)
	began := time.Now()
	o, err := c.Workloads.Observe(t.Context(), release.Green, c.Images[0], within)
	if err != nil || o.Status != release.Complete {
		t.Fatalf("green is %s, error %v", o.Status, err)
	}
	if took := time.Since(began); took > within/2 {
		t.Errorf("a complete color was waited for, %v", took)
	}
}

func gone(t *testing.T, c Colors) {
	if c.Remove == nil {
		t.Skip("its Deployments cannot be removed")
	}
	c.Seed(release.Green, c.Images[0], 2)
	c.Remove(release.Green)
	o := look(t, c, release.Green, c.Images[0])
	if o.Status != release.Broken || o.Matches || o.Ready != 0 || !slices.Equal(o.Replicas, []int32{0}) || !o.Running.IsZero() {
		t.Errorf("without a Deployment green is %+v", o)
	}
	if !strings.Contains(o.Detail, "there is no Deployment") {
		t.Errorf("detail is %q", o.Detail)
	}
	if err := c.Workloads.Deploy(t.Context(), engine.Order{Color: release.Green, Image: c.Images[1], Fence: 1}); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("deploying without a Deployment: error %v", err)
	}
	if err := c.Workloads.Scale(t.Context(), release.Green, 1, 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("scaling without a Deployment: error %v", err)
	}
}
