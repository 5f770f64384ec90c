package fence_test

import (
	"testing"

	"bluegreen/internal/kube/fence"
)

func TestOnlyTheFenceOfTheSameAppIsHeld(t *testing.T) {
	written := fence.Annotations("shop", 7)
	spoiled := fence.Annotations("shop", 7)
	spoiled["bluegreen.dev/fence"] = "seven"
	for name, c := range map[string]struct {
		annotations map[string]string
		app         string
		want        int64
	}{
		"written for this app":         {written, "shop", 7},
		"written for another app":      {written, "web", 0},
		"never written":                {nil, "shop", 0},
		"changed outside bluegreen":    {spoiled, "shop", 0},
		"the app alone is annotated":   {map[string]string{fence.App: "shop"}, "shop", 0},
		"the fence alone is annotated": {map[string]string{"bluegreen.dev/fence": "7"}, "shop", 0},
	} {
		if got := fence.Held(c.annotations, c.app); got != c.want {
			t.Errorf("%s: fence %d, want %d", name, got, c.want)
		}
	}
}
