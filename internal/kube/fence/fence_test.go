package fence_test

import (
	"strings"
	"testing"
	"time"

	"bluegreen/internal/kube/fence"
)

func TestOnlyTheFenceOfTheSameAppIsHeld(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	written := fence.Annotations("shop", 7)
	spoiled := fence.Annotations("shop", 7)
	spoiled["bluegreen.dev/fence"] = "seven"
	for name, c := range map[string]struct {
		annotations map[string]string
		app         string
		want        int64
		problem     bool
	}{
		"written for this app":         {written, "shop", 7, false},
		"written for another app":      {written, "web", 0, false},
		"never written":                {nil, "shop", 0, false},
		"changed outside bluegreen":    {spoiled, "shop", 0, true},
		"changed, of another app":      {spoiled, "web", 0, false},
		"larger than any fence":        {map[string]string{fence.App: "shop", "bluegreen.dev/fence": "99999999999999999999"}, "shop", 0, true},
		"two days ahead":               {fence.Annotations("shop", now.Add(48*time.Hour).Unix()), "shop", 0, true},
		"an hour ahead":                {fence.Annotations("shop", now.Add(time.Hour).Unix()), "shop", now.Add(time.Hour).Unix(), false},
		"the app alone is annotated":   {map[string]string{fence.App: "shop"}, "shop", 0, false},
		"the fence alone is annotated": {map[string]string{"bluegreen.dev/fence": "7"}, "shop", 0, false},
	} {
		if got := fence.Held(c.annotations, c.app, now); got != c.want {
			t.Errorf("%s: fence %d, want %d", name, got, c.want)
		}
		problem := fence.Problem(c.annotations, c.app, "service web -n shop", now)
		if c.problem != strings.Contains(problem, "kubectl annotate service web -n shop bluegreen.dev/fence-") || !c.problem && problem != "" {
			t.Errorf("%s: problem %q", name, problem)
		}
	}
}
