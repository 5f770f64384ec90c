package resource

import (
	"fmt"
	"regexp"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

// quoted is a list of values in the service's messages.
const quoted = `('[^']+'(?:\s*,\s*'[^']+')*)`

var (
	linkedDenied = regexp.MustCompile(`does not have permission to perform action(?:\(s\))? ` + quoted + ` on the linked scope\(s\) ` + quoted)
	plainDenied  = regexp.MustCompile(`does not have authorization to perform action ` + quoted + ` over scope ` + quoted)
	objectID     = regexp.MustCompile(`with object id '([^']+)'`)
	lockedScope  = regexp.MustCompile(`scope\(s\) are locked: '([^']+)'`)
	vaultName    = regexp.MustCompile(`https://([0-9A-Za-z-]+)\.vault\.`)
	namespace    = regexp.MustCompile(`namespace '([^']+)'`)
	groupName    = regexp.MustCompile(`(?i)/resourceGroups/([^/]+)`)

	// harmless is a text that means nothing to a shell. Messages come from outside: any
	// other text of theirs is left out of commands.
	harmless = regexp.MustCompile(`^[0-9A-Za-z/._][0-9A-Za-z/._-]{0,599}$`)
)

// right is an action at a scope.
type right struct{ action, scope string }

// Missing are the rights that a refusal names. The service pairs actions and scopes.
func (f Failure) Missing() []right {
	for _, p := range f.parts() {
		for _, form := range []*regexp.Regexp{linkedDenied, plainDenied} {
			m := form.FindStringSubmatch(p.Message)
			if m == nil {
				continue
			}
			var found []right
			scopes := values(m[2])
			for i, action := range values(m[1]) {
				found = append(found, right{action, scopes[min(i, len(scopes)-1)]})
			}
			return found
		}
	}
	return nil
}

func values(list string) []string {
	var all []string
	for _, v := range strings.Split(list, ",") {
		all = append(all, strings.Trim(v, " '"))
	}
	return all
}

// role is a built-in role with an action; a custom role with the action alone does too.
func role(action string) string {
	switch a := strings.ToLower(action); {
	case strings.HasPrefix(a, "microsoft.managedidentity/"):
		return "Managed Identity Operator"
	}
	return "Network Contributor"
}

// most is how many missing rights are listed; with all their ids, more would fill a page.
const most = 3

// lacking names in one sentence the rights to give.
func (f Failure) lacking(missing []right) string {
	var lacks, commands []string
	for _, m := range missing[:min(most, len(missing))] {
		lacks = append(lacks, cut(fmt.Sprintf("lacks %s on %s", m.action, m.scope), 600))
		scope := m.scope
		if strings.HasPrefix(strings.ToLower(m.action), "microsoft.network/locations/") {
			scope = subscriptionOf(scope) // operations are not in a resource group
		}
		commands = append(commands, fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role '%s' --scope %s",
			f.find(objectID, engine.ObjectID), role(m.action), plainText(scope, "SCOPE")))
	}
	return fmt.Sprintf("the identity %s: give it a role with that action: %s; a new role takes some minutes to count",
		strings.Join(lacks, " and "), strings.Join(commands, "; "))
}

func subscriptionOf(scope string) string {
	parts := strings.Split(scope, "/")
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// find is what a form finds in the messages, or a word in capitals for the operator to replace.
func (f Failure) find(form *regexp.Regexp, otherwise string) string {
	for _, p := range f.parts() {
		if m := form.FindStringSubmatch(p.Message); m != nil {
			return plainText(m[1], otherwise)
		}
	}
	return otherwise
}

func plainText(s, otherwise string) string {
	if !harmless.MatchString(s) {
		return otherwise
	}
	return s
}

// fill puts what is known of the failure in the place of the words in braces.
func (f Failure) fill(text string, id *arm.ResourceID) string {
	return strings.NewReplacer(
		"{subscription}", plainText(id.SubscriptionID, "SUBSCRIPTION"),
		"{resource}", plainText(id.String(), "RESOURCE-ID"),
		"{namespace}", f.find(namespace, plainText(id.ResourceType.Namespace, "NAMESPACE")),
		"{vault}", f.find(vaultName, "VAULT"),
		"{locked}", f.locked(id),
	).Replace(text)
}

// locked are the arguments that list the locks of the scope that is locked.
func (f Failure) locked(id *arm.ResourceID) string {
	if m := groupName.FindStringSubmatch(f.find(lockedScope, "")); m != nil {
		return "--resource-group " + m[1] + " --subscription " + plainText(id.SubscriptionID, "SUBSCRIPTION")
	}
	return "--subscription " + plainText(id.SubscriptionID, "SUBSCRIPTION")
}
