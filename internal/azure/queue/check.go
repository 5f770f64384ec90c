package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"
)

// Preflight implements engine.Preflight: the queue is there and its messages may be read.
func (w *Wakeups) Preflight(ctx context.Context) ([]engine.Finding, error) {
	_, err := w.queue.PeekMessages(ctx, nil)
	at, wrong := url.Parse(w.queue.URL())
	var refused *azcore.ResponseError
	if err == nil || wrong != nil || !errors.As(err, &refused) {
		return nil, err
	}
	account := resource.Account(at)
	switch {
	case queueerror.HasCode(err, queueerror.QueueNotFound):
		return resource.Findings(fmt.Sprintf("the storage account %s has no queue %s, whose messages let apps go on: the next wake-up makes it, or az storage queue create --name %[2]s --account-name %[1]s --auth-mode login", account, path.Base(at.Path))), nil
	case refused.StatusCode == http.StatusForbidden || refused.StatusCode == http.StatusUnauthorized:
		return resource.Findings(fmt.Sprintf("the app may not read the queues of the storage account %s (%s): %s", account, refused.ErrorCode, resource.Grant("Storage Queue Data Contributor", account))), nil
	}
	return nil, explain(err)
}
