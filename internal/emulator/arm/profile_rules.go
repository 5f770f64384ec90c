package arm

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// bad is a write that Traffic Manager refuses. Its words are not known for certain.
func bad(format string, args ...any) error {
	return invalid("BadRequest", fmt.Sprintf(format, args...))
}

// validateProfile holds the rules that a write must keep. Sources: the REST reference of
// Microsoft.Network/trafficManagerProfiles 2022-04-01 and
// https://learn.microsoft.com/azure/traffic-manager/traffic-manager-monitoring
func (d document) validateProfile() error {
	p := d.properties()
	dns := object(p, "dnsConfig")
	if name, _ := dns["relativeName"].(string); name == "" || strings.ContainsAny(name, ". ") {
		return bad("The relative DNS name %q is not a single DNS label.", name)
	}
	return first(
		oneOf(p, "profileStatus", "Enabled", "Disabled"),
		oneOf(p, "trafficRoutingMethod", "Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet"),
		between(dns, "ttl", 0, math.MaxInt32),
		validateMonitor(object(p, "monitorConfig")),
		d.validateEndpoints(),
	)
}

func validateMonitor(m map[string]any) error {
	longest := 10
	if number(m, "intervalInSeconds") == 10 {
		longest = 9
	}
	path, _ := m["path"].(string)
	tcp := m["protocol"] == "TCP"
	err := first(
		oneOf(m, "protocol", "HTTP", "HTTPS", "TCP"),
		between(m, "port", 1, math.MaxUint16),
		between(m, "timeoutInSeconds", 5, longest),
		between(m, "toleratedNumberOfFailures", 0, 9),
	)
	switch interval := number(m, "intervalInSeconds"); {
	case err != nil:
		return err
	case interval != 10 && interval != 30:
		return bad("The probing interval must be 10 or 30 seconds, not %v.", m["intervalInSeconds"])
	case tcp && path != "":
		return bad("A monitor path must not be given with the protocol TCP.")
	case !tcp && !strings.HasPrefix(path, "/"):
		return bad("The monitor path %q must begin with a slash.", path)
	case len(objects(m, "customHeaders")) > 8 || len(objects(m, "expectedStatusCodeRanges")) > 8:
		return bad("At most 8 custom headers and 8 status code ranges may be given.")
	}
	for _, r := range objects(m, "expectedStatusCodeRanges") {
		if err := first(between(r, "min", 100, 999), between(r, "max", number(r, "min"), 999)); err != nil {
			return err
		}
	}
	return nil
}

func (d document) validateEndpoints() error {
	names, priorities, prioritized := map[string]bool{}, map[string]string{}, 0
	for _, e := range d.endpoints() {
		if err := validateEndpoint(e); err != nil {
			return err
		}
		name := nameOf(e)
		if names[strings.ToLower(name)] {
			return bad("There are duplicates in the list of endpoints. The following endpoint(s) appear more than once: %s.", name)
		}
		names[strings.ToLower(name)] = true
		given := object(e, "properties")["priority"]
		if given == nil {
			continue
		}
		prioritized++
		priority := fmt.Sprint(given)
		if other, taken := priorities[priority]; taken {
			return bad("Endpoints '%s' and '%s' have the same priority %s. No two endpoints may share a priority.", other, name, priority)
		}
		priorities[priority] = name
	}
	if prioritized != 0 && prioritized != len(names) {
		return bad("If a priority is specified for one endpoint, it must be specified for all endpoints.")
	}
	return nil
}

func validateEndpoint(e map[string]any) error {
	name, p := nameOf(e), object(e, "properties")
	kind := kindOf(e)
	target, _ := p["target"].(string)
	resource, _ := p["targetResourceId"].(string)
	err := first(oneOf(p, "endpointStatus", "Enabled", "Disabled"), between(p, "weight", 1, 1000))
	if err == nil && p["priority"] != nil {
		err = between(p, "priority", 1, 1000)
	}
	if err == nil && p["alwaysServe"] != nil {
		err = oneOf(p, "alwaysServe", "Enabled", "Disabled")
	}
	switch {
	case strings.TrimSpace(name) == "" || len(name) > 260:
		return bad("Endpoint name '%s' is invalid. Endpoint names cannot be empty or all whitespace, and must be up to 260 characters long.", name)
	case endpointKinds[kind][0] == "":
		return bad("The type '%v' specified for endpoint '%s' is invalid.", e["type"], name)
	case err != nil:
		return bad("Endpoint '%s': %v", name, err)
	case kind == "azureendpoints" && resource == "":
		return bad("Endpoint '%s' must have a targetResourceId.", name)
	case target == "":
		return bad("Endpoint '%s' has no target: an external endpoint must name one, and the public IP address of an Azure endpoint must have a DNS name label.", name)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func oneOf(m map[string]any, key string, values ...string) error {
	if s, _ := m[key].(string); !slices.Contains(values, s) {
		return bad("The value '%v' of %s is not one of %s.", m[key], key, strings.Join(values, ", "))
	}
	return nil
}

// between refuses a value that is not an integer from low to high.
func between(m map[string]any, key string, low, high int) error {
	n := number(m, key)
	if fmt.Sprint(m[key]) != strconv.Itoa(n) || n < low || n > high {
		return bad("The value '%v' of %s is not a whole number from %d to %d.", m[key], key, low, high)
	}
	return nil
}
