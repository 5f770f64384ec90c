package fake_test

import (
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
)

func TestARegistryAnswersFailsLiesAndLags(t *testing.T) {
	clock := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := fake.NewRegistry(func() time.Time { return clock })
	for n := range 3 {
		i := image(n)
		i.PushedAt = clock
		r.Push(i)
		r.Push(i)
		clock = clock.Add(4 * time.Minute)
	}
	newest := func(f fake.RegistryFault) string {
		r.SetFault(f)
		images, err := r.Newest(t.Context(), 1)
		if err != nil {
			return err.Error()
		}
		return images[0].Tag
	}
	for f, want := range map[fake.RegistryFault]string{
		fake.RegistryAnswers: "6.1.2", fake.RegistryOldest: "6.1.0", fake.RegistryLags: "6.1.1", fake.RegistryFails: "the registry answered 500",
	} {
		if got := newest(f); got != want {
			t.Errorf("fault %d: the newest is %s, not %s", f, got, want)
		}
	}
	r.SetFault(fake.RegistryAnswers)
	if i, err := r.Resolve(t.Context(), "6.1.1"); err != nil || i.Digest != image(1).Digest {
		t.Errorf("6.1.1 is %s, error %v", i, err)
	}
	if i, err := r.Resolve(t.Context(), image(2).Digest); err != nil || i.Tag != "6.1.2" {
		t.Errorf("the third digest is %s, error %v", i, err)
	}
	if _, err := r.Resolve(t.Context(), "7.0"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a tag that is not there: error %v", err)
	}
}
