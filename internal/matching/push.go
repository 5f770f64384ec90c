package matching

import (
	"fmt"
	"strings"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/config"
)

// Pushed says which apps a push is for. Where it is for none, and no app is released from its
// repository, Why says so. Of the apps whose tag policy does not admit it, Ignored names the
// first few; Others is set where there are more.
type Pushed struct {
	Apps    []config.App
	Ignored []Ignored
	Others  bool
	Why     string
}

// Push says which apps a push is for.
func (x *Index) Push(p push.Push) (about Pushed) {
	for _, at := range x.repositories[strings.ToLower(p.Repository)] {
		app := &x.apps[at]
		switch {
		case !p.From(app.Image.Registry):
		case app.Admits(p.Image.Tag):
			about.Apps = append(about.Apps, *app)
		case len(about.Ignored) == mostNamed:
			about.Others = true
		default:
			about.Ignored = append(about.Ignored, Ignored{app.Name, fmt.Sprintf("its tag policy %q does not admit %s; bluegreen deploy %s --image %s releases it, image.tags in the configuration says which tags are released by themselves", app.Image.Tags, p.Image, app.Name, p.Image.Tag)})
		}
	}
	if len(about.Apps)+len(about.Ignored) == 0 {
		about.Why = fmt.Sprintf("no app is released from %q; the configuration names %s", p.Registry+"/"+p.Repository, some(x.sources))
	}
	return about
}
