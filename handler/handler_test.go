package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestStorageIsFoundInEveryFormThatTheHostKnows(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		want storage
	}{
		"connection string": {[]string{"AzureWebJobsStorage", "AccountName=a"}, storage{ConnectionString: "AccountName=a"}},
		"emulator":          {[]string{"AzureWebJobsStorage", "UseDevelopmentStorage=true"}, storage{ConnectionString: developmentStorage}},
		"account name": {
			[]string{"AzureWebJobsStorage__accountName", "shop", "AzureWebJobsStorage__clientId", "id"},
			storage{QueueURL: "https://shop.queue.core.windows.net", TableURL: "https://shop.table.core.windows.net", ClientID: "id"},
		},
		"service addresses": {
			[]string{"AzureWebJobsStorage__queueServiceUri", "https://q", "AzureWebJobsStorage__tableServiceUri", "https://t"},
			storage{QueueURL: "https://q", TableURL: "https://t"},
		},
	} {
		if got, err := readStorage(env(c.env...)); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := readStorage(env("AzureWebJobsStorage__queueServiceUri", "https://q")); err == nil || !strings.Contains(err.Error(), "AzureWebJobsStorage__accountName") {
		t.Errorf("half of it: %v", err)
	}
}

func TestSettingsThatCannotWorkAreNamed(t *testing.T) {
	good := []string{"AzureWebJobsStorage", "UseDevelopmentStorage=true", "FUNCTIONS_CUSTOMHANDLER_PORT", "1"}
	for want, pairs := range map[string][]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT":    {"AzureWebJobsStorage", "UseDevelopmentStorage=true"},
		"AZURE_RESOURCE_MANAGER_ENDPOINT": append(slices.Clone(good), "AZURE_RESOURCE_MANAGER_ENDPOINT", "http://plain", "AZURE_RESOURCE_MANAGER_AUDIENCE", "x"),
		"AZURE_RESOURCE_MANAGER_AUDIENCE": append(slices.Clone(good), "AZURE_RESOURCE_MANAGER_ENDPOINT", "https://arm"),
	} {
		if _, err := readSettings(env(pairs...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestSignInIsOnInEachWritingOfThePlatform(t *testing.T) {
	for value, want := range map[string]bool{"True": true, "true": true, "1": true, "": false, "False": false, "0": false} {
		s, err := readSettings(env("AzureWebJobsStorage", "UseDevelopmentStorage=true", "FUNCTIONS_CUSTOMHANDLER_PORT", "1", "WEBSITE_AUTH_ENABLED", value))
		if err != nil || s.SignIn != want {
			t.Errorf("WEBSITE_AUTH_ENABLED=%s: sign-in %v, expected %v (%v)", value, s.SignIn, want, err)
		}
	}
}

// TestTheTableOfSettingsIsTheCodes compares the table with the settings that the code reads.
func TestTheTableOfSettingsIsTheCodes(t *testing.T) {
	read := map[string]bool{}
	text, err := os.ReadFile("settings.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`getenv\("([A-Z_]+)"\)`).FindAllSubmatch(text, -1) {
		read[string(found[1])] = true
	}
	page, err := os.ReadFile("../docs/configure.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range read {
		ofHost := strings.HasPrefix(name, "FUNCTIONS_") || strings.HasPrefix(name, "WEBSITE_")
		if !ofHost && !bytes.Contains(page, []byte("`"+name+"`")) {
			t.Errorf("docs/configure.md does not explain %s", name)
		}
	}
	local, err := os.ReadFile("../local.settings.json")
	if err != nil {
		t.Fatal(err)
	}
	var settings struct{ Values map[string]string }
	if err := json.Unmarshal(local, &settings); err != nil {
		t.Fatal(err)
	}
	for name := range settings.Values {
		if !read[name] && name != storageSetting && name != "FUNCTIONS_WORKER_RUNTIME" {
			t.Errorf("local.settings.json sets %s, which nothing reads", name)
		}
	}
}

// TestTheHandlerAnswersAtOnceWhateverItsConfigurationIs starts it without a configuration
// and without anything that it could ask.
func TestTheHandlerAnswersAtOnceWhateverItsConfigurationIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().String()[strings.LastIndex(l.Addr().String(), ":")+1:]
	l.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var stderr bytes.Buffer
	go func() {
		done <- run(ctx, env("FUNCTIONS_CUSTOMHANDLER_PORT", port, "AzureWebJobsStorage", "UseDevelopmentStorage=true",
			"FUNCTIONS_APP_ROOT_PATH", t.TempDir()), io.Discard, &stderr)
	}()
	var answer *http.Response
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if answer, err = http.Get("http://127.0.0.1:" + port + "/api/health?code=k"); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if !strings.Contains(string(body), "bluegreen.yaml") || !strings.Contains(string(body), `"problems"`) {
		t.Errorf("health does not say that there is no configuration: %s", body)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(stderr.String(), filepath.Base("bluegreen.yaml")) {
		t.Errorf("stderr does not say it: %s", stderr.String())
	}
}

func TestTheHostIsReachedAtTheAddressOfThePlatform(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "func-x.azurewebsites.net": "https://func-x.azurewebsites.net", "localhost:7071": "http://localhost:7071", "127.0.0.1:7071": "http://127.0.0.1:7071",
		"10.0.0.4:7071": "https://10.0.0.4:7071", "localhost.evil.example:80": "https://localhost.evil.example:80",
	} {
		s, err := readSettings(env("AzureWebJobsStorage", "UseDevelopmentStorage=true", "FUNCTIONS_CUSTOMHANDLER_PORT", "1", "WEBSITE_HOSTNAME", name))
		if err != nil || s.Host != want {
			t.Errorf("%q: %q, %v", name, s.Host, err)
		}
	}
}
