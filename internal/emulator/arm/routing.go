package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// routing is one configuration in effect, made ready for requests.
type routing struct {
	sites   map[string][]*site // by lower-case id of the frontend port
	rules   map[string][]string
	members map[memberKey]*member
}

// site is a listener with its rule.
type site struct {
	listener string
	hosts    []string // none: any host
	paths    []pathRoute
	fallback route
}

type pathRoute struct {
	patterns []string
	to       route
}

// route is where a request goes: to a backend or elsewhere.
type route struct {
	backend  *backend
	redirect *redirect
}

// backend is a pool with the settings that it is spoken to with.
type backend struct {
	pool    string
	scheme  string
	host    string // Host header, "" keeps the client's
	timeout time.Duration
	members []*member
	turn    atomic.Uint32
}

type redirect struct {
	status      int
	url         string
	path, query bool
}

// compiler turns a document into a routing.
type compiler struct {
	subs map[string]sub
	r    *routing
	keep map[memberKey]*member // those in use, with their health
}

func compile(doc document, keep map[memberKey]*member) (*routing, error) {
	c := compiler{subs: map[string]sub{}, keep: keep, r: &routing{sites: map[string][]*site{}, rules: map[string][]string{}, members: map[memberKey]*member{}}}
	doc.each(func(s sub) { c.subs[strings.ToLower(s.id())] = s })
	rules := objects(doc.properties(), "requestRoutingRules")
	slices.SortStableFunc(rules, func(a, b map[string]any) int {
		return number(object(a, "properties"), "priority") - number(object(b, "properties"), "priority")
	})
	for _, o := range rules {
		if err := c.rule(sub{"requestRoutingRules", o}); err != nil {
			return nil, err
		}
	}
	return c.r, nil
}

func number(m map[string]any, key string) int {
	switch v := m[key].(type) {
	case json.Number:
		n, _ := v.Int64()
		return int(n)
	case float64:
		return int(v)
	case int:
		return v
	}
	return 0
}

func (c *compiler) at(m map[string]any, key string) (map[string]any, bool) {
	s, found := c.subs[strings.ToLower(refID(m, key))]
	if !found {
		return nil, false
	}
	return s.properties(), true
}

func (c *compiler) rule(rule sub) error {
	p := rule.properties()
	l, found := c.at(p, "httpListener")
	if !found {
		return fmt.Errorf("rule %s has no listener", rule.name())
	}
	s := &site{listener: c.subs[strings.ToLower(refID(p, "httpListener"))].name()}
	if h, _ := l["hostName"].(string); h != "" {
		s.hosts = append(s.hosts, strings.ToLower(h))
	}
	list, _ := l["hostNames"].([]any)
	for _, h := range list {
		s.hosts = append(s.hosts, strings.ToLower(fmt.Sprint(h)))
	}
	var err error
	if p["ruleType"] == "PathBasedRouting" {
		err = c.pathMap(rule, s)
	} else {
		s.fallback, err = c.route(rule.name(), p, "backendAddressPool", "backendHttpSettings", "redirectConfiguration")
	}
	port := strings.ToLower(refID(l, "frontendPort"))
	c.r.sites[port] = append(c.r.sites[port], s)
	return err
}

func (c *compiler) pathMap(rule sub, s *site) (err error) {
	m, found := c.at(rule.properties(), "urlPathMap")
	if !found {
		return fmt.Errorf("rule %s has no URL path map", rule.name())
	}
	s.fallback, err = c.route(rule.name(), m, "defaultBackendAddressPool", "defaultBackendHttpSettings", "defaultRedirectConfiguration")
	if err != nil {
		return err
	}
	for _, o := range objects(m, "pathRules") {
		p := object(o, "properties")
		r := pathRoute{}
		patterns, _ := p["paths"].([]any)
		for _, pattern := range patterns {
			r.patterns = append(r.patterns, fmt.Sprint(pattern))
		}
		if r.to, err = c.route(rule.name(), p, "backendAddressPool", "backendHttpSettings", "redirectConfiguration"); err != nil {
			return err
		}
		s.paths = append(s.paths, r)
	}
	return nil
}

func (c *compiler) route(rule string, p map[string]any, poolKey, settingsKey, redirectKey string) (route, error) {
	if to, found := c.at(p, redirectKey); found {
		return route{redirect: newRedirect(to)}, nil
	}
	pool, found := c.at(p, poolKey)
	settings, ok := c.at(p, settingsKey)
	if !found || !ok {
		return route{}, fmt.Errorf("rule %s names no backend pool or no backend settings", rule)
	}
	name := c.subs[strings.ToLower(refID(p, poolKey))].name()
	if !slices.Contains(c.r.rules[rule], name) {
		c.r.rules[rule] = append(c.r.rules[rule], name)
	}
	b := &backend{pool: name, scheme: strings.ToLower(fmt.Sprint(settings["protocol"])), timeout: time.Duration(number(settings, "requestTimeout")) * time.Second}
	b.host, _ = settings["hostName"].(string)
	probe, _ := c.at(settings, "probe")
	setting := c.subs[strings.ToLower(refID(p, settingsKey))].name()
	for _, address := range addresses(pool) {
		key := memberKey{name, setting, address, number(settings, "port")}
		m := c.r.members[key]
		if m == nil {
			m = &member{key: key, check: newCheck(probe, settings, address)}
			if old := c.keep[key]; old != nil && old.check.same(m.check) {
				m = old
			}
			c.r.members[key] = m
		}
		b.members = append(b.members, m)
	}
	return route{backend: b}, nil
}

func addresses(pool map[string]any) []string {
	var found []string
	for _, a := range objects(pool, "backendAddresses") {
		for _, key := range []string{"ipAddress", "fqdn"} {
			if s, _ := a[key].(string); s != "" {
				found = append(found, s)
				break
			}
		}
	}
	return found
}

func newRedirect(p map[string]any) *redirect {
	status := map[any]int{"Permanent": http.StatusMovedPermanently, "SeeOther": http.StatusSeeOther, "Temporary": http.StatusTemporaryRedirect}[p["redirectType"]]
	if status == 0 {
		status = http.StatusFound
	}
	r := &redirect{status: status}
	r.url, _ = p["targetUrl"].(string)
	r.path, _ = p["includePath"].(bool)
	r.query, _ = p["includeQueryString"].(bool)
	return r
}

func (r *redirect) to(req *http.Request) string {
	target := r.url
	if target == "" { // another listener of the same host
		target = "https://" + hostOf(req)
	}
	if r.path {
		target = strings.TrimSuffix(target, "/") + req.URL.Path
	}
	if r.query && req.URL.RawQuery != "" {
		target += "?" + req.URL.RawQuery
	}
	return target
}

func hostOf(r *http.Request) string {
	host, _, _ := strings.Cut(r.Host, ":")
	return strings.ToLower(host)
}

// find returns the route of a request that came in at a frontend port.
func (r *routing) find(port string, req *http.Request) (route, bool) {
	for _, s := range r.sites[port] {
		if len(s.hosts) == 0 || slices.ContainsFunc(s.hosts, func(h string) bool { return hostMatches(h, hostOf(req)) }) {
			return s.route(req.URL.Path), true
		}
	}
	// A test that speaks to the loopback address means the only site there is.
	if sites := r.sites[port]; len(sites) == 1 {
		return sites[0].route(req.URL.Path), true
	}
	return route{}, false
}

func hostMatches(pattern, host string) bool {
	matched, _ := path.Match(pattern, host)
	return matched
}

func (s *site) route(path string) route {
	for _, p := range s.paths {
		for _, pattern := range p.patterns {
			prefix, wild := strings.CutSuffix(pattern, "*")
			if path == pattern || wild && (strings.HasPrefix(path, prefix) || path+"/" == prefix) {
				return p.to
			}
		}
	}
	return s.fallback
}

func (k memberKey) hostport() string { return k.address + ":" + strconv.Itoa(k.port) }
