package acr_test

import (
	"strings"
	"sync"
	"testing"

	"bluegreen/internal/azure/acr"
	"bluegreen/internal/round"
)

func TestTheAppsOfARepositoryListItOnceInARound(t *testing.T) {
	s := private(t)
	s.pushed(s.Push, "1.0")
	s.pushed(s.Push, "2.0")
	var apps []*acr.Registry
	for n := range 10 {
		o := acr.Options{LoginServer: s.Host(), Repository: repo, Credential: credential{"right"}}
		if n%2 == 1 { // a policy of its own
			o.Admits = func(tag string) bool { return strings.HasPrefix(tag, "1.") }
		}
		apps = append(apps, acr.NewRegistry(o))
	}
	ctx, before := round.With(t.Context()), len(s.Asked())
	var all sync.WaitGroup
	for n, r := range apps {
		all.Go(func() {
			images, err := r.Newest(ctx, 5)
			if want := 2 - n%2; err != nil || len(images) != want {
				t.Errorf("app %d sees %v, %v", n, images, err)
			}
		})
	}
	all.Wait()
	counts := map[string]int{}
	for _, request := range s.Asked()[before:] {
		if strings.Contains(request, "/_tags") || strings.Contains(request, "/manifests/") {
			counts[request]++
		}
	}
	for request, n := range counts {
		if n != 1 {
			t.Errorf("%d times %s", n, request)
		}
	}
	if len(counts) != 3 { // a listing and two manifests
		t.Errorf("%d apps have asked %v", len(apps), counts)
	}
}
