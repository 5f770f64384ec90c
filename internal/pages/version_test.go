package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bluegreen/internal/api"
)

// TestAGoodVersionIsRolledBackTo from the page of its app, with a confirmation that names it.
func TestAGoodVersionIsRolledBackTo(t *testing.T) {
	a := shop()
	a.Good = []api.Image{ofTag("2.0", "2"), ofTag("1.0", "1"), ofTag("0.9", "9")}
	s := newSite(t, false, a)
	page := s.get("/api/ui/apps/shop")
	s.shows(page, "Last good versions", "2.0 (222222222222) live", "1.0 (111111111111) Roll back", "0.9 (999999999999) Roll back")
	at := "/api/ui/apps/shop/rollback?to=" + url.QueryEscape(digest("9"))
	if !strings.Contains(page, `href="`+at+`"`) {
		t.Fatalf("no link leads to %s:\n%s", at, page)
	}
	ask := s.get(at)
	s.shows(ask, "Roll back to 0.9: shop?", "to: "+digest("9"), "This will", "it does rollback", "bluegreen rollback shop --to "+digest("9"))
	if strings.Contains(ask, "by force") {
		t.Error("a rollback to a version is offered by force")
	}
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(ask, -1) {
		form.Set(m[1], htmlText(m[2]))
	}
	w := s.ask(http.MethodPost, "/api/ui/apps/shop/rollback", form, "Cookie", "bluegreen-key="+rightKey)
	if got := s.api.given[form.Get("key")]; w.Code != http.StatusSeeOther || got.To != digest("9") {
		t.Errorf("%d, given %+v", w.Code, got)
	}
}
