package arm

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SecondWrite is what happens to a write while another one runs.
type SecondWrite int

// All of these were seen on Azure: Azure/azure-cli issues 21156 and 28615, and the
// documentation of AnotherOperationInProgress.
const (
	Supersedes SecondWrite = iota // it is accepted and the running one ends as Canceled
	RetryLater                    // 429 RetryableError
	Conflicts                     // 409 AnotherOperationInProgress
)

// Behaviour is how a gateway's control plane acts until it is changed.
type Behaviour struct {
	Takes          time.Duration // how long a write takes until it is in effect
	Second         SecondWrite
	RetryAfter     time.Duration // what RetryLater and Throttled tell, whole seconds, default 14 s
	IgnoreIfMatch  bool          // writes pass whatever their If-Match says
	EarlySucceeded bool          // GET says Succeeded while the write still runs; Azure/azure-cli issue 32961
	FailureReverts bool          // a failed write leaves the old configuration in GET, not the new one
	Slow           time.Duration // how much later every answer about the gateway comes
}

// Set changes how the gateway behaves.
func (g *Gateway) Set(change func(*Behaviour)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.behaviour)
}

// On is a kind of call to a gateway.
type On int

// Calls that a fault can strike.
const (
	Read   On = iota // GET of the gateway
	Write            // PUT and PATCH
	Action           // POST: backend health, start, stop
	Poll             // GET of an operation's URL
)

// Fault is something that goes wrong with one call.
type Fault int

// Faults that Inject knows.
const (
	Unavailable    Fault = iota // 503
	InternalError               // 500
	Throttled                   // 429 with Retry-After, as ARM's own limits give
	ResetBefore                 // the connection is reset and nothing was done
	ResetAfter                  // the connection is reset and all was done
	LinkedDenied                // 403 LinkedAuthorizationFailed
	OperationFails              // the write is accepted and its operation ends as Failed
)

type injected struct {
	n     int
	on    On
	fault Fault
}

// Inject lets the next n calls of a kind go wrong; faults are used up in their order.
func (g *Gateway) Inject(n int, on On, fault Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.add(n, on, fault)
}

// Mend removes the faults that are left.
func (g *Gateway) Mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// faults are those still to come, in their order. Their owner is locked.
type faults []*injected

func (f *faults) add(n int, on On, fault Fault) { *f = append(*f, &injected{n, on, fault}) }

// next returns the fault that strikes a call of a kind.
func (f faults) next(on On) *injected {
	for _, i := range f {
		if i.on == on && i.n > 0 {
			return i
		}
	}
	return nil
}

// take uses a fault up if it is the next one.
func (f faults) take(on On, fault Fault) bool {
	i := f.next(on)
	if i == nil || i.fault != fault {
		return false
	}
	i.n--
	return true
}

// strike uses up the fault that a call meets. OperationFails strikes later, when the
// operation begins.
func (f faults) strike(on On) (Fault, bool) {
	i := f.next(on)
	if i == nil || i.fault == OperationFails {
		return 0, false
	}
	i.n--
	return i.fault, true
}

func (c call) on() On {
	switch {
	case strings.HasSuffix(c.kind, "/locations"):
		return Poll
	case c.method == http.MethodGet:
		return Read
	case c.method == http.MethodPost:
		return Action
	}
	return Write
}

// meet lets a call to the gateway go its way, or wrong.
func (g *Gateway) meet(c call, do func() answer) answer {
	g.mu.Lock()
	slow, after := g.behaviour.Slow, g.behaviour.RetryAfter
	fault, struck := g.faults.strike(c.on())
	g.mu.Unlock()
	g.emulator.wait(slow)
	if !struck {
		return do()
	}
	return fault.answer(c, after, link{"Microsoft.Network/virtualNetworks/subnets/join/action", subnetOf(g.Document())}, do)
}

// wait lets time pass, unless the emulator stops.
func (e *Emulator) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-e.ctx.Done():
	}
}

// answer is what a call comes to that the fault strikes. after is what Throttled tells,
// denied what LinkedDenied misses, do what the call does otherwise.
func (f Fault) answer(c call, after time.Duration, denied link, do func() answer) answer {
	switch f {
	case Unavailable:
		return failure(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is temporarily unavailable. Please try again later.")
	case InternalError:
		return failure(http.StatusInternalServerError, "InternalServerError", "An error occurred.")
	case Throttled:
		return failure(http.StatusTooManyRequests, "TooManyRequests", fmt.Sprintf("The request is being throttled as the limit has been reached for operation type - %s. For more information, see - https://aka.ms/srpthrottlinglimits", c.method)).
			with("Retry-After", strconv.Itoa(int(after.Seconds())))
	case ResetBefore:
		return answer{reset: true}
	case ResetAfter:
		do()
		return answer{reset: true}
	case LinkedDenied:
		return denied.refusal(c)
	}
	return do()
}

func subnetOf(doc document) (id string) {
	doc.each(func(s sub) {
		if s.section == "gatewayIPConfigurations" {
			id = refID(s.properties(), "subnet")
		}
	})
	return id
}

// busy refuses a write because of the running one, where the behaviour says so. The
// gateway is locked.
func (g *Gateway) busy(kind string) (answer, bool) {
	if g.running == nil {
		return answer{}, false
	}
	switch g.behaviour.Second {
	case RetryLater:
		seconds := int(g.behaviour.RetryAfter.Seconds())
		return failure(http.StatusTooManyRequests, "RetryableError", "A retryable error occurred.", detail{"RetryableErrorDueToAnotherOperation",
			fmt.Sprintf("Operation %s (%s) is updating resource %s. The call can be retried in %d seconds.", g.running.kind, g.running.id, g.id, seconds)}).
			with("Retry-After", strconv.Itoa(seconds)), true
	case Conflicts:
		return failure(http.StatusConflict, "AnotherOperationInProgress", "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: "+g.running.url), true
	}
	return answer{}, false
}
