package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	protocol "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"bluegreen/internal/release"
)

// many are apps of which one of ten needs a person, two release, and one is on hold.
func many(n int) *core {
	c := newCore(time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC))
	for i := range n {
		name := fmt.Sprintf("team-%02d-service-%03d", i/12, i)
		a := c.app(name, fmt.Sprintf("2026.11.%d-build.%d", i%28, i), 6, day)
		next := fmt.Sprintf("2026.11.%d-build.%d", i%28+1, i)
		switch i % 10 {
		case 0:
			a.policy.Manual = true
			a.push(22*time.Minute, next).rollout(21*time.Minute, release.Complete, 6, "").checked(20 * time.Minute).seen(2 * time.Minute)
		case 1:
			a.push(time.Minute, next).rollout(5*time.Second, release.Progressing, 4, "4 of 6 pods ready")
		case 2:
			a.live(3*time.Minute, next).probed(9 * time.Second)
		case 3:
			a.command(2*time.Hour, release.PauseReleases, "the week of the sale")
		default:
			a.live(3*time.Hour, next).seen(2 * time.Minute)
			a.state.Release.Phase = release.Completed
		}
	}
	return c
}

// overview reads the page of all apps.
func overview(t testing.TB, h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/ui", nil)
	r.Header.Set("Cookie", "bluegreen-key="+rightKey)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w
}

// most is how large the page of 500 apps may be, in bytes.
const most = 300_000

func TestThePageOfManyAppsStaysSmall(t *testing.T) {
	size := overview(t, many(500).handler()).Body.Len()
	t.Logf("%d bytes", size)
	if size > most {
		t.Errorf("the page of 500 apps has %d bytes, at most %d are good", size, most)
	}
}

// TestThePageOfTenThousandAppsStaysSmall: it shows some of those at rest, and says so.
func TestThePageOfTenThousandAppsStaysSmall(t *testing.T) {
	c := newCore(time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC))
	for n := range 10_000 {
		c.app(fmt.Sprintf("app-%05d", n), "1.0", 6, day)
	}
	text := overview(t, c.handler()).Body.String()
	if len(text) > most || !strings.Contains(text, "<h2>At rest <span>10000</span></h2>") || !strings.Contains(text, "9500 more are not shown: find an app by its name.") {
		t.Errorf("%d bytes, at most %d are good", len(text), most)
	}
}

// TestAStreamAboutManyAppsReadsFewASecond: each open page has one, for as long as it is open.
func TestAStreamAboutManyAppsReadsFewASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const apps = 2000
		c := newCore(time.Now())
		for n := range apps {
			c.app(fmt.Sprintf("app-%05d", n), "1.0", 6, day)
		}
		h := c.handler()
		r := httptest.NewRequest("GET", "/api/ui/live", nil)
		r.Header.Set("Cookie", "bluegreen-key="+rightKey)
		r.Header.Set("X-Forwarded-Host", "func.example.net")
		w, began := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(w, r)
		took, read := time.Since(began), c.views.Load()
		if w.Code != http.StatusOK || took < time.Minute || read < 2*apps {
			t.Fatalf("%d after %s, %d apps were read: %s", w.Code, took, read, w.Body)
		}
		if most := int64(apps + took.Seconds()*50); read > most {
			t.Errorf("%d apps are read within %s, at most %d are good", read, took, most)
		}
	})
}

// BenchmarkOverview measures the page of 500 apps without the storage.
func BenchmarkOverview(b *testing.B) {
	h := many(500).handler()
	overview(b, h) // asks the host about the key
	size := 0
	began := time.Now()
	rounds := 0
	for b.Loop() {
		for range 5 {
			size = overview(b, h).Body.Len()
			rounds++
		}
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(rounds), "ms/page")
	b.ReportMetric(float64(size)/1000, "kB")
	b.ReportMetric(0, "ns/op")
}

// TestAPageOfManyAppsIsReadSeldom: an open page is read again at intervals, by a stream that reads all
// apps or by itself.
func TestAPageOfManyAppsIsReadSeldom(t *testing.T) {
	for apps, want := range map[int]string{10: "/api/ui/live", 2000: "every 40 s"} {
		t.Run(fmt.Sprint(apps), func(t *testing.T) {
			b := browser(t)
			send(b, protocol.AddScriptToEvaluateOnNewDocument, protocol.AddScriptToEvaluateOnNewDocumentParams{Source: `
				window.asked = [];
				window.setInterval = (_, ms) => { asked.push("every " + ms / 1000 + " s"); };
				window.EventSource = class { constructor(at) { asked.push(at); } addEventListener() {} close() {} };`})
			c := newCore(time.Now())
			for n := range apps {
				c.app(fmt.Sprintf("app-%05d", n), "1.0", 6, day)
			}
			b.serve(c)
			if asked := get(b, chromedp.Evaluate[string](`asked.join(", ")`)); asked != want {
				t.Errorf("the page asks by %q, expected %q", asked, want)
			}
		})
	}
}
