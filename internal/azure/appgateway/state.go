package appgateway

import (
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

// pending lists what of the gateway, of all that the app's traffic passes, is not yet as it
// was written. A GET shows a write from the moment that it is accepted.
func (d document) pending(s survey) []string {
	var all []string
	if state := d.Root.Text("properties", "provisioningState"); !settled(state) {
		all = append(all, fmt.Sprintf("the gateway is %s: users may still meet the configuration from before", orUnknown(state)))
	}
	for _, part := range s.parts {
		if state := part.Text("properties", "provisioningState"); state != "" && !settled(state) {
			all = append(all, fmt.Sprintf("%s is %s", part.Text("name"), state))
		}
	}
	return all
}

// trouble lists what keeps users from being served as the references say.
func (d document) trouble(id *arm.ResourceID) []string {
	var all []string
	if state := d.Root.Text("properties", "operationalState"); state != "" && !strings.EqualFold(state, "Running") {
		all = append(all, fmt.Sprintf("the gateway is %s: users get no answer from it; start it with az network application-gateway start --ids %s", state, id))
	}
	if strings.EqualFold(d.Root.Text("properties", "provisioningState"), "Failed") {
		all = append(all, fmt.Sprintf("the last write to the gateway failed: users may be served by the configuration before it; az network application-gateway update --ids %s writes it again and names the reason", id))
	}
	return all
}

// settled reports whether a provisioning state is one in which an operation ends.
func settled(state string) bool {
	switch strings.ToLower(state) {
	case "succeeded", "failed", "canceled", "cancelled":
		return true
	}
	return false
}
