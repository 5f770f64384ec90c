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

// counted returns the number of resources of each type, of nodes of each size, and of reserved
// capacity units: ten for each minimum instance of a gateway.
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

func TestTheCostsCoverEveryResource(t *testing.T) {
	text := read(t, root+"/docs/costs.md")
	row := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\| (\\d+) \\| (\\d+) \\| (\\d+) \\| (\\d+) \\|")
	rows := row.FindAllStringSubmatch(text, -1)
	if len(rows) == 0 {
		t.Fatal("docs/costs.md has no table")
	}
	for i, name := range setups {
		n := setup(t, name, nil).counted()
		for _, r := range rows {
			if documented, _ := strconv.Atoi(r[2+i]); documented != n[r[1]] {
				t.Errorf("docs/costs.md has %d %s in %s, the templates %d", documented, r[1], name, n[r[1]])
			}
		}
		for kind, times := range n {
			if times > 0 && !strings.Contains(text, fmt.Sprintf("`%s`", kind)) {
				t.Errorf("docs/costs.md does not mention %s; %s has %d", kind, name, times)
			}
		}
	}
}
