package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// Flaws of an image that gets ready.
const (
	flawErrors  = "errors"  // users get errors, and the alert fires
	flawVerify  = "verify"  // its check before the switch fails
	flawConfirm = "confirm" // its check by the public address fails, after some time with users
)

// Flaws are what can be wrong with an image that is pushed; "" is a good one.
var Flaws = map[string]fake.Behaviour{
	"":          {Ready: time.Second},
	flawErrors:  {Ready: time.Second},
	flawVerify:  {Ready: time.Second},
	flawConfirm: {Ready: time.Second},
	"unready":   {Never: "readiness probe failed: HTTP probe failed with statuscode: 503"},
	"pull":      {Never: "manifest unknown", Status: release.PullFailing},
	"name":      {Never: "InvalidImageName", Status: release.Broken},
}

// flawNames are those of Flaws, for people.
func flawNames() string {
	return strings.Join(slices.DeleteFunc(slices.Sorted(maps.Keys(Flaws)), func(name string) bool { return name == "" }), ", ")
}

// Push pushes an image of an app under a tag, with a flaw or "".
func (l *Lab) Push(ctx context.Context, app, tag, flaw string) error {
	s, err := l.named(app)
	if err != nil {
		return err
	}
	behaviour, ok := Flaws[flaw]
	if !ok {
		return fmt.Errorf("%q is not a flaw of an image: %s", flaw, flawNames())
	}
	if err := version(tag); err != nil {
		return err
	}
	s.cluster.Behave(tag, behaviour)
	s.instances.set(tag, flaw)
	digest, err := l.registry.Push(ctx, s.repository(), tag)
	if err == nil {
		s.cluster.Tag(tag, digest)
	}
	return err
}

// retag gives an image that was pushed one more tag. It stays the same digest, with its flaw.
func (l *Lab) retag(ctx context.Context, app, tag, further string) error {
	s, err := l.named(app)
	if err != nil {
		return err
	}
	if err := version(further); err != nil {
		return err
	}
	flaw := s.instances.flaw(tag)
	s.cluster.Behave(further, Flaws[flaw])
	s.instances.set(further, flaw)
	return l.registry.Retag(ctx, s.repository(), tag, further)
}

func version(tag string) error {
	if _, err := semver.StrictNewVersion(tag); err != nil {
		return fmt.Errorf("tag %q is not a version such as 2.0.0, and nothing else is released here", tag)
	}
	return nil
}

// named is the app of a name that a person has given.
func (l *Lab) named(app string) (*site, error) {
	if s := l.site(app); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("the lab has no app %q: %s or %s", app, Shop, Pay)
}
