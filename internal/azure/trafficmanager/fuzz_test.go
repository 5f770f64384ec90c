package trafficmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"bluegreen/internal/azure/resource"
	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/release"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// canned is a service that has one document and remembers the written one.
type canned struct{ document, written []byte }

func (c *canned) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		c.written, _ = io.ReadAll(r.Body)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.document)), Request: r}, nil
}

type nowhere struct{}

func (nowhere) LookupHost(context.Context, string) ([]string, error) {
	return []string{"127.0.0.1"}, nil
}

// against makes an adapter for a profile that has a description.
func against(t testing.TB, document []byte) (*trafficmanager.Gateway, *canned) {
	t.Helper()
	c := &canned{document: document}
	g, err := trafficmanager.New(trafficmanager.Options{
		ID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/trafficManagerProfiles/tm", Blue: "blue", Green: "green",
		Manager: resource.NewManager(&fake.TokenCredential{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: c}}), Resolver: nowhere{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

// FuzzProfile holds whatever the service may answer to this: it is an error or refused, or
// the written document is the same one with the traffic on the color.
func FuzzProfile(f *testing.F) {
	f.Add(arm.ProfileJSON(arm.ProfileFixture{TTL: 10, Endpoints: []arm.Endpoint{{Name: "blue", Target: "a"}, {Name: "green", Target: "b", Disabled: true}, {Name: "c", Target: "127.0.0.1", External: true}}}))
	f.Add(arm.ProfileJSON(arm.ProfileFixture{TTL: 10, Endpoints: []arm.Endpoint{{Name: "blue", Target: "a"}, {Name: "green", Target: "b"}, {Name: "Blue", Target: "c", External: true}}}))
	for _, seed := range []string{`{}`, `null`, `{"properties":{"endpoints":[null,{"name":"blue"},{"name":"green","properties":{"priority":"1"}}],"trafficRoutingMethod":"Priority"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		g, c := against(t, document)
		_, _ = g.Live(t.Context())
		_, _ = g.Preflight(t.Context())
		if _, err := g.Switch(t.Context(), release.Green, 1); err != nil {
			if c.written != nil {
				t.Fatalf("it was written although: %v", err)
			}
			return
		}
		var before, after any
		if json.Unmarshal(document, &before) != nil || json.Unmarshal(c.written, &after) != nil {
			t.Fatalf("what was written is not JSON: %s", c.written)
		}
		g, _ = against(t, c.written)
		if r, err := g.Live(t.Context()); err != nil || r.Live != release.Green {
			t.Fatalf("after the switch it reads %+v, error %v", r, err)
		}
	})
}
