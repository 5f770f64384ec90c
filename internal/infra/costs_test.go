package infra_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// setups are the parameter files in the order of the columns of docs/costs.md.
var setups = []string{"controller", "shared", "main", "main.full"}

// counted is how many there are of each type of resource, of the nodes of each size, and of
// the capacity units that the gateways reserve: ten for each instance that they keep.
func (c *deployment) counted() map[string]int {
	n := map[string]int{}
	for _, m := range c.made {
		n[m.kind]++
		p, _ := m.body["properties"].(map[string]any)
		pools, _ := p["agentPoolProfiles"].([]any)
		for _, pool := range pools {
			of, _ := pool.(map[string]any)
			size, _ := of["vmSize"].(string)
			nodes, _ := of["count"].(int)
			n[size] += nodes
		}
		scale, _ := p["autoscaleConfiguration"].(map[string]any)
		instances, _ := scale["minCapacity"].(int)
		n["autoscaleConfiguration"] += 10 * instances
	}
	return n
}

func TestTheCostsAreOfWhatIsMade(t *testing.T) {
	text := read(t, root+"/docs/costs.md")
	row := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\| (\\d+) \\| (\\d+) \\| (\\d+) \\| (\\d+) \\|")
	rows := row.FindAllStringSubmatch(text, -1)
	if len(rows) == 0 {
		t.Fatal("docs/costs.md has no table")
	}
	for i, name := range setups {
		n := setup(t, name, nil).counted()
		for _, r := range rows {
			if told, _ := strconv.Atoi(r[2+i]); told != n[r[1]] {
				t.Errorf("docs/costs.md tells of %d %s in %s, the files make %d", told, r[1], name, n[r[1]])
			}
		}
		for kind, times := range n {
			if times > 0 && !strings.Contains(text, fmt.Sprintf("`%s`", kind)) {
				t.Errorf("docs/costs.md does not say whether %s costs anything; %s makes %d", kind, name, times)
			}
		}
	}
}
