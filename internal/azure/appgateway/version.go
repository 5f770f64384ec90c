package appgateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
)

// mostNamed is how many properties a finding names.
const mostNamed = 5

// beyond warns of what this version of the API may not know of the gateway, as far as the
// gateway lets it be seen.
func (g *Gateway) beyond(ctx context.Context, d document) []engine.Finding {
	var found []engine.Finding
	warn := func(format string, args ...any) {
		found = append(found, engine.Finding{Warning: true, Text: fmt.Sprintf(format, args...)})
	}
	sku := d.Root.At("properties", "sku")
	name, tier := sku.Text("name"), sku.Text("tier")
	if name != "" && !slices.Contains(armnetwork.PossibleApplicationGatewaySKUNameValues(), armnetwork.ApplicationGatewaySKUName(name)) ||
		tier != "" && !slices.Contains(armnetwork.PossibleApplicationGatewayTierValues(), armnetwork.ApplicationGatewayTier(tier)) {
		warn("the gateway has the SKU %s (tier %s), which version %s of Azure's API, with which bluegreen writes it, does not have: settings of that SKU may be dropped by a switch; use a newer version of bluegreen", name, tier, apiVersion)
	}
	if strange := d.unmodeled(); len(strange) > 0 {
		warn("the gateway has %s, which is in no model of version %s of Azure's API: it is written back as it is; compare it after the first switch", listed(strange), apiVersion)
	}
	if version, unseen := g.azure.Unseen(ctx, d.Document); len(unseen) > 0 {
		warn("version %s of Azure's API shows %s, which version %s, with which bluegreen writes the gateway, does not: a switch may drop it; use a newer version of bluegreen, or compare it after the first switch", version, listed(unseen), apiVersion)
	}
	return found
}

func listed(names []string) string {
	if rest := len(names) - mostNamed; rest > 0 {
		names = append(slices.Clone(names[:mostNamed]), fmt.Sprintf("%d more", rest))
	}
	return strings.Join(names, ", ")
}

// unmodeled lists the gateway's own properties that the module's model drops.
func (d document) unmodeled() []string {
	properties := d.Root.At("properties")
	var model armnetwork.ApplicationGatewayPropertiesFormat
	if err := properties.Read(&model); err != nil {
		return nil // what the model cannot read at all is reported by those who need it
	}
	raw, err := json.Marshal(model)
	if err != nil {
		return nil
	}
	kept, err := resource.Parse(raw)
	if err != nil {
		return nil
	}
	var all []string
	for _, key := range properties.Keys() {
		if kept.At(key) == nil && string(properties.At(key).Raw()) != "null" {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}
