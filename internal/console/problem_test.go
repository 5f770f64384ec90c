package console_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bluegreen/docs"
	"bluegreen/internal/api"
)

// TestEveryErrorIsAProblemDocument as RFC 9457 has it: the kind and the request can be looked up.
func TestEveryErrorIsAProblemDocument(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		method, path, body string
		headers            []string
		want               api.Error
	}{
		{"GET", "/api/apps/nope?code=s3cr3t", "", nil, api.Error{Status: 404, Code: "app", Instance: "/api/apps/nope"}},
		{"GET", "/api/apps/shop", "", []string{"x-functions-key", ""}, api.Error{Status: 401, Code: "identity", Instance: "/api/apps/shop"}},
		{"PUT", "/api/health", "", nil, api.Error{Status: 405, Code: "method", Instance: "/api/health"}},
		{"POST", "/api/apps/shop/extend", `{"for": "x"}`, nil, api.Error{Status: 400, Code: "invalid", Field: "for", Instance: "/api/apps/shop/extend"}},
		{"POST", "/api/apps/shop/switch", `{"to": "blue"}`, []string{api.KeyHeader, "mine"}, api.Error{Status: 409, Code: "refused", Reason: "already-live", Headline: "Blue is live with 1.0", Instance: "/api/apps/shop/commands/mine"}},
		{"POST", "/api/apps/broken/switch", `{}`, nil, api.Error{Status: 409, Code: "not-served", Errors: []string{"line 3: apps[2].bake: is wrong"}, Instance: "/api/apps/broken/switch"}},
	} {
		w := s.ask(c.method, c.path, c.body, c.headers...)
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s is answered as %s", c.method, c.path, got)
		}
		var got api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if got.Title == "" || got.Message == "" {
			t.Errorf("%s %s has no title or no detail: %s", c.method, c.path, w.Body)
		}
		c.want.Type, c.want.Title, c.want.Message = "/api/problems#"+c.want.Code, got.Title, got.Message
		if a, b := string(text(t, c.want)), string(text(t, got)); a != b || w.Code != c.want.Status {
			t.Errorf("%s %s: %d %s\nexpected %s", c.method, c.path, w.Code, b, a)
		}
	}
}

func text(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAKindOfProblemIsFoundWhereItsTypeLeads.
func TestAKindOfProblemIsFoundWhereItsTypeLeads(t *testing.T) {
	s := newSite(t)
	list := read[api.Problems](t, s.ask(http.MethodGet, "/api/problems", ""), 200)
	for _, k := range list.Problems {
		if k.Type != "/api/problems#"+k.Code || k.Title == "" || k.Help == "" || k.Status < 400 {
			t.Errorf("%+v", k)
		}
	}
	if len(list.Problems) < 20 {
		t.Errorf("only %d kinds", len(list.Problems))
	}
}

// TestTheDocumentIsServedAsItIs in the repository: nothing in it is taken for a secret.
func TestTheDocumentIsServedAsItIs(t *testing.T) {
	got := read[any](t, newSite(t).ask("GET", "/api/openapi", ""), 200)
	var want any
	if err := json.Unmarshal(docs.OpenAPI, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
