package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Registry is the fake of engine.Registry: one repository.
type Registry struct {
	mu     sync.Mutex
	now    func() time.Time
	pushed []push
	fault  RegistryFault
}

type push struct {
	image release.Image
	at    time.Time
}

// RegistryFault is how a registry answers.
type RegistryFault int

const (
	RegistryAnswers RegistryFault = iota
	RegistryFails                 // every call fails
	RegistryOldest                // lists the oldest images as the newest
	RegistryLags                  // does not know what was pushed in the last five minutes
)

const registryLag = 5 * time.Minute

// NewRegistry makes an empty repository.
func NewRegistry(now func() time.Time) *Registry { return &Registry{now: now} }

// Push adds an image. One of the same tag and digest is there once.
func (r *Registry) Push(i release.Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := func(p push) bool { return p.image.Tag == i.Tag && p.image.Digest == i.Digest }
	if !slices.ContainsFunc(r.pushed, same) {
		r.pushed = append(r.pushed, push{i, r.now()})
	}
}

// Remove deletes all images of a digest, as a retention policy does.
func (r *Registry) Remove(digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushed = slices.DeleteFunc(r.pushed, func(p push) bool { return p.image.Digest == digest })
}

// SetFault sets how all calls are answered from now on.
func (r *Registry) SetFault(f RegistryFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

// Resolve implements engine.Registry. Of several images of a tag it returns the last one.
func (r *Registry) Resolve(ctx context.Context, ref string) (release.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == RegistryFails {
		return release.Image{}, errors.New("the registry answered 500")
	}
	for _, p := range slices.Backward(r.known()) {
		if p.image.Tag == ref || p.image.Digest == ref {
			return p.image, nil
		}
	}
	return release.Image{}, fmt.Errorf("%s: %w", ref, engine.ErrNotFound)
}

// Newest implements engine.Registry.
func (r *Registry) Newest(ctx context.Context, limit int) ([]release.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == RegistryFails {
		return nil, errors.New("the registry answered 500")
	}
	var images []release.Image
	for _, p := range r.known() {
		images = append(images, p.image)
	}
	slices.SortStableFunc(images, func(a, b release.Image) int { return b.PushedAt.Compare(a.PushedAt) })
	if r.fault == RegistryOldest {
		slices.Reverse(images)
	}
	return images[:min(limit, len(images))], nil
}

func (r *Registry) known() []push {
	return slices.DeleteFunc(slices.Clone(r.pushed), func(p push) bool {
		return r.fault == RegistryLags && r.now().Sub(p.at) < registryLag
	})
}
