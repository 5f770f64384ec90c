package arm

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// operation is a long-running write to a gateway.
type operation struct {
	gateway              *Gateway
	id, kind, url, query string
	fails                bool
	next                 *routing // in effect in some domains, see step
	timer                *time.Timer
	gone                 chan struct{}  // of a deletion: closed when it has ended
	status               map[string]any // answer to a poll, while the operation exists
}

// begin makes the current document come true after the usual time. A running operation is
// canceled and superseded. The gateway is locked.
func (g *Gateway) begin(kind string) *operation {
	id := newGUID()
	op := &operation{gateway: g, id: id, kind: kind, query: signedQuery(), status: map[string]any{"status": "InProgress"}}
	op.url = fmt.Sprintf("%s/subscriptions/%s/providers/Microsoft.Network/locations/%s/operations/%s?%s",
		g.emulator.url, strings.Split(g.id, "/")[2], g.location, id, op.query)
	op.fails = g.faults.take(Write, OperationFails)
	if kind == deletion {
		op.gone = make(chan struct{})
	}
	if old := g.running; old != nil {
		old.timer.Stop()
		g.settle(old, map[string]any{"status": "Canceled", "error": map[string]any{
			"code": "Canceled", "message": "Operation was canceled.",
			"details": []detail{{"CanceledAndSupersededDueToAnotherOperation", fmt.Sprintf("Operation %s (%s) was canceled and superseded by operation %s (%s).", old.kind, old.id, kind, id)}},
		}})
	}
	g.running = op
	op.timer = time.AfterFunc(g.behaviour.Takes, func() { g.finish(op, false) })
	n := max(1, g.behaviour.Domains)
	for k := 1; k < n; k++ {
		time.AfterFunc(g.behaviour.Takes*time.Duration(k)/time.Duration(n), func() { g.step(op, k, n) })
	}
	g.emulator.mu.Lock()
	g.emulator.operations[id] = op
	g.emulator.mu.Unlock()
	return op
}

// signedQuery is as long and opaque as the query that the service appends: clients must send
// it unchanged.
func signedQuery() string {
	opaque := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return fmt.Sprintf("api-version=2025-01-01&t=%d&c=%s&s=%s&h=%s", time.Now().UnixNano(), opaque(2300), opaque(256), opaque(32))
}

// settle ends an operation with a status.
func (g *Gateway) settle(op *operation, status map[string]any) {
	g.emulator.mu.Lock()
	defer g.emulator.mu.Unlock()
	op.status = status
	if op.gone != nil {
		close(op.gone)
	}
}

// finish ends an operation, unless it is held back or was superseded.
func (g *Gateway) finish(op *operation, released bool) {
	if op.gone != nil {
		g.remove(op, released)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running != op || g.held && !released {
		return
	}
	g.running = nil
	err := error(nil)
	if !op.fails && !g.behaviour.SecretDenied {
		next := g.doc.copy()
		if err = g.plane.apply(next); err == nil {
			g.effective = next
			g.plane.stopped.Store(next.properties()["operationalState"] != "Running")
			g.doc.stamp(newETag(), "Succeeded")
			g.settle(op, map[string]any{"status": "Succeeded"})
			return
		}
	}
	if g.behaviour.Domains > 1 { // an earlier write may have come half of the way
		err = errors.Join(err, g.plane.apply(g.effective))
	}
	if g.behaviour.FailureReverts {
		g.doc = g.effective.copy()
	}
	g.doc.stamp(newETag(), "Failed")
	g.settle(op, map[string]any{"status": "Failed", "error": g.reason(err)})
}

// reason is why an operation failed. The gateway is locked.
func (g *Gateway) reason(err error) map[string]any {
	if err != nil {
		return map[string]any{"code": "InternalServerError", "message": err.Error(), "details": []detail{}}
	}
	if !g.behaviour.SecretDenied {
		return map[string]any{"code": "InternalServerError", "message": "An error occurred.", "details": []detail{}}
	}
	secret := ""
	g.doc.each(func(s sub) {
		if id, _ := s.properties()["keyVaultSecretId"].(string); id != "" {
			secret = id
		}
	})
	return map[string]any{
		"code":    "ApplicationGatewayKeyVaultSecretException",
		"message": fmt.Sprintf("Problem occured while accessing and validating KeyVault Secrets associated with Application Gateway '%s'. See details below:", g.id),
		"details": []detail{{"ApplicationGatewayKeyVaultSecretAccessDenied", fmt.Sprintf("Access denied for KeyVault Secret '%s' for Application Gateway '%s'. Make sure that Identity assigned to Application Gateway has access to the KeyVault associated with secret.", secret, g.id)}},
	}
}

// HoldOperations keeps operations running until Release.
func (g *Gateway) HoldOperations() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = true
}

// Release ends the running operation at once; later ones take their usual time again.
func (g *Gateway) Release() {
	g.mu.Lock()
	g.held = false
	op := g.running
	g.mu.Unlock()
	if op != nil {
		op.timer.Stop()
		g.finish(op, true)
	}
}

// ForgetOperations makes the URLs of all writes to the gateway so far answer 404, as they
// do after they have expired. Operations that run go on.
func (g *Gateway) ForgetOperations() {
	g.emulator.mu.Lock()
	defer g.emulator.mu.Unlock()
	maps.DeleteFunc(g.emulator.operations, func(_ string, op *operation) bool { return op.gateway == g })
}

// result is the outcome of an asynchronous POST.
type result struct {
	url  string
	done chan struct{}
	body any
}

// result computes an answer aside and returns the URL where it can be fetched.
func (e *Emulator) result(location string, compute func() any) string {
	id := newGUID()
	r := &result{done: make(chan struct{})}
	r.url = fmt.Sprintf("%s/subscriptions/%s/providers/Microsoft.Network/locations/%s/operationResults/%s?api-version=2025-05-01", e.url, newGUID(), location, id)
	e.mu.Lock()
	e.results[id] = r
	e.mu.Unlock()
	go func() {
		earliest := time.After(e.opts.HealthTime)
		r.body = compute()
		<-earliest
		close(r.done)
	}()
	return r.url
}

// serveOperation answers polls of operations and of results.
func (e *Emulator) serveOperation(c call) answer {
	kind, id, _ := strings.Cut(c.rest, "/")
	e.mu.Lock()
	op, r := e.operations[id], e.results[id]
	e.mu.Unlock()
	switch {
	case strings.EqualFold(kind, "operations") && op != nil:
		return op.gateway.meet(c, func() answer { return e.poll(op, c.query) })
	case r == nil:
		return failure(http.StatusNotFound, "OperationNotFound", fmt.Sprintf("The operation '%s' was not found.", id))
	}
	select {
	case <-r.done:
		return ok(r.body)
	default:
		return answer{status: http.StatusAccepted}.with("Location", r.url)
	}
}

func (e *Emulator) poll(op *operation, query string) answer {
	if op.query != query {
		// Azure's answer is not documented; a changed query must be refused.
		return failure(http.StatusForbidden, "InvalidOperationUrl", "The signature of the operation URL does not match.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return ok(op.status)
}
