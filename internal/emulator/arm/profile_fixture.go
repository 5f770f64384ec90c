package arm

import (
	"encoding/json"
	"fmt"
)

// ProfileFixture describes a Traffic Manager profile.
type ProfileFixture struct {
	Subscription, ResourceGroup, Name string // defaults: as in Fixture, and tm-shop
	RelativeName                      string // the label in front of .trafficmanager.net, default Name
	TTL                               int    // seconds that resolvers may keep an answer; 0 forbids it, as on Azure
	Endpoints                         []Endpoint
	Protocol                          string // of the probes, default HTTP, which the emulator's gateways speak on every port; HTTPS, TCP
	ProbePort                         int    // default 443
	ProbePath                         string // default /healthz
	ProbeHost                         string // Host header of the probes, default shop.example.com
	Tolerated                         int    // failures in a row that leave an endpoint Online
	Tags                              map[string]string
}

// Endpoint is one endpoint of a profile.
type Endpoint struct {
	Name     string
	Target   string // IP address or DNS name
	Priority int    // default: the place in the list, from 1
	Disabled bool
	External bool   // an external endpoint, without a resource behind it
	Resource string // id of the public IP address, default pip-<name> in the profile's group
}

func (f *ProfileFixture) setDefaults() {
	place := Fixture{Subscription: f.Subscription, ResourceGroup: f.ResourceGroup}
	place.setDefaults()
	f.Subscription, f.ResourceGroup = place.Subscription, place.ResourceGroup
	for s, value := range map[*string]string{&f.Name: "tm-shop", &f.Protocol: "HTTP", &f.ProbePath: "/healthz", &f.ProbeHost: "shop.example.com"} {
		if *s == "" {
			*s = value
		}
	}
	if f.RelativeName == "" {
		f.RelativeName = f.Name
	}
	if f.ProbePort == 0 {
		f.ProbePort = 443
	}
}

// ProfileJSON is the document of a profile as the service returns it.
func ProfileJSON(f ProfileFixture) []byte {
	f.setDefaults()
	network := "/subscriptions/" + f.Subscription + "/resourceGroups/" + f.ResourceGroup + "/providers/Microsoft.Network"
	endpoints := []any{}
	for i, e := range f.Endpoints {
		endpoints = append(endpoints, e.json(network, i+1))
	}
	tags := fields{"team": "shop"}
	for k, v := range f.Tags {
		tags[k] = v
	}
	path := any(f.ProbePath)
	if f.Protocol == "TCP" {
		path = nil
	}
	b, err := json.Marshal(fields{
		"id": network + "/trafficManagerProfiles/" + f.Name, "name": f.Name, "type": profileType, "location": "global", "tags": tags,
		"properties": fields{
			"profileStatus": "Enabled", "trafficRoutingMethod": "Priority", "trafficViewEnrollmentStatus": "Disabled", "maxReturn": nil,
			"dnsConfig": fields{"relativeName": f.RelativeName, "ttl": f.TTL},
			"monitorConfig": fields{
				"protocol": f.Protocol, "port": f.ProbePort, "path": path,
				"intervalInSeconds": 10, "timeoutInSeconds": 5, "toleratedNumberOfFailures": f.Tolerated,
				"customHeaders":            []any{fields{"name": "host", "value": f.ProbeHost}},
				"expectedStatusCodeRanges": []any{fields{"min": 200, "max": 299}},
			},
			"endpoints": endpoints,
		},
	})
	if err != nil {
		panic(err) // made of strings and numbers only
	}
	return b
}

func (e Endpoint) json(network string, place int) fields {
	status := "Enabled"
	if e.Disabled {
		status = "Disabled"
	}
	if e.Priority != 0 {
		place = e.Priority
	}
	p := fields{"endpointStatus": status, "target": e.Target, "weight": 1, "priority": place, "endpointLocation": "West Europe"}
	kind := "externalEndpoints"
	if !e.External {
		kind = "azureEndpoints"
		p["targetResourceId"] = e.Resource
		if e.Resource == "" {
			p["targetResourceId"] = fmt.Sprintf("%s/publicIPAddresses/pip-%s", network, e.Name)
		}
	}
	return fields{"name": e.Name, "type": profileType + "/" + kind, "properties": p}
}
