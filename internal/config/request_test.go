package config_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestACheckIsAskedWhereTheConfigurationSays(t *testing.T) {
	for lines, want := range map[string]string{ // "" is valid
		`url: "https://{color}.example.com/{tag}/{digest}?v={tag}&c={color}&code={setting:CHECK_KEY}"`: "",
		`url: "https://{tag}.example.com/"`:                                        "{tag} cannot be in the host; what can is {color}",
		`url: "https://{digest}.example.com/"`:                                     "{digest} cannot be in the host",
		`url: "https://example.com:{tag}/"`:                                        "{tag} cannot be in the host",
		`url: "https://example.com\\@{tag}/"`:                                      "is not an http:// or https:// address",
		`url: "https://ana:{tag}@example.com/"`:                                    "holds a user or a password",
		`url: "https://ana:S3CRET@example.com/"`:                                   "holds a user or a password",
		`url: "https://ana:S3CRET%zz@example.com/"`:                                "holds a user or a password",
		`url: "https://ana:S3CRET"`:                                                "is not an http:// or https:// address",
		`url: "htps://ana:S3CRET@example.com/"`:                                    "is not an http:// or https:// address",
		`url: "{tag}://example.com/"`:                                              "is not an http:// or https:// address",
		`url: "https://{setting:CHECK_KEY}/"`:                                      "{setting:CHECK_KEY} cannot be in the host",
		`url: "https://example.com/{setting:CHECK_KEY}"`:                           "{setting:CHECK_KEY} cannot be in the path",
		`url: "https://example.com/?a={setting:AzureWebJobsStorage}"`:              "its name has to begin with CHECK_",
		`url: "https://example.com/?a={setting:IDENTITY_HEADER}"`:                  "its name has to begin with CHECK_",
		`url: "https://example.com/?a={setting:}"`:                                 "its name has to begin with CHECK_",
		`url: "https://example.com/?code=S3CRET"`:                                  "the parameter code holds a literal credential",
		`url: "https://example.com/?a=1&api_key=S3CRET"`:                           "the parameter api_key holds a literal credential",
		`url: "https://example.com/?%63ode={setting:CHECK_KEY}&code=S3CRET"`:       "the parameter code holds a literal credential",
		`url: "https://example.com/?barcode=5&key=home"`:                           "",
		`url: "https://a", headers: {Authorization: "Bearer S3CRET"}`:              "the header Authorization holds a literal credential, which anyone who reads the file would see: put it into an app setting CHECK_NAME, such as a Key Vault reference, and write {setting:CHECK_NAME} here",
		`url: "https://a", headers: {x-functions-key: S3CRET}`:                     "the header x-functions-key holds a literal credential",
		`url: "https://a", headers: {Cookie: "session=S3CRET"}`:                    "the header Cookie holds a literal credential",
		`url: "https://a", headers: {Authorization: 7333333}`:                      "is a number to YAML, should be text: write it in quotes",
		`url: "https://a", headers: {Authorization: "Bearer {setting:CHECK_KEY}"}`: "",
		`url: "https://a", headers: {Host: "{color}.example.com"}`:                 "",
		`url: "https://a", headers: {X-Version: "{tag}"}`:                          "{tag} cannot be in the value of a header",
		`url: "https://a", headers: {"X-{tag}": "a"}`:                              "is not the name of a header",
		`url: "https://a", contains: "{setting:CHECK_KEY}"`:                        "{setting:CHECK_KEY} cannot be in the expected text",
		`url: "https://a", contains: "{\"tag\": \"{tag}\", a: {b:1}}"`:             "",
	} {
		for _, in := range []string{"    verify: {http: [{%s}]}\n", "    confirm: {http: [{%s}]}\n"} {
			problems := fmt.Sprint(parsed(t, smallest(t)+fmt.Sprintf(in, lines)).Apps[0].Problems)
			if (problems == "[]") != (want == "") || !strings.Contains(problems, want) || strings.Contains(problems, "S3CRET") || strings.Contains(problems, "7333333") {
				t.Errorf("%s: %s, want %q", lines, problems, want)
			}
		}
	}
}
