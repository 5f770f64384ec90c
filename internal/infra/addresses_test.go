package infra_test

import (
	"net/netip"
	"regexp"
	"strconv"
	"testing"
)

var (
	space   = regexp.MustCompile(`param (?:workloadSpace|addressSpace) string = '([0-9./]+)'`)
	ingress = regexp.MustCompile(`cidrHost\(cidrSubnet\(\w+, 24, (\d+)\), (\d+)\)`)
	asked   = regexp.MustCompile(`azure-load-balancer-ipv4: ([0-9.]+)`)
)

// TestTheServicesAskForTheAddressesOfTheBackendPools computes the defaults as Bicep does:
// cidrHost counts from the first usable address, which is the network's plus one.
func TestTheServicesAskForTheAddressesOfTheBackendPools(t *testing.T) {
	for _, entry := range []string{"main.bicep", "shared.bicep"} {
		text := read(t, root+"/bicep/"+entry)
		of := space.FindStringSubmatch(text)
		places := ingress.FindAllStringSubmatch(text, -1)
		if of == nil || len(places) != 2 {
			t.Fatalf("%s: the addresses are no longer where this test looks: %v %v", entry, of, places)
		}
		network := netip.MustParsePrefix(of[1]).Addr().As4()
		for i, color := range []string{"blue", "green"} {
			subnet, _ := strconv.Atoi(places[i][1])
			host, _ := strconv.Atoi(places[i][2])
			want := netip.AddrFrom4([4]byte{network[0], network[1], byte(subnet), byte(host + 1)}).String()
			found := asked.FindStringSubmatch(read(t, root+"/deploy/kubernetes/"+color+"/kustomization.yaml"))
			if found == nil || found[1] != want {
				t.Errorf("%s leads %s to %s, its Service asks for %v", entry, color, want, found)
			}
		}
	}
}
