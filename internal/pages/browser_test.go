package pages_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"bluegreen/internal/lab"
)

// shared is the one browser of all tests: each test has a profile of its own in it.
var shared struct {
	sync.Mutex
	ctx context.Context
	end []func()
}

func TestMain(m *testing.M) {
	lab.Handle()
	code := m.Run()
	for n := len(shared.end) - 1; n >= 0; n-- {
		shared.end[n]()
	}
	os.Exit(code)
}

// executable finds the browser, as make test looks for it.
func executable() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

var errNoBrowser = errors.New("LEFT OUT: there is no browser: apt-get install --no-install-recommends chromium")

// chromium starts the browser with the first test that needs it.
func chromium() (context.Context, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.ctx != nil {
		return shared.ctx, nil
	}
	path, err := executable()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "bluegreen-browser-")
	if err != nil {
		return nil, err
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	shared.end = append(shared.end, func() { os.RemoveAll(profile) }, stop)
	ctx, stop = chromedp.NewContext(ctx)
	shared.end = append(shared.end, stop)
	if err := chromedp.Do(ctx); err != nil { // starts it
		return nil, err
	}
	shared.ctx = ctx
	return ctx, nil
}

// tab is a page of a browser.
type tab struct {
	*testing.T
	ctx context.Context
}

// browser opens a tab with an empty profile, or skips the test.
func browser(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser; runs without -short")
	}
	ctx, err := chromium()
	switch {
	case errors.Is(err, errNoBrowser):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	ctx, stop := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	b := &tab{t, ctx}
	b.size(1280)
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatalf("%v, on:\n%s", err, b.text())
	}
}

func get[T any](b *tab, a chromedp.Action[T]) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func send[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) size(width int64) { b.do(chromedp.EmulateViewport(width, 900)) }

func (b *tab) dark() {
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
}

func (b *tab) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Text("body"))
	return spaces.ReplaceAllString(text, " ")
}

// shows checks that the page has parts, in this order.
func (b *tab) shows(parts ...string) {
	b.Helper()
	text := b.text()
	rest := text
	for _, part := range parts {
		var ok bool
		if _, rest, ok = strings.Cut(rest, part); !ok {
			b.Fatalf("%q is not, or not there, on:\n%s", part, text)
		}
	}
}

// comes waits until the page has a text, without being loaded anew by the test.
func (b *tab) comes(part string) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(b.text(), part); {
		if time.Now().After(end) {
			b.Fatalf("%q does not come on:\n%s", part, b.text())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// follow clicks a link or a button by its text, and waits for the page behind it. The page may
// be brought up to date between the search for the element and the click.
func (b *tab) follow(text, then string) {
	b.Helper()
	click := chromedp.Click(fmt.Sprintf(`//*[self::a or self::button or self::summary][starts-with(normalize-space(.), %q)]`, text))
	for try := 1; ; try++ {
		err := chromedp.Do(b.ctx, click)
		if err == nil {
			break
		}
		if try == 5 || b.ctx.Err() != nil {
			b.Fatalf("click %q: %v, on:\n%s", text, err, b.text())
		}
	}
	b.do(chromedp.WaitVisible(then))
}

// enter opens the pages with a key.
func (b *tab) enter(address, key string) {
	b.Helper()
	b.do(chromedp.Navigate(address), chromedp.SendKeys("#key", key), chromedp.Submit("#key"), chromedp.WaitVisible(".top .me"))
}

// serve opens apps in a browser, and returns the address of their pages.
func (b *tab) serve(c *core) string {
	b.Helper()
	server := httptest.NewServer(c.handler())
	b.Cleanup(server.Close)
	b.enter(server.URL+"/api/ui", rightKey)
	return server.URL + "/api/ui"
}
