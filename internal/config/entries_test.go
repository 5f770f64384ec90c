package config_test

import (
	"os"
	"strings"
	"testing"

	"bluegreen/internal/config"
)

func TestTheConfigurationInEffectHasItsDefaultsAndNoSecret(t *testing.T) {
	text, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Apps[0]
	a.Confirm.HTTP = []config.HTTPCheck{{URL: "https://shop.example.com/healthz?token=s3cret", Expect: 204, Headers: map[string]string{"Authorization": "Bearer s3cret"}}}
	got := map[string]string{}
	for _, s := range a.Entries() {
		if _, twice := got[s.Key]; twice {
			t.Errorf("%s is there twice", s.Key)
		}
		got[s.Key] = s.Value
		if strings.Contains(s.Value, "s3cret") {
			t.Errorf("%s is %s", s.Key, s.Value)
		}
	}
	for key, want := range map[string]string{
		"name": a.Name, "image.repository": a.Image.Repository, "colors.blue.cluster": a.Colors.Blue.Cluster, "rollbackWindow": "1d12h",
		"confirm.http[0].url": "https://shop.example.com/healthz?…", "confirm.http[0].expect": "204", "confirm.http[0].headers.Authorization": "…",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, expected %q", key, got[key], want)
		}
	}
}
