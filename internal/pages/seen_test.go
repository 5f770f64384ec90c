package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bluegreen/internal/lab"
	"bluegreen/internal/release"
)

func TestReadingAndActingNeedNoJavaScript(t *testing.T) {
	b := browser(t)
	send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.serve(sample())
	b.shows("2 apps need you. 2 apps are releasing.", "Needs you 2", "checkout", "Try again now", "ledger", "Approve 3.2.0", "Releasing 2", "Held 2", "At rest 4", "very-long-name-of-an-internal-service")
	b.follow("Held", ".apps")
	b.shows("Held 2", "catalog", "mail")
	b.follow("catalog", ".facts")
	b.shows("catalog: Blue is live with sha-77ab015; on hold after a rollback", "Rolled back", "search returns nothing", "Quarantine", "sha-81d0e44")
	b.follow("failures and rollbacks", ".lines")
	b.shows("traffic returned", "ana@contoso.com")
	b.do(chromedp.SendKeys(".find input", "ledger"+kb.Enter), chromedp.WaitVisible(".urgent"))
	b.follow("Approve 3.2.0", ".ask")
	b.shows("Approve 3.2.0: ledger?", "This will", "traffic moves from blue to green", "This will not")
	b.do(chromedp.SendKeys("#why", "seen on the preview"))
	b.follow("Approve 3.2.0 now", ".facts")
	b.shows("ledger: Checking 3.2.0 on green", "Your command: promote is under way", "Approved", "seen on the preview")
}

// TestAReleaseIsFollowedAndRolledBack watches a release of the lab on one page, which is never
// loaded anew, and gives commands that the lab follows in its data plane.
func TestAReleaseIsFollowedAndRolledBack(t *testing.T) {
	b := browser(t)
	l, err := lab.Start(t.Context(), lab.Options{Bake: 2 * time.Minute, Retire: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	b.enter(l.Pages()+"/apps/"+lab.Shop, lab.Key)
	b.do(chromedp.Evaluate[chromedp.Void](`void (window.same = true)`))
	if err := l.Push(t.Context(), lab.Shop, "2.0.0", ""); err != nil {
		t.Fatal(err)
	}
	b.comes("Green is live with 2.0.0; baking until")
	b.shows("shop: Green", "Deployed", "Checked", "the gateway sees green as healthy", "Traffic moved", "operation ", "Baking")
	if !get(b, chromedp.Evaluate[bool](`window.same === true`)) {
		t.Error("the page was loaded anew")
	}

	b.do(chromedp.Navigate(l.Pages() + "/apps/" + lab.Shop + "/resume"))
	b.shows("This is not possible now.", "nothing is paused")
	b.do(chromedp.NavigateBack(), chromedp.WaitVisible(".facts"))

	b.follow("End the bake now", ".ask")
	b.shows("End the bake now: shop?", "This will", "This will not", "move traffic now", "bluegreen promote shop")
	b.follow("End the bake now", ".facts")
	b.shows("Green is live with 2.0.0", "Your command: promote is done", "Completed")

	b.follow("Switch traffic", ".ask")
	b.shows("This will", "traffic moves from green to blue")
	b.follow("Switch traffic now", ".facts")
	b.comes("Blue is live with 1.0.0; baking until")

	b.follow("Roll back to 2.0.0", ".ask")
	b.shows("Roll back to 2.0.0: shop?", "This will", "1.0.0", "is quarantined", "This will not", "change what runs on blue", "bluegreen rollback shop")
	b.do(chromedp.SendKeys("#why", "checkout is slow"))
	b.follow("Roll back to 2.0.0 now", ".facts")
	b.comes("Green is live with 2.0.0; on hold after a rollback")
	b.shows("Your command", "Rolled back", "checkout is slow", "Quarantine", "1.0.0")
	if at := get(b, chromedp.Location()); strings.Contains(at, "lab") {
		t.Errorf("the key is in the address: %s", at)
	}
}

func TestAPersonNeedsNoMouse(t *testing.T) {
	b := browser(t)
	b.serve(sample())
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if first := get(b, chromedp.Evaluate[string](`document.activeElement.textContent`)); first != "All 10" {
		t.Errorf("past the top bar comes %q", first)
	}
	b.do(chromedp.KeyEvent("/"), chromedp.KeyEvent("podinfo"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`//p[contains(., "“podinfo”")]`))
	b.do(chromedp.Focus(".apps a"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".head .first"))
	b.do(chromedp.Focus(".head .first"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#why"))
	b.do(chromedp.Focus("#why"), chromedp.KeyEvent("slow"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".facts"))
	b.shows("podinfo: Traffic returns from blue to green")
}

// TestALinkOfAnotherSiteIsFollowedWithoutAnotherLogin: the cookie is strict, so that the browser
// keeps it back at first.
func TestALinkOfAnotherSiteIsFollowedWithoutAnotherLogin(t *testing.T) {
	b := browser(t)
	at := b.serve(sample())
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="%s/apps/podinfo">look at podinfo</a>`, at)
	}))
	t.Cleanup(chat.Close)
	b.do(chromedp.Navigate(strings.Replace(chat.URL, "127.0.0.1", "localhost", 1)))
	b.follow("look at podinfo", ".facts")
	b.shows("podinfo: Blue is live")
}

const hostile = `"><script>window.hit=1</script><img src=x onerror=window.hit=2>'{{.}}` + "\u202e" + `&lt;`

// TestHostileNamesAreShownAsTheyAre puts markup wherever text comes from outside.
func TestHostileNamesAreShownAsTheyAre(t *testing.T) {
	b := browser(t)
	c := sample()
	a := c.app("evil", "1.0", 2, time.Hour)
	i := release.Image{Tag: hostile, Digest: version("evil").Digest, PushedAt: c.now}
	a.happens(time.Minute, release.ImagePushed{Image: i})
	a.rollout(30*time.Second, release.Broken, 0, hostile)
	a.happens(20*time.Second, release.Commanded{Command: release.PauseReleases, By: release.Actor{Claimed: hostile}, Why: hostile})
	a.happens(10*time.Second, release.Commanded{Command: release.Forget, Tag: hostile, By: release.Actor{Claimed: hostile}, Why: hostile})
	at := b.serve(c)
	for _, path := range []string{"", "?q=%22%3E%3Cscript%3Ewindow.hit=1%3C/script%3E", "/apps/evil", "/apps/evil/history", "/apps/evil/resume", "/apps/evil/deploy?image=%3Cscript%3Ewindow.hit=3%3C/script%3E", "/apps/evil/forget?tag=%22onfocus=window.hit%3D4%20autofocus%3D%22", "/apps/%3Cscript%3Ewindow.hit=5%3C%2Fscript%3E", "/apps/evil?asked=%3Cscript%3E"} {
		b.do(chromedp.Navigate(at+path), chromedp.WaitVisible("main"))
		found := get(b, chromedp.Evaluate[string](`JSON.stringify([window.hit === undefined, document.querySelectorAll("script:not([src*='/live.js'])").length, document.querySelectorAll("img").length, document.querySelectorAll("[onfocus],[onerror]").length])`))
		if found != "[true,0,0,0]" {
			t.Errorf("%s: %s", path, found)
		}
	}
	b.do(chromedp.Navigate(at + "/apps/evil"))
	b.shows(`<script>window.hit=1</script><img src=x onerror=window.hit=2>'{{.}}`)
}

// views are pages that between them have every part.
var views = []string{"", "?show=held", "/apps/podinfo", "/apps/checkout", "/apps/catalog", "/apps/very-long-name-of-an-internal-service", "/apps/podinfo/history", "/apps/podinfo/rollback", "/apps/checkout/rollback?force=true", "/apps/podinfo/extend", "/apps/podinfo/resume", "/apps/nothing"}

// TestNoPageHasASeriousAccessibilityFinding runs axe-core on every kind of page, in light and
// in dark, and finds out whether a page is wider than a phone.
func TestNoPageHasASeriousAccessibilityFinding(t *testing.T) {
	b := browser(t)
	axe, err := os.ReadFile("../../testbed/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skipf("LEFT OUT: the accessibility of the pages: %v; make testbed installs it", err)
	}
	check := func(address string) {
		b.do(chromedp.Navigate(address), chromedp.WaitVisible("main"))
		b.do(chromedp.Evaluate[chromedp.Void]("document.querySelectorAll('details').forEach(d => d.open = true);" + string(axe) + ";void 0"))
		text := get(b, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.filter(v => v.impact !== "minor").map(v => v.impact + " " + v.id + ": " + v.nodes.map(n => n.html).slice(0, 3).join(" "))))`, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
		var found []string
		if err := json.Unmarshal([]byte(text), &found); err != nil || len(found) > 0 {
			t.Errorf("%s: %v %s", address, err, strings.Join(found, "\n"))
		}
	}
	login := b.serve(sample())
	for _, view := range views {
		check(login + view)
	}
	b.dark()
	for _, view := range []string{"", "/apps/checkout", "/apps/podinfo", "/apps/podinfo/rollback"} {
		check(login + view)
	}
	b.size(390)
	for _, view := range views {
		b.do(chromedp.Navigate(login+view), chromedp.WaitVisible("main"))
		if wide := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); wide > 390 {
			t.Errorf("%s is %d wide on a phone", view, wide)
		}
	}
	check(login)
}
