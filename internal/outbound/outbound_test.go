package outbound_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bluegreen/internal/outbound"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	return l.Addr().String()
}

// slack is for a machine that is busy.
const slack = 3 * time.Second

// TestAHungIdentityEndpointEndsForEveryCaller: in a client of the SDK, callers wait for each
// other's token without their own deadline. The first has none.
func TestAHungIdentityEndpointEndsForEveryCaller(t *testing.T) {
	t.Setenv("IDENTITY_ENDPOINT", "http://"+silent(t)+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "x")
	credential, err := outbound.Identity("")
	if err != nil {
		t.Fatal(err)
	}
	pipeline := runtime.NewPipeline("test", "1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(credential, []string{"https://storage.azure.com/.default"}, nil)},
	}, &policy.ClientOptions{Retry: outbound.Storage.Retry()})
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			ctx, bound := t.Context(), outbound.Token.Try
			if n > 0 {
				time.Sleep(10 * time.Millisecond)
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			began := time.Now()
			req, err := runtime.NewRequest(ctx, http.MethodGet, "https://127.0.0.1:1")
			if err == nil {
				_, err = pipeline.Do(req)
			}
			if took := time.Since(began); err == nil || took > bound+slack {
				t.Errorf("caller %d: %v after %s", n, err, took)
			}
		})
	}
	all.Wait()
}

// TestAHungRequestIsTriedAgainAndEnds is without a deadline of the caller's.
func TestAHungRequestIsTriedAgainAndEnds(t *testing.T) {
	t.Parallel()
	pipeline := runtime.NewPipeline("test", "1", runtime.PipelineOptions{}, &policy.ClientOptions{
		Transport: &http.Client{Transport: outbound.Transport()}, Retry: outbound.Storage.Retry(),
	})
	req, err := runtime.NewRequest(t.Context(), http.MethodGet, "http://"+silent(t))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = pipeline.Do(req)
	if took := time.Since(began); err == nil || took > outbound.Storage.Total+slack || took < 2*outbound.Storage.Try {
		t.Errorf("%v after %s", err, took)
	}
}

// TestTheTotalOfABoundIsThatOfItsTries keeps the table true.
func TestTheTotalOfABoundIsThatOfItsTries(t *testing.T) {
	for name, b := range map[string]outbound.Bound{"Storage": outbound.Storage, "Management": outbound.Management, "Topic": outbound.Topic} {
		r := b.Retry()
		tries := time.Duration(max(0, r.MaxRetries) + 1)
		if most := tries*r.TryTimeout + (tries-1)*r.RetryDelay*4; most > b.Total+2*time.Second || r.TryTimeout <= 0 {
			t.Errorf("%s: %d tries of %s are not over within %s", name, tries, r.TryTimeout, b.Total)
		}
	}
}

// credential counts how often it is asked, and answers as answer does.
type credential struct {
	asked  atomic.Int32
	answer func(context.Context) (azcore.AccessToken, error)
}

func (c *credential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked.Add(1)
	return c.answer(ctx)
}

var scope = policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}

func TestATokenIsReplacedBeforeItsEndAndNoCallerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &credential{answer: func(context.Context) (azcore.AccessToken, error) {
			time.Sleep(time.Second)
			return azcore.AccessToken{Token: time.Now().Format(time.TimeOnly), ExpiresOn: time.Now().Add(time.Hour)}, nil
		}}
		c := outbound.Tokens(slow)
		get := func() string {
			token, err := c.GetToken(t.Context(), scope)
			if err != nil {
				t.Fatal(err)
			}
			return token.Token
		}
		first := get()
		time.Sleep(56 * time.Minute)
		began := time.Now()
		if get() != first || !time.Now().Equal(began) {
			t.Errorf("a caller waited %s for a token that it did not need", time.Since(began))
		}
		time.Sleep(2 * time.Second)
		if get() == first || slow.asked.Load() != 2 {
			t.Errorf("asked %d times", slow.asked.Load())
		}
	})
}

func TestCallersShareOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &credential{answer: func(context.Context) (azcore.AccessToken, error) {
			time.Sleep(time.Second)
			return azcore.AccessToken{Token: "x", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}}
		c := outbound.Tokens(slow)
		for range 50 {
			go func() {
				if token, err := c.GetToken(t.Context(), scope); err != nil || token.Token != "x" {
					t.Error(token, err)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		if slow.asked.Load() != 1 {
			t.Errorf("asked %d times", slow.asked.Load())
		}
	})
}

// TestACredentialThatHearsNoDeadlineIsLeftBehind: the next question is a new one.
func TestACredentialThatHearsNoDeadlineIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := &credential{answer: func(context.Context) (azcore.AccessToken, error) {
			<-release
			return azcore.AccessToken{}, errors.New("late")
		}}
		c := outbound.Tokens(deaf)
		began := time.Now()
		if _, err := c.GetToken(t.Context(), scope); err == nil || time.Since(began) > outbound.Token.Try {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(outbound.Token.Total)
		deaf.answer = func(context.Context) (azcore.AccessToken, error) {
			return azcore.AccessToken{Token: "x", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}
		time.Sleep(2 * time.Second)
		if token, err := c.GetToken(t.Context(), scope); err != nil || token.Token != "x" {
			t.Errorf("%+v, %v", token, err)
		}
		close(release)
	})
}

func TestAnotherScopeIsAnotherToken(t *testing.T) {
	n := 0
	c := outbound.Tokens(&credential{answer: func(context.Context) (azcore.AccessToken, error) {
		n++
		return azcore.AccessToken{Token: string(rune('a' + n)), ExpiresOn: time.Now().Add(time.Hour)}, nil
	}})
	a, errA := c.GetToken(t.Context(), scope)
	b, errB := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"other"}})
	if errA != nil || errB != nil || a.Token == b.Token {
		t.Errorf("%v %v, %v %v", a, errA, b, errB)
	}
}

// TestAClientFollowsNoRedirect: the SDK's headers of keys and of the identity endpoint would go
// along.
func TestAClientFollowsNoRedirect(t *testing.T) {
	left := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { left = true }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	resp, err := outbound.Client(outbound.Transport()).Get(here.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || left {
		t.Errorf("answered %d, asked elsewhere: %v", resp.StatusCode, left)
	}
}
