package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/config"
)

// TestAFileMadeToBeSlowIsRefusedSoon: anyone who can write the file of one app must not stop
// the process that serves all.
func TestAFileMadeToBeSlowIsRefusedSoon(t *testing.T) {
	for name, item := range map[string]func(n int) string{
		"anchors": func(n int) string { return fmt.Sprintf("- &%x\n", n) },
		"aliases": func(n int) string { return []string{"- &a x\n", "- *a\n"}[min(n, 1)] },
		"chain":   func(n int) string { return fmt.Sprintf("- &%x [*%x,*%[2]x]\n", n, max(0, n-1)) },
		"items":   func(int) string { return "- x\n" },
	} {
		t.Run(name, func(t *testing.T) {
			var file strings.Builder
			file.WriteString("apps:\n- &0 x\n")
			for n := 1; n < 90_000 && file.Len() < 1<<20-40; n++ {
				file.WriteString(item(n))
			}
			began := time.Now()
			_, err := config.Load([]byte(file.String()))
			if took := time.Since(began); err == nil || took > 5*time.Second {
				t.Errorf("%d bytes took %s, error %v", file.Len(), took.Round(time.Second), err)
			}
		})
	}
}

// TestAnAliasIsRead: they are a part of YAML, and few are harmless.
func TestAnAliasIsRead(t *testing.T) {
	_, err := config.Load([]byte("apps:\n- name: &n shop\n- name: *n\n"))
	if err != nil {
		t.Error(err)
	}
}

func TestAChecksAddressIsNoPlaceForCredentials(t *testing.T) {
	for url, want := range map[string]string{
		"https://ana:secret@shop.example.com/":              "holds a user or a password",
		"https://{tag}@shop.example.com/":                   "holds a user or a password",
		"http://169.254.169.254/metadata/identity/oauth2":   "gives out credentials",
		"http://169.254.130.2:8081/msi/token":               "gives out credentials",
		"http://168.63.129.16/machine?comp=goalstate":       "gives out credentials",
		"http://[::ffff:169.254.169.254]/metadata/instance": "gives out credentials",
		"http://[fe80::1]/":                                 "gives out credentials",
		"http://127.0.0.1:8080/healthz":                     "",
		"https://shop.example.com/{color}/healthz":          "",
	} {
		c, err := config.Load([]byte("apps:\n- name: shop\n  verify:\n    http:\n    - url: " + url + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Join(c.Apps[0].Sentences(), "\n")
		if wrong := strings.Contains(found, ".url: "); wrong != (want != "") || !strings.Contains(found, want) {
			t.Errorf("%s: %s", url, found)
		}
	}
}
