package tables

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Preflight implements engine.Preflight: the table is there and may be read. That it may be
// written is seen of the clock, whose ticks are kept in it.
func (s *Store) Preflight(ctx context.Context) ([]engine.Finding, error) {
	var answer *http.Response
	one := int32(1)
	_, err := s.table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Top: &one}).NextPage(policy.WithCaptureResponse(ctx, &answer))
	err = understand(err)
	var refused *refusal
	if err == nil || !errors.As(err, &refused) || answer == nil || answer.Request == nil {
		return nil, err
	}
	account := resource.Account(answer.Request.URL)
	switch {
	case refused.code == aztables.TableNotFound:
		return resource.Findings(fmt.Sprintf("the storage account %s has no table with the state of apps: the next clock tick makes an empty one, or az storage table create --name bluegreen --account-name %[1]s --auth-mode login; docs/operate.md says what is lost with it", account)), nil
	case refused.status == http.StatusForbidden || refused.status == http.StatusUnauthorized:
		return resource.Findings(fmt.Sprintf("the app may not read the tables of the storage account %s (%s): %s", account, refused.code, resource.Grant("Storage Table Data Contributor", account))), nil
	}
	return nil, err
}
