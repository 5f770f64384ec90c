package resource_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"bluegreen/internal/azure/resource"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

func FuzzAFailureIsExplained(f *testing.F) {
	for _, seed := range []string{
		``, `<html>`, `{"code":"NotFound","message":"x"}`, `{"error":{"code":"ScopeLocked","message":"scope(s) are locked: '/subscriptions/s/resourceGroups/rg'."}}`,
		`{"error":{"code":"LinkedAuthorizationFailed","message":"with object id 'o' … does not have permission to perform action(s) 'a','b' on the linked scope(s) 's' (respectively)"}}`,
		`{"error":{"code":"a","details":[{"code":"b","details":[{"code":"RetryableError"}],"innererror":{"code":"c"}}]}}`,
	} {
		f.Add(403, []byte(seed))
	}
	id, err := arm.ParseResourceID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/applicationGateways/agw")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		failure := resource.Read(&http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))})
		text := failure.Explain(id)
		if text == "" || len(text) > 8000 || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %.200q", len(text), text)
		}
		if failure.Final() && failure.Class() != resource.Operator {
			t.Errorf("it is of class %d, and final", failure.Class())
		}
		if _, command, ok := strings.Cut(text, ": az role assignment create"); ok && strings.ContainsAny(command, "`$\\\n") {
			t.Errorf("a message reaches the command: %q", command)
		}
	})
}
