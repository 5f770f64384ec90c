package resource

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"golang.org/x/sync/errgroup"
)

// Needs are the actions that the identity needs at a scope, and what for.
type Needs struct {
	Scope   string
	Actions []string
	For     string // in a sentence, such as "to write the gateway"
}

// permission is what one role assignment gives. A right is had where one of them gives it.
type permission struct{ Actions, NotActions []string }

func (p permission) gives(action string) bool {
	return covers(p.Actions, action) && !covers(p.NotActions, action)
}

// covers reports whether an action is one of some patterns, in which * stands for any text.
func covers(patterns []string, action string) bool {
	for _, p := range patterns {
		text := strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*")
		if whole, err := regexp.Compile("(?i)^" + text + "$"); err == nil && whole.MatchString(action) {
			return true
		}
	}
	return false
}

// permissionsVersion of the list of the caller's permissions.
// Source: learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
const permissionsVersion = "2022-04-01"

// Lacking returns a finding for each action that the identity does not have. An error means that
// it is not known for some of them.
func (r *Resource) Lacking(ctx context.Context, all ...Needs) ([]engine.Finding, error) {
	sentences := make([][]string, len(all))
	var group errgroup.Group
	for i, needs := range all {
		group.Go(func() error {
			has, err := r.permissions(ctx, needs.Scope)
			if err != nil {
				return err
			}
			for _, action := range needs.Actions {
				given := false
				for _, p := range has {
					given = given || p.gives(action)
				}
				if !given {
					sentences[i] = append(sentences[i], unpermitted(action, needs))
				}
			}
			return nil
		})
	}
	err := group.Wait()
	var found []engine.Finding
	for _, texts := range sentences {
		found = append(found, Findings(texts...)...)
	}
	return found, err
}

// permissions lists what the identity may do at a scope.
func (r *Resource) permissions(ctx context.Context, scope string) (all []permission, err error) {
	next := r.Endpoint + scope + "/providers/Microsoft.Authorization/permissions?api-version=" + permissionsVersion
	for next != "" {
		req, err := runtime.NewRequest(ctx, http.MethodGet, next)
		if err != nil {
			return nil, err
		}
		resp, err := r.Pipeline.Do(req)
		if err != nil {
			return nil, fmt.Errorf("ask for the identity's rights on %s: %w", scope, err)
		}
		if !runtime.HasStatusCode(resp, http.StatusOK) {
			f := Read(resp)
			return nil, fmt.Errorf("which rights the identity has on %s is not known: %s", scope, f.Explain(r.ID))
		}
		var page struct {
			Value    []permission
			NextLink string
		}
		if err := runtime.UnmarshalAsJSON(resp, &page); err != nil {
			return nil, fmt.Errorf("read the identity's rights on %s: %w", scope, err)
		}
		all = append(all, page.Value...)
		if next = page.NextLink; next != "" && !strings.HasPrefix(next, r.Endpoint+"/") { // the token goes along
			return nil, fmt.Errorf("read the identity's rights on %s: the list goes on at another host", scope)
		}
	}
	return all, nil
}

// unpermitted is the sentence about one right, with the command that gives it.
func unpermitted(action string, n Needs) string {
	scope := n.Scope
	if strings.HasPrefix(strings.ToLower(action), "microsoft.network/locations/") {
		scope = subscriptionOf(scope)
	}
	return fmt.Sprintf("the identity lacks %s on %s, %s: az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role '%s' --scope %s (in bicep/roles.bicep a custom role has it)",
		action, scope, n.For, engine.ObjectID, role(action), plainText(scope, "SCOPE"))
}
