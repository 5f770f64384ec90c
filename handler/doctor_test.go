package main

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bluegreen/internal/outbound"
)

func TestTheObjectIDIsReadFromTheToken(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	for token, want := range map[string]string{
		"h." + part([]byte(`{"aud":"x","oid":"7a5e0c1f-0b6d"}`)) + ".s": "7a5e0c1f-0b6d",
		"h." + part([]byte(`{"aud":"x"}`)) + ".s":                       "",
		"h." + part([]byte(`no JSON`)) + ".s":                           "",
		"h.%.s":                                                         "",
		"opaque":                                                        "",
	} {
		if got := objectIDOf(token); got != want {
			t.Errorf("%s: %q, not %q", token, got, want)
		}
	}
}

func TestTheTablesOfAConnectionStringAreFound(t *testing.T) {
	for connection, want := range map[string]string{
		developmentStorage: "http://127.0.0.1:10002/devstoreaccount1",
		"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=a==;EndpointSuffix=core.windows.net": "https://shop.table.core.windows.net",
		"AccountName=shop": "",
		"":                 "",
	} {
		if got := tableURL(connection); got != want {
			t.Errorf("%s: %q, not %q", connection, got, want)
		}
	}
}

// noToken is an identity that the app does not have.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("no identity is assigned\nto the app")
}

func TestAnAppWithoutAnIdentityIsNamed(t *testing.T) {
	w := &wiring{credential: noToken{}, settings: settings{Cloud: cloud.AzurePublic, ClientID: "c1"}}
	found, err := w.examineIdentity(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "the identity with the client id c1 (AZURE_CLIENT_ID): no identity is assigned") || !strings.Contains(found[0].Fix, "az functionapp identity assign") {
		t.Errorf("%+v, %v", found, err)
	}
	if id := w.objectID(t.Context()); id != "" {
		t.Errorf("its id is %q", id)
	}
}

func TestAClockThatIsWrongIsNamed(t *testing.T) {
	ahead := time.Duration(0)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
	}))
	defer service.Close()
	at, err := url.Parse(service.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiring{connections: outbound.Transport()}
	if found, err := w.examineClock(t.Context(), at); err != nil || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	ahead = time.Hour
	found, err := w.examineClock(t.Context(), at)
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "differs from that of the app by") || !strings.Contains(found[0].Fix, "az functionapp restart") {
		t.Errorf("%+v, %v", found, err)
	}
	service.Close()
	if found, err := w.examineClock(t.Context(), at); err == nil || found != nil {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestEveryPartOfTheInstallationIsExamined: what a store or a queue cannot examine would be left out in silence.
func TestEveryPartOfTheInstallationIsExamined(t *testing.T) {
	w, err := newWiring(settings{Cloud: cloud.AzurePublic, Storage: storage{ConnectionString: developmentStorage}})
	if err != nil {
		t.Fatal(err)
	}
	store, wakeups, err := w.storage()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range w.examinations(store, wakeups) {
		names = append(names, x.Check+" "+x.Target)
	}
	if want := []string{"clock 127.0.0.1:10002", "clock management.azure.com", "identity managed identity", "storage queue", "storage tables"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
