package arm

import (
	"fmt"
	"net/http"
	"strings"
)

// Lock puts a management lock of the level ReadOnly on a scope: a resource, a resource group
// or a subscription. Nothing below it can be changed until Unlock.
func (e *Emulator) Lock(scope string) { e.bar(scope, "ScopeLocked") }

// Unlock removes the lock of a scope.
func (e *Emulator) Unlock(scope string) { e.unbar(scope) }

// Disable disables a subscription: what is in it can only be read.
func (e *Emulator) Disable(subscription string) {
	e.bar("/subscriptions/"+subscription, "ReadOnlyDisabledSubscription")
}

// Enable enables a subscription again.
func (e *Emulator) Enable(subscription string) { e.unbar("/subscriptions/" + subscription) }

func (e *Emulator) bar(scope, code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.barriers[strings.ToLower(scope)] = code
}

func (e *Emulator) unbar(scope string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.barriers, strings.ToLower(scope))
}

// barred refuses a call below a lock or in a disabled subscription, unless it only reads.
// Both refuse POST too: learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
func (e *Emulator) barred(c call) (answer, bool) {
	if c.method == http.MethodGet {
		return answer{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for scope, code := range e.barriers {
		if !strings.HasPrefix(strings.ToLower(c.raw)+"/", scope+"/") {
			continue
		}
		message := fmt.Sprintf("The subscription '%s' is disabled and therefore marked as read only. You cannot perform any write actions on this subscription until it is re-enabled.", c.subscription)
		if code == "ScopeLocked" {
			kind := "write"
			if c.method == http.MethodDelete {
				kind = "delete"
			}
			message = fmt.Sprintf("The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.", c.scope(), kind, c.raw[:len(scope)])
		}
		return failure(http.StatusConflict, code, message), true
	}
	return answer{}, false
}
