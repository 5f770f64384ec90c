package arm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// serveSubscriptions lists the subscriptions of all resources, or gets one of them.
func (e *Emulator) serveSubscriptions(id string) answer {
	found := map[string]any{}
	for _, known := range e.ids() {
		sub := strings.Split(known, "/")[2]
		found[strings.ToLower(sub)] = e.subscription(sub)
	}
	if id == "" {
		list := []any{}
		for _, sub := range sortedKeys(found) {
			list = append(list, found[sub])
		}
		return ok(fields{"value": list})
	}
	if sub := found[strings.ToLower(id)]; sub != nil {
		return ok(sub)
	}
	return failure(http.StatusNotFound, "SubscriptionNotFound", fmt.Sprintf("The subscription '%s' could not be found.", id))
}

func (e *Emulator) subscription(id string) fields {
	e.mu.Lock()
	defer e.mu.Unlock()
	state := "Enabled"
	if e.barriers[strings.ToLower("/subscriptions/"+id)] == "ReadOnlyDisabledSubscription" {
		state = "Disabled"
	}
	return fields{
		"id": "/subscriptions/" + id, "subscriptionId": id, "displayName": "Subscription " + id, "tenantId": TenantID, "state": state,
		"authorizationSource": "RoleBased", "managedByTenants": []any{},
		"subscriptionPolicies": fields{"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
	}
}

// ids are those of all resources.
func (e *Emulator) ids() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, g := range e.gateways {
		all = append(all, g.id)
	}
	for _, p := range e.profiles {
		all = append(all, p.id)
	}
	for _, c := range e.clusters {
		all = append(all, c.ID)
	}
	for _, r := range e.rules {
		all = append(all, r.ID)
	}
	slices.Sort(all)
	return all
}

// list answers with the documents of a type of resource in a group, or in a subscription.
func (e *Emulator) list(c call, document func(id string) map[string]any) answer {
	if c.method != http.MethodGet {
		return c.notAllowed()
	}
	found := []any{}
	for _, id := range e.ids() {
		r := call{raw: id}
		if !r.parse() || r.kind != c.kind || !strings.EqualFold(r.subscription, c.subscription) || c.group != "" && !strings.EqualFold(r.group, c.group) {
			continue
		}
		if doc := document(id); doc != nil {
			found = append(found, doc)
		}
	}
	return ok(fields{"value": found})
}

// createGateway answers a PUT of a gateway that does not exist: it exists from now on, and
// answers requests when the operation has ended.
func (e *Emulator) createGateway(c call) answer {
	doc, problem := readWhole(c)
	if problem != nil {
		return *problem
	}
	if a, denied := e.rights.missingLink(c, doc.links()); denied {
		return a
	}
	g, err := e.newGateway(c.scope(), doc)
	if err != nil {
		return refused(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	doc.stamp(newETag(), "Updating")
	g.doc, g.effective = doc, document{}
	op := g.begin("PutApplicationGatewayOperation")
	e.keep(g)
	return answer{status: http.StatusCreated, body: doc.copy()}.with("Azure-AsyncOperation", op.url).with("azure-asyncnotification", "Enabled")
}

const deletion = "DeleteApplicationGatewayOperation"

// delete begins the operation that ends with the gateway gone.
func (g *Gateway) delete() answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, busy := g.busy(deletion); busy {
		return a
	}
	g.doc.stamp(newETag(), "Deleting")
	op := g.begin(deletion)
	at := g.emulator.result(g.location, func() any { <-op.gone; return nil })
	return answer{status: http.StatusAccepted}.with("Azure-AsyncOperation", op.url).with("Location", at)
}

// remove ends a deletion, unless it is held back or was superseded.
func (g *Gateway) remove(op *operation, released bool) {
	g.mu.Lock()
	ends := g.running == op && (!g.held || released)
	if ends {
		g.running = nil
	}
	g.mu.Unlock()
	if ends {
		g.emulator.RemoveGateway(g.id)
		g.settle(op, map[string]any{"status": "Succeeded"})
	}
}

// deleteEndpoint takes an endpoint out of the profile, which is locked.
func (p *Profile) deleteEndpoint(kind, name string) answer {
	doc := p.doc.copy()
	e := doc.endpoint(kind, name)
	if e == nil {
		return answer{status: http.StatusNoContent}
	}
	doc.properties()["endpoints"] = slices.DeleteFunc(doc.properties()["endpoints"].([]any), func(o any) bool {
		other, _ := o.(map[string]any)
		return kindOf(other) == kindOf(e) && nameOf(other) == nameOf(e)
	})
	if a := p.accept(doc); a.status >= 300 {
		return a
	}
	return ok(fields{})
}
