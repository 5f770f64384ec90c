package arm

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// watchKey is an endpoint and how it is probed.
type watchKey struct {
	name  string
	check check
}

// ranked returns the endpoints that may be answered, the preferred one first.
func (d document) ranked() []map[string]any {
	var list []map[string]any
	for _, e := range d.endpoints() {
		if d.enabled() && object(e, "properties")["endpointStatus"] == "Enabled" {
			list = append(list, e)
		}
	}
	if d.properties()["trafficRoutingMethod"] == "Priority" {
		slices.SortStableFunc(list, func(a, b map[string]any) int {
			return number(object(a, "properties"), "priority") - number(object(b, "properties"), "priority")
		})
	}
	return list
}

// watchOf is how an endpoint of a configuration is probed.
func (d document) watchOf(e map[string]any) watchKey {
	m := object(d.properties(), "monitorConfig")
	target, _ := object(e, "properties")["target"].(string)
	path, _ := m["path"].(string)
	c := check{
		url:       strings.ToLower(fmt.Sprint(m["protocol"])) + "://" + net.JoinHostPort(target, strconv.Itoa(number(m, "port"))) + path,
		interval:  number(m, "intervalInSeconds"),
		timeout:   time.Duration(number(m, "timeoutInSeconds")) * time.Second,
		threshold: number(m, "toleratedNumberOfFailures") + 1,
		codes:     "200",
	}
	var codes []string
	for _, r := range objects(m, "expectedStatusCodeRanges") {
		codes = append(codes, fmt.Sprintf("%v-%v", r["min"], r["max"]))
	}
	if len(codes) > 0 {
		c.codes = strings.Join(codes, ",")
	}
	headers := map[string]string{}
	for _, h := range append(objects(m, "customHeaders"), objects(object(e, "properties"), "customHeaders")...) {
		headers[strings.ToLower(fmt.Sprint(h["name"]))] = fmt.Sprint(h["value"]) // an endpoint's own go first
	}
	c.host = headers["host"]
	delete(headers, "host")
	for _, name := range sortedKeys(headers) {
		c.headers += name + ": " + headers[name] + "\n"
	}
	return watchKey{nameOf(e), c}
}

func alwaysServed(e map[string]any) bool { return object(e, "properties")["alwaysServe"] == "Enabled" }

// watch probes the endpoints that are enabled in the last write or on the name servers. The
// profile is locked.
func (p *Profile) watch() {
	wanted := map[watchKey]bool{}
	for _, doc := range []document{p.doc, p.known} {
		for _, e := range doc.ranked() {
			if !alwaysServed(e) {
				wanted[doc.watchOf(e)] = true
			}
		}
	}
	for key, m := range p.watches {
		if !wanted[key] {
			m.stop()
			delete(p.watches, key)
		}
	}
	for key := range wanted {
		if p.watches[key] == nil {
			m := &member{check: key.check}
			var ctx context.Context
			ctx, m.stop = context.WithCancel(p.ctx)
			p.watches[key] = m
			go m.watch(ctx, p.emulator.opts.ProbeSecond, p.emulator.probes)
		}
	}
}

// status is the endpointMonitorStatus of an endpoint.
func (p *Profile) status(doc document, e map[string]any) string {
	props := object(e, "properties")
	switch {
	case props["endpointStatus"] != "Enabled":
		return "Disabled"
	case !doc.enabled():
		return "Inactive"
	case alwaysServed(e):
		return "Unmonitored"
	}
	m := p.watches[doc.watchOf(e)]
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.health {
	case "Healthy":
		return "Online"
	case "Unhealthy":
		return "Degraded"
	}
	return "CheckingEndpoint"
}

// shown is the profile as GET returns it. The profile is locked.
func (p *Profile) shown() document {
	doc := p.doc.copy()
	seen := map[string]bool{}
	for _, e := range doc.endpoints() {
		status := p.status(doc, e)
		object(e, "properties")["endpointMonitorStatus"] = status
		seen[status] = true
	}
	object(doc.properties(), "monitorConfig")["profileMonitorStatus"] = profileStatus(doc.enabled(), seen)
	return doc
}

// profileStatus summarizes the health of the endpoints.
func profileStatus(enabled bool, seen map[string]bool) string {
	switch {
	case !enabled:
		return "Disabled"
	case seen["Degraded"]:
		return "Degraded"
	case seen["Online"], seen["Unmonitored"]:
		return "Online"
	case seen["CheckingEndpoint"]:
		return "CheckingEndpoints"
	}
	return "Inactive"
}
