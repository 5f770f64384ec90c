package release_test

import (
	"encoding/json"
	"strings"
	"testing"

	"bluegreen/internal/release"
)

func TestATextIsWithoutItsSecrets(t *testing.T) {
	for text, want := range map[string]string{
		`Get "https://shop.example.com/a/b?code=S3CRET&x=1": EOF`: `Get "https://shop.example.com/a/b": EOF`,
		`parse "https://ana:S3CRET@[::1": missing ']' in host`:    `parse "https://…": missing ']' in host`,
		"see https://ana:S3CRET@10.0.0.4:8443/a@b?x, then wait":   "see https://10.0.0.4:8443/a@b then wait",
		"amqps://S3CRET@queue":            "amqps://queue",
		"https://ana:S3CRE…":              "https://…",
		"https://[fd00::4]:8443/a#S3CRET": "https://[fd00::4]:8443/a",
		`from \"https://a/b?sig=S3CRET\"`: `from \"https://a/b\"`,
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=S3CRET==;X=y":   "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=…;X=y",
		"/messages?sv=2024&sig=S3CRET%3D&se=1":                                   "/messages?sv=2024&sig=…&se=1",
		`{"access_token": "S3CRET", "expires_in": 1}`:                            `{"access_token": "…", "expires_in": 1}`,
		"header Authorization: Bearer S3CRETS3CRETS3CRETS3CRET is wrong":         "header Authorization: Bearer … is wrong",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJTM0NSRVQifQ.c2lnbmF0dXJl expired": "token … expired",
		"container web ended with exit code=137: password incorrect":             "container web ended with exit code=137: password incorrect",
		"shop.azurecr.io/team/shop:1.0@sha256:abc is not there":                  "shop.azurecr.io/team/shop:1.0@sha256:abc is not there",
		"Basic authentication is off, Bearer of tokens":                          "Basic authentication is off, Bearer of tokens",
		"code=S3CRETS3CRETS3CRETS3CRET==":                                        "code=…",
	} {
		if got := release.WithoutSecrets(text); got != want || strings.Contains(got, "S3CRE") {
			t.Errorf("%s\nbecomes  %s\nexpected %s", text, got, want)
		}
		if once := release.WithoutSecrets(want); once != want {
			t.Errorf("%s\nbecomes at its second pass %s", want, once)
		}
	}
}

func FuzzAnAnswerWithoutSecretsIsJSON(f *testing.F) {
	for _, text := range []string{`a "https://u:p@h/p?q=\"x\"`, `{"access_token": "x"}`, "Bearer aaaaaaaaaaaaaaaaaaaaaaaaa\\", `sig=a\u0022`, "https://h?\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for range 2 { // as a text, and as one inside another
			data, err := json.Marshal([]string{text, text})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := json.Unmarshal([]byte(release.WithoutSecrets(string(data))), &got); err != nil || len(got) != 2 {
				t.Fatalf("%s: %v", data, err)
			}
			text = string(data)
		}
	})
}
