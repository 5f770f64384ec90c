package access

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"bluegreen/internal/engine"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// RoleFile is where the rights are written that the code needs in a cluster.
const RoleFile = "deploy/kubernetes/access/role.yaml"

// Explain adds the reason to the error of a request to the cluster, and engine.ErrDenied if
// only an operator can fix it. The cause stays in the chain.
func (c *Cluster) Explain(err error) error {
	var transport *url.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, engine.ErrDenied):
		if errors.As(err, &transport) {
			err = transport.Err
		}
		return fmt.Errorf("cluster %s: %w", c.name, err)
	case errors.As(err, &transport):
		return fmt.Errorf("the API server of cluster %s does not answer: %w", c.name, transport.Err)
	case apierrors.IsUnauthorized(err):
		return c.denied("does not accept the identity's token: the identity must belong to the Entra tenant, or the user to the kubeconfig, of this cluster", err)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot "):
		return c.denied("lacks a right for the identity: bind it to the Role of "+RoleFile, err)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return c.denied("refuses the change", err)
	}
	return fmt.Errorf("cluster %s: %w", c.name, err)
}

func (c *Cluster) denied(what string, err error) error {
	return fmt.Errorf("%w: cluster %s %s: %w", engine.ErrDenied, c.name, what, err)
}
