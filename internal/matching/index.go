package matching

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

// mostNamed is how many apps, rules or repositories are named where none is concerned.
const mostNamed = 20

// Index finds the apps of an event without looking at the others. Apps are known by their place
// in the configuration, from 0; their lists are in that order.
type Index struct {
	apps         []config.App
	names        map[string]int   // as config.Fold has them
	repositories map[string][]int // by the repository alone: a registry has several names
	sources      []string         // registry/repository, sorted
	pools        map[string][]int // backend pools, lower case
	poolless     []int
	rules        rules
}

// New makes an Index of apps, which must not change.
func New(apps []config.App) *Index {
	x := &Index{apps: apps, names: map[string]int{}, repositories: map[string][]int{}, pools: map[string][]int{}, rules: rules{prefixes: map[string][]*rule{}}}
	sources, entries := map[string]bool{}, map[config.Alert]*rule{}
	for at := range apps {
		app := &apps[at]
		if _, taken := x.names[config.Fold(app.Name)]; !taken {
			x.names[config.Fold(app.Name)] = at
		}
		repository := strings.ToLower(app.Image.Repository)
		x.repositories[repository] = append(x.repositories[repository], at)
		sources[app.Repository()] = true
		blue, green := strings.ToLower(app.Backend(release.Blue)), strings.ToLower(app.Backend(release.Green))
		if blue == "" {
			x.poolless = append(x.poolless, at)
		}
		for _, name := range slices.Compact([]string{blue, green}) {
			x.pools[name] = append(x.pools[name], at)
		}
		for _, alert := range app.Alerts {
			x.rules.add(entries, alert, at)
		}
	}
	x.sources = slices.Sorted(maps.Keys(sources))
	x.rules.finish(entries)
	return x
}

// rules are the alerts that apps watch, by the beginning of their pattern up to its first wildcard.
type rules struct {
	prefixes map[string][]*rule
	longest  int      // prefix, in bytes
	all      []string // patterns, sorted
}

// rule is an entry that one app has, or several alike.
type rule struct {
	config.Alert
	apps []int
}

func (r *rules) add(entries map[config.Alert]*rule, alert config.Alert, app int) {
	known := entries[alert]
	if known == nil {
		known = &rule{Alert: alert}
		entries[alert] = known
		pattern := config.Fold(alert.Rule)
		if wild := strings.IndexAny(pattern, "*?"); wild >= 0 {
			pattern = pattern[:wild]
		}
		r.prefixes[pattern] = append(r.prefixes[pattern], known)
		r.longest = max(r.longest, len(pattern))
	}
	if n := len(known.apps); n == 0 || known.apps[n-1] != app {
		known.apps = append(known.apps, app)
	}
}

func (r *rules) finish(entries map[config.Alert]*rule) {
	for _, known := range entries {
		known.apps = slices.Clip(known.apps)
		r.all = append(r.all, known.Rule)
	}
	slices.Sort(r.all)
	r.all = slices.Compact(r.all)
}

// find returns the apps of each entry that an alert matches: of those that it is severe enough
// for, and of the others.
func (r *rules) find(a monitor.Alert) (severe, lax [][]int) {
	seen := map[*rule]bool{}
	for _, name := range a.Names {
		name = config.Fold(name)
		for end := range min(len(name), r.longest) + 1 {
			for _, known := range r.prefixes[name[:end]] {
				if seen[known] || !known.Matches(name) {
					continue
				}
				if seen[known] = true; known.Severe(a.Severity) {
					severe = append(severe, known.apps)
				} else {
					lax = append(lax, known.apps)
				}
			}
		}
	}
	return severe, lax
}

// first are the first apps of lists that are of use, and of more, in order, at most as many as
// named.
func first(lists [][]int, most int, use func(int) bool, more []int) []int {
	found := slices.Clone(more)
	for _, list := range lists {
		taken := 0
		for _, at := range list {
			if taken == most {
				break
			}
			if use(at) {
				found, taken = append(found, at), taken+1
			}
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return found[:min(len(found), most)]
}

// some are the first of a list, in words.
func some(list []string) string {
	if len(list) <= mostNamed {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:mostNamed], ", "), len(list)-mostNamed)
}
