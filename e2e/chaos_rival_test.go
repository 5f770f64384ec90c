package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// rival counts another client's changes of the gateway, and keeps the last one.
type rival struct {
	tags, others, own int
	phases            map[release.Phase]int // of releases that a write of it fell into
	tag               string
	priority          int
}

const noColorPool = "pool-maintenance"

// maintenance serves the pool that belongs to no color.
func (c *chaos) maintenance() arm.Pool {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Color", "maintenance") })}
	go server.Serve(l)
	c.t.Cleanup(func() { server.Close() })
	return arm.Pool{Name: noColorPool, Addresses: []string{"127.0.0.1"}, Port: l.Addr().(*net.TCPAddr).Port}
}

// rivalPhases are the phases that the rival writes in.
var rivalPhases = []release.Phase{release.Deploying, release.Verifying, release.Switching, release.Baking, release.Returning}

// rivalry edits the gateway as other clients do, in every phase of releases: its tags, rules
// of others, and now and then the rule of an app.
func (c *chaos) rivalry(ctx context.Context, r *rand.Rand) {
	c.rivals.phases = map[release.Phase]int{}
	for n := 0; goOn(ctx, 500*time.Millisecond+time.Duration(r.IntN(1500))*time.Millisecond); n++ {
		if n%4 == 3 {
			c.hijack(ctx, r, n/4)
			continue
		}
		phase := rivalPhases[n%len(rivalPhases)]
		_, found := c.inPhase(ctx, r, phase)
		if n%4 == 1 {
			c.reorder(1000 + n)
		} else {
			c.retag(ctx, fmt.Sprint(n))
		}
		c.state.Lock()
		if found {
			c.rivals.phases[phase]++
		}
		c.state.Unlock()
	}
}

// retag sends the PATCH that changes tags, which the service carries out as a write of the whole.
func (c *chaos) retag(ctx context.Context, note string) {
	client, err := azarm.NewClient("rival", "v1.0.0", c.azure.Credential(""), c.azure.ClientOptions())
	if err != nil {
		c.t.Error(err)
		return
	}
	req, err := runtime.NewRequest(ctx, http.MethodPatch, client.Endpoint()+c.gateway.ID())
	if err != nil {
		c.t.Error(err)
		return
	}
	req.Raw().URL.RawQuery = "api-version=2025-05-01"
	if err := req.SetBody(streaming.NopCloser(strings.NewReader(`{"tags":{"note":"`+note+`"}}`)), "application/json"); err != nil {
		c.t.Error(err)
		return
	}
	resp, err := client.Pipeline().Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		if ctx.Err() == nil {
			c.t.Errorf("the rival's PATCH: %v", err)
		}
		return
	}
	resp.Body.Close()
	c.state.Lock()
	defer c.state.Unlock()
	c.rivals.tags++
	c.rivals.tag = note
}

// reorder changes a rule that is no app's.
func (c *chaos) reorder(priority int) {
	err := c.gateway.Rival(func(doc map[string]any) { ruleOf(doc, "rule-redirect")["priority"] = priority })
	if err != nil {
		c.t.Errorf("edit another's rule: %v", err)
		return
	}
	c.state.Lock()
	defer c.state.Unlock()
	c.rivals.others++
	c.rivals.priority = priority
}

// ruleOf is the properties of a routing rule.
func ruleOf(doc map[string]any, name string) map[string]any {
	for _, r := range doc["properties"].(map[string]any)["requestRoutingRules"].([]any) {
		if r := r.(map[string]any); r["name"] == name {
			return r["properties"].(map[string]any)
		}
	}
	return nil
}

// poolOf is the pool that a rule of a gateway's document names.
func poolOf(doc map[string]any, rule string) string {
	id := ruleOf(doc, rule)["backendAddressPool"].(map[string]any)["id"].(string)
	return id[strings.LastIndex(id, "/")+1:]
}

// hijack points an app's rule at its other color while its release bakes, or at a pool of no
// color while it bakes or is deployed. The app must report that and not change it. Then an
// operator accepts the other color by resume, or the rival restores the rule.
func (c *chaos) hijack(ctx context.Context, r *rand.Rand, n int) {
	noColor, phase := n%3 != 1, release.Baking
	if n%3 == 2 {
		phase = release.Deploying
	}
	a, ok := c.inPhase(ctx, r, phase)
	if !ok {
		return
	}
	w := c.webs[a.Name]
	pool := fmt.Sprintf("%s-%s", a.Name, a.Release.From)
	if noColor {
		pool = noColorPool
	}
	began := time.Now()
	var was string
	err := c.gateway.Rival(func(doc map[string]any) {
		was = poolOf(doc, a.Name)
		point(doc, a.Name, pool)
	})
	if err != nil {
		c.t.Errorf("edit the rule of %s: %v", a.Name, err)
		return
	}
	c.state.Lock()
	c.rivals.own++
	w.foreign = append(w.foreign, span{what: pool, from: began})
	c.state.Unlock()
	c.noticed(ctx, r, a.Name, pool, began)
	if noColor {
		err = c.gateway.Rival(func(doc map[string]any) { point(doc, a.Name, was) })
		if now := c.view(a.Name); err == nil && now.Drift != nil && was != fmt.Sprintf("%s-%s", a.Name, now.Live) {
			err = c.accept(r, a.Name) // the release had come further when the rival wrote
		}
	} else {
		err = c.accept(r, a.Name)
	}
	if err != nil {
		c.t.Errorf("%s, which the rival pointed at %s: %v", a.Name, pool, err)
	}
	c.state.Lock()
	defer c.state.Unlock()
	w.foreign[len(w.foreign)-1].to = time.Now().Add(time.Second) // until the gateway has done it
}

// point makes a rule refer to a pool, with the matching HTTP settings.
func point(doc map[string]any, rule, pool string) {
	id := doc["id"].(string)
	settings := "set-app"
	if pool == noColorPool {
		settings = "set-" + noColorPool
	}
	p := ruleOf(doc, rule)
	p["backendAddressPool"] = map[string]any{"id": id + "/backendAddressPools/" + pool}
	p["backendHttpSettings"] = map[string]any{"id": id + "/backendHttpSettingsCollection/" + settings}
}

// noticed waits until the app has reported the changed rule, as drift or, if an alert came at
// the same moment, as a rollback that needs an operator, and checks that the rule was not
// restored. It ignores the end of the test's context, so that the change is always completed.
func (c *chaos) noticed(ctx context.Context, r *rand.Rand, app, pool string, since time.Time) {
	ctx = context.WithoutCancel(ctx)
	deadline := time.Now().Add(100 * time.Second) // a dead worker's claim lasts 60 s
	for {
		a, err := c.client(c.up(r)).App(ctx, app)
		here := poolOf(c.gateway.Document(), app)
		switch {
		case here != pool:
			c.t.Errorf("%s: the rival pointed the rule at %s at %s, and it was changed to %s: %s", app, pool, since.UTC().Format("15:04:05.000"), here, a.Status.String())
			return
		case err == nil && a.Drift != nil:
			return
		case err == nil && a.Release.Phase == release.Returning && a.Trouble != nil && strings.Contains(a.Status.String(), pool):
			return
		case err == nil && a.Release.Phase == release.RolledBack && a.Live == release.Color(strings.TrimPrefix(pool, app+"-")):
			return // the alert's return wants it there, too
		case time.Now().After(deadline):
			c.t.Errorf("%s: the rival pointed the rule at %s, and the app does not report it: %s", app, pool, a.Status.String())
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// accept is an operator's resume, which accepts the present state of the gateway.
func (c *chaos) accept(r *rand.Rand, app string) error {
	ctx := context.WithoutCancel(c.t.Context())
	key := api.NewKey()
	for deadline := time.Now().Add(100 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		a, err := c.client(c.up(r)).Command(ctx, app, release.ResumeReleases, api.Request{By: "on call", Why: "accept what somebody did"}, key)
		switch {
		case err == nil && a.Outcome.Final():
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("resume is not done: %v %v", a.Decision, err)
		}
	}
}
