package workload_test

import (
	"slices"
	"testing"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/testbed"
)

// TestTheNotesOfAnotherWriterAreNotBelieved writes the annotations of an order as anyone can who may
// change the Deployment.
func TestTheNotesOfAnotherWriterAreNotBelieved(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	order := engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{2}, Fence: 1}
	w.order(order)
	w.until(release.Green, w.images[1], release.Complete)
	w.patch("green", `{"metadata":{"annotations":{"bluegreen.dev/image":"99.0.0@`+w.images[1].Digest+`","bluegreen.dev/replicas":"90"}}}`)
	for asked, tag := range map[release.Image]string{w.images[1]: w.images[1].Tag, {}: "", {Tag: "99.0.0", Digest: w.images[0].Digest}: ""} {
		if o := w.observe(release.Green, asked); o.Running.Digest != w.images[1].Digest || o.Running.Tag != tag || o.Noted != "99.0.0" {
			t.Errorf("asked for %s it runs %s, noted %q", asked, o.Running, o.Noted)
		}
	}
	w.order(order) // a false size leads to the order of the true one, which corrects it
	if o := w.observe(release.Green, w.images[1]); !o.Matches || !slices.Equal(o.Replicas, []int32{2}) || o.Noted != w.images[1].Tag {
		t.Errorf("%+v", o)
	}
}

func TestAFalseNoteOfAMinimumIsNotPutBack(t *testing.T) {
	w := newEnv(t, testbed.Shared(t))
	for note, want := range map[string]string{
		`"bluegreen.dev/minimum-before":"9"`: "3 before ", `"bluegreen.dev/minimum-before":"-1"`: "3 before ", `"bluegreen.dev/app":"other"`: "3 before ",
		`"other":"note"`: "2 before ",
	} {
		name := "green"
		t.Run(note, func(t *testing.T) {
			w := newEnv(t, w.cluster)
			w.cluster.HPA(t, w.namespace, name, 2, 9)
			w.order(engine.Order{Color: release.Green, Image: w.images[1], Size: []int32{3}, Fence: 1})
			w.hold(release.Green, 1)
			w.patchScaler(name, `{"metadata":{"annotations":{`+note+`}}}`)
			if err := w.FreeSize(t.Context(), release.Green, 1); err != nil {
				t.Fatal(err)
			}
			if got := w.least(name); got != want {
				t.Errorf("the minimum is %s, want %s", got, want)
			}
		})
	}
}
