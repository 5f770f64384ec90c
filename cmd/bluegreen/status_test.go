package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// shown is an app with a color that has the users, and pods that are ready.
func shown(name string, standing release.Standing, live release.Color, blue, green string, ready ...int32) api.App {
	side := func(tag string, ready, wanted int32) api.Color {
		return api.Color{Image: api.Image{Tag: tag, Digest: digestOf("a")}, Ready: ready, Replicas: []int32{wanted}, SeenAt: noon}
	}
	return api.App{
		Name: name, Live: live, UpdatedAt: noon, Status: api.Status{Standing: standing, Headline: name + " has a headline"},
		Colors: api.Colors{Blue: side(blue, ready[0], ready[1]), Green: side(green, ready[2], ready[3])},
	}
}

// found are apps in each standing.
func found() api.Apps {
	checkout := shown("checkout", release.NeedsYou, release.Blue, "6.5.0", "6.4.1", 7, 8, 2, 8)
	checkout.Status.Needs = []api.Need{{Why: "release 12 cannot return traffic to green yet and keeps trying: node pool is full", Helps: []api.Remedy{{Command: "bluegreen rollback checkout", Does: "tries again at once"}}}}
	podinfo := shown("podinfo", release.Moving, release.Green, "6.4.1", "6.5.0", 8, 8, 8, 8)
	podinfo.Release = &api.Release{ID: 3, Phase: release.Baking, To: release.Green, Since: noon.Add(-4 * time.Minute), BakeUntil: noon.Add(12 * time.Minute)}
	podinfo.Status.Until = "in 12 min (12:12 UTC): 6.5.0 counts as good"
	podinfo.RollbackTarget = &api.Target{Color: release.Blue, Image: api.Image{Tag: "6.4.1"}, Replicas: []int32{8}}
	pay := shown("payments-api", release.Moving, release.Blue, "2026.11.3", "2026.11.4", 20, 20, 14, 20)
	pay.Release = &api.Release{ID: 7, Phase: release.Deploying, To: release.Green, Since: noon}
	mail := shown("mail", release.Stopped, release.Blue, "1.0", "", 3, 3, 0, 0)
	mail.Colors.Green = api.Color{}
	mail.Status.Held = []string{"paused for 2 h (since 10:00 UTC), asked by ana: audit, until resume"}
	list := api.Apps{LastTick: noon.Add(-40 * time.Second), Apps: []api.App{checkout, podinfo, pay, mail}}
	for i := range mostAtRest {
		a := shown(fmt.Sprintf("app-%d", i), release.Resting, release.Green, "1.0", "1.1", 0, 0, 2, 2)
		a.Colors.Blue.Retired = true
		a.RollbackTarget = &api.Target{Color: release.Blue, Image: api.Image{Tag: "1.0"}, Replicas: []int32{2}}
		list.Apps = append(list.Apps, a)
	}
	return list
}

func TestTheOverviewIsAsWritten(t *testing.T) {
	list := found()
	var few, many, all strings.Builder
	overview(&few, list, false)
	list.Apps = append(list.Apps, shown("one-more", release.Resting, release.Blue, "1", "2", 1, 1, 0, 0))
	overview(&many, list, false)
	overview(&all, list, true)
	golden.Check(t, filepath.Join("testdata", "overview.txt"), few.String()+"\n"+many.String())
	if strings.Contains(many.String(), "one-more      BLUE") || !strings.Contains(many.String(), "AT REST 9  app-0 ") || !strings.Contains(all.String(), "one-more      BLUE 1 1/1") {
		t.Errorf("%s\n%s", many.String(), all.String())
	}
	for n := range 10_000 {
		list.Apps = append(list.Apps, shown(fmt.Sprintf("z-%d", n), release.Resting, release.Blue, "1", "2", 1, 1, 0, 0))
	}
	var crowd strings.Builder
	overview(&crowd, list, false)
	if text := crowd.String(); len(text) > 2000 || !strings.Contains(text, "AT REST 10009  app-0 ") || !strings.Contains(text, " z-10 and 9989 more  (bluegreen status --all)") {
		t.Errorf("%d bytes: %.2000s", len(text), text)
	}
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shows, _, _ := strings.Cut(few.String(), "AT REST")
	if !strings.Contains(string(readme), "$ bluegreen status\n"+shows) {
		t.Errorf("the README does not show\n%s", shows)
	}
	var none strings.Builder
	overview(&none, api.Apps{Problems: []string{"line 1: not YAML"}, Silence: "the clock is silent"}, false)
	if none.String() != "the configuration cannot be used: line 1: not YAML\nthe clock is silent\nno app is configured\n" {
		t.Error(none.String())
	}
}

func TestManyAppsAreWatchedSlowly(t *testing.T) {
	s := &shell{every: 2 * time.Second}
	for apps, want := range map[int]time.Duration{0: 2 * time.Second, 100: 2 * time.Second, 10_000: 200 * time.Second} {
		if got := s.pace(apps); got != want {
			t.Errorf("%d apps are read every %s, want %s", apps, got, want)
		}
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A terminal shows the status in place, and what was seen last while the app cannot be asked.
func TestATerminalIsDrawnInPlace(t *testing.T) {
	s := newSite(t)
	s.until("Blue is live", "status", "shop")
	var out safeBuffer
	sh := &shell{
		getenv: func(k string) string { return map[string]string{"BLUEGREEN_URL": s.url, "BLUEGREEN_KEY": "s3cr3t"}[k] },
		stdout: &out, stderr: &out, terminal: true, every: time.Millisecond, now: time.Now,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- sh.run(ctx, []string{"watch", "shop"}) }()
	shows := func(text string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			pages := strings.Split(out.String(), clearScreen)
			if strings.Contains(pages[len(pages)-1], text) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("never %q: %q", text, pages[len(pages)-1])
			}
		}
	}
	shows("  BLUE 1.0 3/3 ◀ users  green nothing\n")
	s.front.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	shows("cannot look: ")
	shows("shop: Blue is live")
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit status %d", code)
	}
}
