// Package acr asks an Azure Container Registry for tags and manifests.
package acr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/engine"
	"bluegreen/internal/outbound"
	"bluegreen/internal/round"
)

const (
	// audience is the scope of Entra tokens that Azure Container Registry exchanges.
	// It is the same in all clouds of Azure.
	audience = "https://containerregistry.azure.net/.default"
	// maxAnswer is more than the 4 MiB that registries accept as a manifest.
	maxAnswer = 8 << 20
	// unreadable is for how long a token is used whose end cannot be read.
	unreadable = 5 * time.Minute
)

// client makes signed GET requests: an Entra token is exchanged for a refresh token of the
// registry, and that for an access token for one repository, which is kept until it ends
// (https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md).
type client struct {
	base, service, scope string
	credential           azcore.TokenCredential
	http                 *http.Client

	turn  chan struct{} // holds one while a caller has the token, or gets a new one
	token string
	until time.Time
}

// denial is a refusal that trying again does not change.
type denial struct {
	status int
	text   string
}

func (d *denial) Error() string {
	return fmt.Sprintf("the registry answered %d: %s", d.status, d.text)
}

func (d *denial) Unwrap() error { return engine.ErrDenied }

// firewall reports whether the caller's address was refused, rather than its identity.
func (d *denial) firewall() bool { return strings.Contains(d.text, "is not allowed access") }

// answer is that of a service. location is set where it sends on to another address.
type answer struct {
	body                        []byte
	contentType, link, location string
}

// question is what makes the requests of two clients one in a round.
type question struct{ base, path, accept string }

// get asks for a path with its query, once for all who ask in the context's round. Errors:
// engine.ErrNotFound, engine.ErrDenied.
func (c *client) get(ctx context.Context, path, accept string) (answer, error) {
	return round.Read(ctx, question{c.base, path, accept}, func(ctx context.Context) (answer, error) {
		return c.once(ctx, path, accept)
	})
}

func (c *client) once(ctx context.Context, path, accept string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, outbound.Registry.Total)
	defer cancel()
	a, err := c.ask(ctx, path, accept, maxAnswer)
	if err == nil && a.location != "" {
		return answer{}, fmt.Errorf("%s sends on to another address", c.service)
	}
	return a, err
}

// ask sends a request with a token. A 401 is met once with a new one.
func (c *client) ask(ctx context.Context, path, accept string, most int64) (answer, error) {
	stale := ""
	for {
		token, err := c.access(ctx, stale)
		if err != nil {
			return answer{}, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
		if err != nil {
			return answer{}, fmt.Errorf("ask %s: %w", c.service, err)
		}
		req.Header.Set("Accept", accept)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		a, err := c.do(req, most)
		var refused *denial
		if errors.As(err, &refused) && refused.status == http.StatusUnauthorized && stale == "" {
			if stale = token; token == "" {
				stale = none
			}
			continue
		}
		return a, err
	}
}

// none stands for the missing token that a registry refused.
const none = "-"

// access returns the token to use, and gets a new one when the one that is kept has ended
// or is the stale one. An anonymous caller tries without a token first.
func (c *client) access(ctx context.Context, stale string) (string, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("wait for a token of %s: %w", c.service, ctx.Err())
	}
	if c.token != "" && c.token != stale && time.Now().Before(c.until) {
		return c.token, nil
	}
	if c.credential == nil && stale == "" {
		return "", nil
	}
	form := url.Values{"service": {c.service}, "scope": {c.scope}}
	if c.credential == nil {
		form.Set("grant_type", "password")
	} else {
		refresh, err := c.exchange(ctx)
		if err != nil {
			return "", err
		}
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", refresh)
	}
	token, err := c.post(ctx, "/oauth2/token", form)
	if err != nil {
		return "", fmt.Errorf("get a token for %s: %w", c.scope, err)
	}
	c.token, c.until = token, end(token)
	return token, nil
}

// exchange trades an Entra token for a refresh token of the registry.
func (c *client) exchange(ctx context.Context) (string, error) {
	entra, err := c.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience}})
	if err != nil {
		return "", fmt.Errorf("get an Entra token for %s: %w", c.service, err)
	}
	refresh, err := c.post(ctx, "/oauth2/exchange", url.Values{
		"grant_type": {"access_token"}, "service": {c.service}, "access_token": {entra.Token},
	})
	if err != nil {
		return "", fmt.Errorf("sign in to %s: %w", c.service, err)
	}
	return refresh, nil
}

func (c *client) post(ctx context.Context, path string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := c.do(req, maxAnswer)
	if err != nil {
		return "", err
	}
	var tokens struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
	}
	if err := json.Unmarshal(a.body, &tokens); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if token := tokens.Access + tokens.Refresh; token != "" {
		return token, nil
	}
	return "", errors.New("the answer holds no token")
}

// do reads an answer of at most so many bytes.
func (c *client) do(req *http.Request, most int64) (answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("reach %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		most = maxAnswer // the reason of a refusal
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	switch {
	case int64(len(body)) > most:
		return answer{}, fmt.Errorf("%s answered more than %d bytes: %w", req.URL.Host, most, engine.ErrOversized)
	case resp.StatusCode == http.StatusNotFound:
		return answer{}, fmt.Errorf("the registry answered 404: %s: %w", brief(body), engine.ErrNotFound)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return answer{}, &denial{resp.StatusCode, brief(body)}
	case resp.StatusCode == http.StatusTemporaryRedirect && resp.Header.Get("Location") != "":
		return answer{location: resp.Header.Get("Location")}, nil
	case resp.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("the registry answered %d: %s", resp.StatusCode, brief(body))
	}
	contentType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return answer{body: body, contentType: contentType, link: resp.Header.Get("Link")}, nil
}

// brief is the message of an error answer, or the beginning of the body, on one line.
func brief(body []byte) string {
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &e) == nil && len(e.Errors) > 0 {
		return strings.TrimSpace(e.Errors[0].Code + " " + e.Errors[0].Message)
	}
	text := strings.Join(strings.Fields(string(body)), " ")
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return text
}

// end reads until when a token can be used from the token itself, less a minute.
func end(token string) time.Time {
	parts := strings.Split(token, ".")
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(b, &claims) == nil && claims.Exp > 0 {
			return time.Unix(claims.Exp, 0).Add(-time.Minute)
		}
	}
	return time.Now().Add(unreadable)
}
