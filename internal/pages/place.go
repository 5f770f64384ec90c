package pages

import (
	"regexp"
	"strings"

	"bluegreen/internal/api"
)

// portal shows an Azure resource by its id.
const portal = "https://portal.azure.com/#resource"

// place is a resource of an app in the Azure portal.
type place struct {
	Name, Kind, Href string
	More             string // a page of the resource that helps most, "" for none
	MoreHref         string
}

var resourceID = regexp.MustCompile(`(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/([^/]+/[^/]+)/([^/]+)$`)

// kinds of resources, and their pages that help most.
var places = map[string][3]string{
	"microsoft.containerservice/managedclusters": {"cluster", "workloads", "/workloads"},
	"microsoft.network/applicationgateways":      {"gateway", "alerts", "/alerts"},
	"microsoft.network/trafficmanagerprofiles":   {"Traffic Manager", "alerts", "/alerts"},
}

// placesOf finds the resources that a configuration names, each once.
func placesOf(settings []api.Setting) (list []place) {
	seen := map[string]bool{}
	for _, s := range settings {
		m := resourceID.FindStringSubmatch(s.Value)
		if m == nil || seen[strings.ToLower(s.Value)] {
			continue
		}
		seen[strings.ToLower(s.Value)] = true
		kind := places[strings.ToLower(m[1])]
		p := place{Name: m[2], Kind: kind[0], Href: portal + s.Value}
		if kind[0] == "" {
			p.Kind = m[1]
		}
		if kind[1] != "" {
			p.More, p.MoreHref = kind[1], portal+s.Value+kind[2]
		}
		list = append(list, p)
	}
	return list
}
