package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

func TestTheOverviewShowsWhatNeedsAPersonFirst(t *testing.T) {
	rests, needs := shop(), shop()
	rests.Name, rests.Release, rests.Status = "blog", nil, api.Status{Standing: release.Resting, Headline: "Green is live with 2.0"}
	needs.Name, needs.Phase, needs.Release.Phase, needs.Release.Image = "pay", release.Awaiting, release.Awaiting, ofTag("3.0", "3")
	needs.Status = api.Status{Standing: release.NeedsYou, Needs: []api.Need{{Why: "3.0 waits for approval", Helps: []api.Remedy{{Name: release.Promote, Fields: map[string]string{"digest": digest("3")}, Does: "lets it go live"}}}}}
	s := newSite(t, false, rests, shop(), needs)
	page := s.get("/api/ui")
	s.shows(page, "pay needs you. One app is releasing.", "Needs you 1", "pay", "3.0 waits for approval", "Approve 3.0",
		"Releasing 1", "shop", "blue 1.0 3/3", "green live 2.0 3/3", "Baking, ends in 10 min", "rollback ready", "seen 9 s ago", "At rest 1", "blog")
	if link := `href="/api/ui/apps/pay/promote?digest=sha256%3A3333`; !strings.Contains(page, link) {
		t.Errorf("no %s in %s", link, page)
	}
	s.shows(s.get("/api/ui?show=releasing&q=SH"), "shop")
	for _, address := range []string{"/api/ui?show=releasing", "/api/ui?q=Sho"} {
		if text := textOf(s.get(address)); strings.Contains(text, "blog") || !strings.Contains(text, "shop") {
			t.Errorf("%s shows %s", address, text)
		}
	}
}

func TestTheSizeOfAColorIsOnlyAsGoodAsItsLook(t *testing.T) {
	a := shop()
	a.Colors.Blue.SeenAt = noon.Add(-8 * time.Minute)
	a.Colors.Green.Ready = 2
	s := newSite(t, false, a)
	s.shows(s.get("/api/ui"), "rollback target not seen", "8 min ago")
	s.shows(s.get("/api/ui/apps/shop"), "blue · rollback target", "3/3 then not seen since 8 min ago", "green · live, all users", "2/3 ready")
}

func TestAnAppsPageShowsItsReleaseAsSteps(t *testing.T) {
	s := newSite(t, false, shop())
	s.api.facts = []api.Fact{ // newest first
		{Number: 4, At: noon.Add(-5 * time.Minute), Kind: release.ReleaseSwitched, Release: 7, Phase: release.Baking, Live: release.Green, Took: 38, Operation: "op-1", Text: "release 7 is baking: traffic goes to green", Line: "x"},
		{Number: 3, At: noon.Add(-6 * time.Minute), Kind: release.Advanced, Release: 7, Phase: release.Switching, Live: release.Blue, Took: 6.1, Text: "release 7 is switching: checks passed"},
		{Number: 2, At: noon.Add(-7 * time.Minute), Kind: release.Advanced, Release: 7, Phase: release.Verifying, Live: release.Blue, Took: 72, Text: "release 7 is verifying: green runs 2.0 with 3 ready"},
		{Number: 1, At: noon.Add(-8 * time.Minute), Kind: release.ReleaseStarted, Release: 7, Phase: release.Deploying, Live: release.Blue, Text: "release 7: 2.0 goes to green"},
	}
	s.api.refused[release.ResumeReleases] = "nothing is paused"
	page := s.get("/api/ui/apps/shop")
	s.shows(page, "shop: Green is live with 2.0; baking until 12:10 UTC", "Roll back to 1.0", "Release 7", "2.0 (222222222222), by push",
		"72 s Deployed", "Green runs 2.0 with 3 ready", "6.1 s Checked", "38 s Traffic moved", "op-1", "5 min of 15 min Baking", "2.0 counts as good", "Traffic last hour",
		"Other commands", "Not possible now", "Resume releases Nothing is paused")
	if !strings.Contains(page, `aria-label="Traffic, last hour: blue since 11:52:00, green since 11:55:00."`) {
		t.Errorf("the band has no text: %s", page)
	}
}

func TestAnAppsPageLeadsToItsResources(t *testing.T) {
	s := newSite(t, false, shop())
	group := "/subscriptions/0/resourceGroups/rg/providers/"
	s.api.settings = []api.Setting{
		{Key: "colors.blue.cluster", Value: group + "Microsoft.ContainerService/managedClusters/aks-blue"}, {Key: "colors.green.cluster", Value: "context:green"},
		{Key: "gateway.applicationGateway", Value: group + "Microsoft.Network/applicationGateways/agw"}, {Key: "colors.blue.resources[0]", Value: group + "Microsoft.Network/applicationGateways/agw"},
		{Key: "colors.blue.resources[1]", Value: group + "Microsoft.Foo/bars/x\"><script>"}, {Key: "bake", Value: "15m"},
	}
	page := s.get("/api/ui/apps/shop")
	s.shows(page, "In the Azure portal", "aks-blue cluster · workloads", "agw gateway · alerts", "Microsoft.Foo/bars", "Configuration in effect", "colors.green.cluster context:green", "bake 15m")
	if link := `href="https://portal.azure.com/#resource` + group + `Microsoft.ContainerService/managedClusters/aks-blue/workloads"`; !strings.Contains(page, link) || strings.Count(page, ">agw<") != 1 || strings.Contains(page, "<script>") {
		t.Error(page)
	}
}

func TestACommandIsGivenOnceWhateverIsSentTwice(t *testing.T) {
	s := newSite(t, false, shop())
	page := s.get("/api/ui/apps/shop/rollback")
	s.shows(page, "Roll back to 1.0: shop?", "This will it does rollback", "This will not move traffic now", "bluegreen rollback shop --why")
	form := formOf(page)
	form.Set("why", "checkout is slow")
	for range 2 {
		w := s.ask("POST", "/api/ui/apps/shop/rollback", form, "Cookie", "bluegreen-key="+rightKey)
		if at := w.Header().Get("Location"); w.Code != http.StatusSeeOther || at != "/api/ui/apps/shop?asked="+form.Get("key") {
			t.Fatalf("%d to %q: %s", w.Code, at, w.Body)
		}
		s.api.apps[0].Release.Phase = release.Returning // as the command has it
	}
	if len(s.api.given) != 1 || s.api.given[form.Get("key")].Why != "checkout is slow" {
		t.Errorf("given %+v", s.api.given)
	}
	s.shows(s.get("/api/ui/apps/shop?asked="+form.Get("key")), "Your command: it is done")
}

// TestACommandIsNotGivenOnWhatIsNoLongerShown: another release is under way by the time that
// the button is pressed.
func TestACommandIsNotGivenOnWhatIsNoLongerShown(t *testing.T) {
	s := newSite(t, false, shop())
	form := formOf(s.get("/api/ui/apps/shop/rollback"))
	s.api.apps[0].Release.ID++
	w := s.ask("POST", "/api/ui/apps/shop/rollback", form, "Cookie", "bluegreen-key="+rightKey)
	if w.Code != http.StatusConflict || len(s.api.given) != 0 {
		t.Errorf("%d, given %+v", w.Code, s.api.given)
	}
	s.shows(w.Body.String(), "Something changed since you looked. Nothing was done.", "This will")
}

// formOf reads the hidden fields of the form that gives a command.
func formOf(page string) url.Values {
	form := url.Values{}
	_, page, _ = strings.Cut(page, `<form method="post" action="/api/ui/apps/`)
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], htmlText(m[2]))
	}
	return form
}
