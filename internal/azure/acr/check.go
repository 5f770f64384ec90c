package acr

import (
	"context"
	"errors"
	"net"
	"strings"

	"bluegreen/internal/engine"
)

// Preflight implements engine.Preflight.
func (r *Registry) Preflight(ctx context.Context) ([]engine.Finding, error) {
	where := r.o.Repository + " in " + r.o.LoginServer
	var list struct {
		Tags []tag `json:"tags"`
	}
	err := r.ask(ctx, "/_tags?n=1&orderby=timedesc", &list)
	if err == nil && len(list.Tags) > 0 {
		if _, err = r.inspect(ctx, list.Tags[0].Digest); errors.Is(err, engine.ErrNotAnImage) {
			err = nil // only the right to read it was in question
		}
	}
	var unresolved *net.DNSError
	var denied *denial
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return []engine.Finding{{Text: "the repository " + where + " does not exist yet: its first push makes it", Warning: true}}, nil
	case errors.As(err, &unresolved) && unresolved.IsNotFound:
		return []engine.Finding{{Text: "no host is called " + r.o.LoginServer + ": set image.registry to the login server of the registry"}}, nil
	case errors.As(err, &denied) && denied.firewall():
		return []engine.Finding{{Text: "the firewall of " + r.o.LoginServer + " refuses this address: allow the Function app's network in the registry, or join the app to it"}}, nil
	case errors.As(err, &denied):
		return []engine.Finding{{Text: "the identity may not read " + where + ": give it the role AcrPull on the registry (Container Registry Repository Reader where the registry uses ABAC repository permissions): az role assignment create --assignee-object-id " + engine.ObjectID +
			" --assignee-principal-type ServicePrincipal --role AcrPull --scope $(az acr show --name " + strings.Split(r.o.LoginServer, ".")[0] + " --query id --output tsv)"}}, nil
	}
	return nil, err
}
