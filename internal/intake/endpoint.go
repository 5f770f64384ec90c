package intake

import (
	"fmt"
	"net/http"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
	"bluegreen/internal/signin"
)

// alertRole is the app role that lets an action group's secure webhook in.
// Source: learn.microsoft.com/azure/azure-monitor/alerts/action-groups#configure-authentication-for-secure-webhook
const alertRole = "ActionGroupsSecureWebhook"

// AlertFired answers the secure webhooks of action groups, POST /api/alert-fired. The host
// lets every request through to it (an action group has no function key there); admitted are
// callers that App Service authentication has signed in, with the role ActionGroupsSecureWebhook.
func (i *Intake) AlertFired() http.Handler { return i.answered(i.secure) }

// Alerts answers POST /api/alerts, for callers whose function key the host has checked.
func (i *Intake) Alerts() http.Handler { return i.answered(i.keyed) }

// keyed names the holder of a key, signed in besides or not.
func (i *Intake) keyed(r *http.Request) (release.Actor, error) {
	by := release.Actor{Route: "alerts", Key: signin.Key(r)}
	if i.SignIn {
		if caller, err := signin.Read(r.Header); err == nil {
			by.Proven, by.Name = caller.ID, caller.Name
		}
	}
	return by, nil
}

// secure refuses with statuses that an action group does not repeat: the same call would
// be refused again, and a repeated failure silences the action group for 15 minutes.
func (i *Intake) secure(r *http.Request) (release.Actor, error) {
	by := release.Actor{Route: "alert-fired"}
	if !i.SignIn {
		return by, unidentified("App Service authentication is off, so that callers cannot be identified here: turn it on for this app, or let the action group call /api/alerts with a function key")
	}
	caller, err := signin.Read(r.Header)
	by.Proven, by.Name = caller.ID, caller.Name
	switch {
	case err != nil:
		return by, unidentified(fmt.Sprintf("%s %v", signin.Header, err))
	case caller.ID == "":
		return by, unidentified("the caller is not signed in: let the action group use a secure webhook, with the app registration whose tokens this app accepts, or call /api/alerts with a function key")
	case !caller.Has(alertRole):
		return by, api.Errorf(http.StatusForbidden, "role", "%q is signed in and may send no alerts: assign it the app role %s of the app registration", by, alertRole)
	}
	return by, nil
}

func unidentified(message string) error {
	return api.Errorf(http.StatusUnauthorized, "identity", "%s", message)
}
