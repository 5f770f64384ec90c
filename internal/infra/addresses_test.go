package infra_test

import (
	"regexp"
	"strings"
	"testing"
)

var asked = regexp.MustCompile(`azure-load-balancer-ipv4: ([0-9.]+)`)

func TestTheServicesAskForTheAddressesOfTheBackendPools(t *testing.T) {
	for _, name := range []string{"main", "main.full", "shared"} {
		c := setup(t, name, nil)
		pools := 0
		for _, g := range c.of(gateways) {
			for _, pool := range list(g.body, "backendAddressPools") {
				color := strings.TrimPrefix(pool["name"].(string), "pool-")
				at := list(pool, "backendAddresses")[0]["ipAddress"]
				found := asked.FindStringSubmatch(read(t, root+"/deploy/kubernetes/"+color+"/kustomization.yaml"))
				if found == nil || found[1] != at || c.output(c.entry, strings.ToUpper(color)+"_INGRESS") != at {
					t.Errorf("%s: gateway %s leads %s to %s, its Service asks for %v", name, g.name, color, at, found)
				}
				pools++
			}
		}
		if pools != 2 {
			t.Errorf("%s has %d backend pools, want one for each color", name, pools)
		}
	}
}
