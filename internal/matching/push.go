package matching

import (
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/config"
)

// Push says which apps a push is for. Where it is for none, and no app is released from its
// repository, why says so.
func Push(apps []config.App, p push.Push) (takers []config.App, ignored []Ignored, why string) {
	var repositories []string
	for _, app := range apps {
		repositories = append(repositories, app.Repository())
		switch {
		case !p.From(app.Image.Registry) || !strings.EqualFold(app.Image.Repository, p.Repository):
		case !app.Admits(p.Image.Tag):
			ignored = append(ignored, Ignored{app.Name, fmt.Sprintf("its tag policy %q does not admit %s; bluegreen deploy %s --image %s releases it, image.tags in the configuration says which tags are released by themselves", app.Image.Tags, p.Image, app.Name, p.Image.Tag)})
		default:
			takers = append(takers, app)
		}
	}
	if len(takers)+len(ignored) == 0 {
		slices.Sort(repositories)
		why = fmt.Sprintf("no app is released from %q; the configuration names %s", p.Registry+"/"+p.Repository, strings.Join(slices.Compact(repositories), ", "))
	}
	return takers, ignored, why
}
