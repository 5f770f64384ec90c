// Package outbound is how this process calls others: over which connections, with which
// tokens, and, in one table, for how long. A try that meets no answer ends, so that neither
// a lost packet nor a service that is stuck is waited for without end.
package outbound

import (
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Bound is how long a call may take: one try, and, where it is tried again, in how many tries
// and in how long a time in all.
type Bound struct {
	Try, Total time.Duration
	retries    int32
}

// The bounds of all calls, tokens included.
var (
	// Storage is for tables and queues. An alert, which must be kept within 3.5 s, has a try left.
	Storage = Bound{Try: 3 * time.Second, Total: 10 * time.Second, retries: 2}
	// Token is for one token of the managed identity, whose endpoint was seen to hang for 100 s.
	Token = Bound{Try: 4 * time.Second, Total: 13 * time.Second, retries: 2}
	// Management is for Azure Resource Manager, which may think for long.
	Management = Bound{Try: 20 * time.Second, Total: time.Minute, retries: 2}
	// Discovery is for where a cluster is, asked of Azure Resource Manager before a request to it.
	Discovery = Bound{Try: 8 * time.Second, Total: 10 * time.Second, retries: 1}
	// Cluster is for an API server, up to the beginning of a watch.
	Cluster = Bound{Try: 10 * time.Second, Total: 10 * time.Second}
	// Registry is for a container registry; a question needs several tries, for its tokens.
	Registry = Bound{Try: 20 * time.Second, Total: 45 * time.Second}
	// Host is for the Functions host, which is asked whether it takes a key.
	Host = Bound{Try: 10 * time.Second, Total: 10 * time.Second}
	// Channel is for one request to a receiver of messages, which is waited for beside the work.
	Channel = Bound{Try: 8 * time.Second, Total: 8 * time.Second}
	// Topic is for an Event Grid topic: what fails is sent later.
	Topic = Bound{Try: 3 * time.Second, Total: 7 * time.Second, retries: 1}
)

// Retry is the bound for a client of the Azure SDK. It tries again soon, because the caller waits.
func (b Bound) Retry() policy.RetryOptions {
	most := b.retries
	if most == 0 {
		most = -1 // for the SDK 0 is its default
	}
	return policy.RetryOptions{TryTimeout: b.Try, MaxRetries: most, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second}
}

// Connections are found dead by a ping, over HTTP/2, after quiet and pong; without, each
// request would be sent into one until the kernel gives it up after a quarter of an hour.
const (
	dial  = 5 * time.Second // to connect, and again for TLS
	quiet = 5 * time.Second
	pong  = 3 * time.Second
	kept  = 100 // idle connections to one host; a storm of events would open a new one for each request
)

// Transport makes connections.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dial, KeepAlive: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = dial
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*kept, kept
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: quiet, PingTimeout: pong}
	return t
}

// Client makes requests that carry tokens. It follows no redirect: that would carry them to
// another place.
func Client(over http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     over,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
