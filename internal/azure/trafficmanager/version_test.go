package trafficmanager_test

import (
	"bluegreen/internal/azure/resource"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/trafficmanager/armtrafficmanager"
)

// newer is Azure with a version of the API that shows one property more.
type newer struct {
	azure policy.Transporter
	seen  []string
}

func (n *newer) Do(r *http.Request) (*http.Response, error) {
	version := r.URL.Query().Get("api-version")
	n.seen = append(n.seen, version)
	if version == "2999-01-01" {
		body := `{"error":{"code":"NoRegisteredProviderFound","message":"The supported api-versions are '2022-04-01, 2026-02-01'."}}`
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	resp, err := n.azure.Do(r)
	if err != nil || version != "2026-02-01" {
		return resp, err
	}
	raw, err := io.ReadAll(resp.Body)
	raw = bytes.Replace(raw, []byte(`"profileStatus"`), []byte(`"recordType":"CNAME","profileStatus"`), 1)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return resp, err
}

func TestWhatASwitchCouldDropIsReportedBefore(t *testing.T) {
	w := newEnv(t, 10)
	o := *w.options.Manager.Options
	azure := &newer{azure: o.Transport}
	o.Transport = azure
	w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
	found, err := w.open().Preflight(t.Context())
	if err != nil || len(found) != 1 || !found[0].Warning {
		t.Fatalf("the check finds %+v, error %v", found, err)
	}
	says(t, found[0].Text, "version 2026-02-01", "recordType", "2022-04-01", "a switch may drop it")
}

// TestTheProfileIsReadWithTheVersionOfTheModule compares with what the module itself sends.
func TestTheProfileIsReadWithTheVersionOfTheModule(t *testing.T) {
	w := newEnv(t, 10)
	o := *w.options.Manager.Options
	azure := &newer{azure: o.Transport}
	o.Transport = azure
	w.options.Manager = resource.NewManager(w.options.Manager.Credential, &o)
	if _, err := w.open().Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(w.azure.ID(), "/")
	client, err := armtrafficmanager.NewProfilesClient(parts[2], w.options.Manager.Credential, &o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), parts[4], parts[8], nil); err != nil {
		t.Fatal(err)
	}
	if len(azure.seen) != 2 || azure.seen[0] != azure.seen[1] {
		t.Errorf("the versions of the adapter and of the module are %q", azure.seen)
	}
}
