package infra_test

import (
	"fmt"
	"strings"
	"testing"
)

// clockSilent ends the name of the one rule that is not about traffic.
const clockSilent = "-clock-silent"

// TestTheSilenceOfTheControllerReachesPeople: the rule looks for the function of the clock by
// its name, at this app alone, and is for people, not for the controller that is silent.
func TestTheSilenceOfTheControllerReachesPeople(t *testing.T) {
	people := here + "/resourceGroups/rg-people/providers/Microsoft.Insights/actionGroups/ag-people"
	for _, name := range setups {
		t.Run(name, func(t *testing.T) {
			c := setup(t, name, map[string]any{"peopleActionGroupId": people})
			found := 0
			for _, r := range c.of("Microsoft.Insights/scheduledQueryRules") {
				p := r.body["properties"].(map[string]any)
				if !strings.HasSuffix(r.name, clockSilent) {
					continue
				}
				found++
				criteria := p["criteria"].(map[string]any)["allOf"].([]any)[0].(map[string]any)
				if q := fmt.Sprint(criteria["query"]); !strings.Contains(q, fmt.Sprint(c.output(c.entry, "FUNCTION_APP"))) || !strings.Contains(q, `"clock-tick" and Success`) || !strings.Contains(q, "ago(5m)") {
					t.Errorf("it asks %s", q)
				}
				if criteria["operator"] != "LessThan" || criteria["threshold"] != 1 || criteria["timeAggregation"] != "Count" {
					t.Errorf("it fires when %v", criteria)
				}
				if to := fmt.Sprint(p["actions"]); to != fmt.Sprintf("map[actionGroups:[%s]]", people) {
					t.Errorf("it reaches %s", to)
				}
			}
			if found != 1 {
				t.Errorf("%d rules look at the clock", found)
			}
		})
	}
}
