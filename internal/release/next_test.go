package release_test

import (
	"reflect"
	"testing"

	"bluegreen/internal/release"
)

// An app is taken over in the same way whenever the same is seen, and images keep the tags
// that the orders name.
func TestTakingAnAppOverIsAFunction(t *testing.T) {
	was := release.State{
		Blue:  release.ColorState{Ordered: release.Ordered{Image: image("1.0", noon), Release: 1, At: noon}},
		Green: release.ColorState{Ordered: release.Ordered{Image: image("2.0", noon), Release: 2, At: noon}},
	}
	seen := release.Looked{Live: release.Blue}
	seen.Blue, seen.Green = running("2.0"), running("1.0") // exchanged outside bluegreen
	seen.Blue.Image.Tag, seen.Green.Image.Tag = "", ""
	first, _ := release.Next(was, seen, release.Policy{}, noon)
	if first.Serving.Image.Tag != "2.0" || first.Green.Observed.Image.Tag != "1.0" {
		t.Errorf("the tags are lost: %v, %v", first.Serving.Image, first.Green.Observed.Image)
	}
	for range 50 {
		if again, _ := release.Next(was, seen, release.Policy{}, noon); !reflect.DeepEqual(first, again) {
			t.Fatalf("it differs from time to time:\n%+v\n%+v", first, again)
		}
	}
}
