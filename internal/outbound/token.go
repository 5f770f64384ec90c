package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	// spare is how long before its end a token is not given out any more.
	spare = time.Minute
	// early is how long before its end a token is replaced, unless it says itself.
	early = 5 * time.Minute
	// pause is for how long a failure is the answer: the SDK lets one caller after another ask,
	// and each would wait for the whole bound.
	pause = time.Second
)

// Identity is the app's managed identity; clientID "" is the system-assigned one.
func Identity(clientID string) (azcore.TokenCredential, error) {
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: policy.ClientOptions{
		Transport: Client(Transport()), Retry: Token.Retry(),
	}}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(o)
	if err != nil {
		return nil, fmt.Errorf("use the managed identity: %w", err)
	}
	return Tokens(credential), nil
}

// Tokens bounds how long a credential takes. A caller waits for Token.Try at most, and no longer
// than its own context; one question to the credential serves all, goes on without them, and
// is given up after Token.Total. A token is replaced before its end, and no caller waits for that.
func Tokens(from azcore.TokenCredential) azcore.TokenCredential {
	return &tokens{from: from, known: map[string]*token{}}
}

type tokens struct {
	from azcore.TokenCredential

	mu    sync.Mutex
	known map[string]*token // by tenant, claims and scopes
}

// token is one token, as it is known.
type token struct {
	azcore.AccessToken
	asking chan struct{} // closed when the present question is over; nil without one
	err    error         // of the last question
	failed time.Time
}

func (t *token) usable(now time.Time) bool { return now.Before(t.ExpiresOn.Add(-spare)) }

func (t *token) old(now time.Time) bool {
	if !t.RefreshOn.IsZero() {
		return !now.Before(t.RefreshOn)
	}
	return !now.Before(t.ExpiresOn.Add(-early))
}

// GetToken implements azcore.TokenCredential.
func (c *tokens) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	key := strings.Join(append([]string{o.TenantID, o.Claims, fmt.Sprint(o.EnableCAE)}, o.Scopes...), " ")
	c.mu.Lock()
	t := c.known[key]
	if t == nil {
		t = &token{}
		c.known[key] = t
	}
	now := time.Now()
	if t.old(now) && t.asking == nil && now.Sub(t.failed) >= pause {
		t.asking = make(chan struct{})
		go c.ask(context.WithoutCancel(ctx), t, o)
	}
	known, asking := *t, t.asking
	c.mu.Unlock()
	switch {
	case known.usable(now):
		return known.AccessToken, nil
	case asking == nil:
		return azcore.AccessToken{}, known.err
	}
	wait, cancel := context.WithTimeoutCause(ctx, Token.Try, errSilent)
	defer cancel()
	select {
	case <-asking:
	case <-wait.Done():
		return azcore.AccessToken{}, fmt.Errorf("wait for a token of the identity: %w", context.Cause(wait))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.AccessToken, t.err
}

// ask gets a token. A credential that does not return in time is left behind.
func (c *tokens) ask(ctx context.Context, t *token, o policy.TokenRequestOptions) {
	ctx, cancel := context.WithTimeoutCause(ctx, Token.Total, errSilent)
	defer cancel()
	type answer struct {
		token azcore.AccessToken
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		got, err := c.from.GetToken(ctx, o)
		answered <- answer{got, err}
	}()
	var a answer
	select {
	case a = <-answered:
	case <-ctx.Done():
		a.err = context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.err = a.err; a.err == nil {
		t.AccessToken = a.token
	} else {
		t.failed = time.Now()
	}
	close(t.asking)
	t.asking = nil
}

var errSilent = errors.New("the identity endpoint does not answer")
