package arm

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SecondWrite is the reaction to a write while another one is running.
type SecondWrite int

// All of these were seen on Azure: Azure/azure-cli issues 21156 and 28615, and the
// documentation of AnotherOperationInProgress.
const (
	Supersedes SecondWrite = iota // it is accepted and the running one ends as Canceled
	RetryLater                    // 429 RetryableError
	Conflicts                     // 409 AnotherOperationInProgress
)

// Behaviour configures a gateway's control plane.
type Behaviour struct {
	Takes          time.Duration // how long a write takes until it is in effect
	Second         SecondWrite
	RetryAfter     time.Duration // the Retry-After of RetryLater and Throttled, whole seconds, default 14 s
	IgnoreIfMatch  bool          // writes are accepted with any If-Match
	Domains        int           // parts of the data plane that a write takes effect in one after the other, default 1
	EarlySucceeded bool          // GET returns Succeeded while the write is still running; Azure/azure-cli issue 32961
	SecretDenied   bool          // the gateway cannot read its certificate: each write is accepted and ends as Failed; Azure/azure-docs issue 33157
	FailureReverts bool          // a failed write leaves the old configuration in GET, not the new one
	Versions       []string      // of the API that calls about the gateway may have, default any
	// Since has, by name, the properties of the gateway that only newer versions of the API
	// know: a read with an older one does not show them, and a write with it drops them.
	Since map[string]string
	Slow  time.Duration // delay of every answer about the gateway
}

// Set changes how the gateway behaves.
func (g *Gateway) Set(change func(*Behaviour)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.behaviour)
}

// On is a kind of call to a gateway, for Inject.
type On int

// The kinds of calls that a fault can affect.
const (
	Read   On = iota // GET of the gateway
	Write            // PUT and PATCH
	Action           // POST: backend health, start, stop
	Poll             // GET of an operation's URL
)

// Fault is the failure of one call.
type Fault int

// The faults of Inject.
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

// Inject makes the next n calls of a kind fail; faults are used up in their order.
func (g *Gateway) Inject(n int, on On, fault Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.add(n, on, fault)
}

// ClearFaults removes the remaining faults.
func (g *Gateway) ClearFaults() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// faults are the pending faults, in their order. Their owner is locked.
type faults []*injected

func (f *faults) add(n int, on On, fault Fault) { *f = append(*f, &injected{n, on, fault}) }

// next returns the fault of a call of a kind.
func (f faults) next(on On) *injected {
	for _, i := range f {
		if i.on == on && i.n > 0 {
			return i
		}
	}
	return nil
}

// take removes a fault if it is the next one.
func (f faults) take(on On, fault Fault) bool {
	i := f.next(on)
	if i == nil || i.fault != fault {
		return false
	}
	i.n--
	return true
}

// strike removes the fault of a call. OperationFails is removed later, when the operation
// begins.
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

// meet carries out a call to the gateway, or its fault.
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

// wait waits for a duration, or until the emulator stops.
func (e *Emulator) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-e.ctx.Done():
	}
}

// answer returns the answer to a call with this fault. after is the Retry-After of Throttled,
// denied the missing permission of LinkedDenied, do the call without the fault.
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

// busy refuses a write during a running one, if so configured. The gateway is locked.
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
