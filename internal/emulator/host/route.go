package host

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// route is an ASP.NET route template such as apps/{app}/{n:int?} or {*path}.
type route struct {
	template string
	segments []segment // nil: no route
}

type segment struct {
	literal    string
	param      string // "" for a literal
	constraint *regexp.Regexp
	optional   bool
	rest       bool // takes all that follows
}

var (
	segmentForm = regexp.MustCompile(`^\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+)(?:\((.*)\))?)?(\?)?\}$`)
	constraints = map[string]*regexp.Regexp{
		"int":   regexp.MustCompile(`^-?\d{1,10}$`),
		"long":  regexp.MustCompile(`^-?\d{1,19}$`),
		"bool":  regexp.MustCompile(`(?i)^(true|false)$`),
		"alpha": regexp.MustCompile(`^[A-Za-z]+$`),
		"guid":  regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$`),
	}
)

func parseRoute(template string) (route, error) {
	r := route{template: template, segments: []segment{}}
	if template == "" {
		return r, nil
	}
	parts := strings.Split(template, "/")
	for i, part := range parts {
		m := segmentForm.FindStringSubmatch(part)
		switch {
		case m == nil && strings.ContainsAny(part, "{}*?"), part == "":
			return r, fmt.Errorf("route %q: segment %q is not supported by this emulator", template, part)
		case m == nil:
			r.segments = append(r.segments, segment{literal: part})
			continue
		}
		s := segment{param: m[2], constraint: constraints[m[3]], optional: m[5] != "", rest: m[1] != ""}
		if m[3] == "regex" {
			var err error
			if s.constraint, err = regexp.Compile("(?i)" + m[4]); err != nil {
				return r, fmt.Errorf("route %q: %w", template, err)
			}
		}
		if m[3] != "" && s.constraint == nil {
			return r, fmt.Errorf("route %q: constraint %q is not supported by this emulator", template, m[3])
		}
		if (s.rest || s.optional) && i != len(parts)-1 {
			return r, fmt.Errorf("route %q: %s must be the last segment", template, part)
		}
		r.segments = append(r.segments, s)
	}
	return r, nil
}

// match returns the parameters if the escaped path matches the route. One slash at its end does
// not count; an empty segment matches nothing.
func (r route) match(escaped string) (map[string]string, bool) {
	params := map[string]string{}
	path := strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/")
	if strings.Contains("/"+path+"/", "//") && path != "" {
		return nil, false
	}
	for _, s := range r.segments {
		if s.rest {
			if s.constraint != nil && !s.constraint.MatchString(unescape(path)) {
				return nil, false
			}
			if path != "" {
				params[s.param] = unescape(path)
			}
			return params, true
		}
		if path == "" {
			if s.optional {
				return params, true
			}
			return nil, false
		}
		var part string
		part, path, _ = strings.Cut(path, "/")
		part = unescape(part)
		if s.param == "" {
			if !strings.EqualFold(part, s.literal) {
				return nil, false
			}
			continue
		}
		if s.constraint != nil && !s.constraint.MatchString(part) {
			return nil, false
		}
		params[s.param] = part
	}
	return params, path == "" && r.segments != nil
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// compare orders routes so that the more specific one is tried first.
func (r route) compare(o route) int {
	for i := range min(len(r.segments), len(o.segments)) {
		if c := cmp.Compare(r.segments[i].rank(), o.segments[i].rank()); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(o.segments), len(r.segments))
}

func (s segment) rank() int {
	rank := 1
	if s.param != "" {
		rank = 3
	}
	if s.rest {
		rank = 5
	}
	if s.constraint != nil {
		rank--
	}
	return rank
}
