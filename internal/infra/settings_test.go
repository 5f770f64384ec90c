package infra_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const storage = "AzureWebJobsStorage"

// platform are settings that only the Functions host or App Service sets.
var platform = []string{"FUNCTIONS_APP_ROOT_PATH", "FUNCTIONS_CUSTOMHANDLER_PORT", "WEBSITE_AUTH_ENABLED", "WEBSITE_HOSTNAME"}

// hostOwn are settings that the Functions host reads, and the handler does not.
var hostOwn = []string{
	"AzureWebJobsDisableHomepage", storage + "__credential", "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}

// elsewhere are settings of the handler that Bicep has no use for.
var elsewhere = map[string]string{
	storage:                           "a connection string holds a key",
	storage + "__queueServiceUri":     "follows from the account's name",
	storage + "__tableServiceUri":     "follows from the account's name",
	"BLUEGREEN_KUBECONFIG":            "the clusters are AKS clusters",
	"BLUEGREEN_DNS":                   "Azure's DNS is the system's",
	"AZURE_RESOURCE_MANAGER_ENDPOINT": "the public cloud is the default",
	"AZURE_RESOURCE_MANAGER_AUDIENCE": "the public cloud is the default",
}

// readByCode are the settings that handler/settings.go asks for, without the platform's.
func readByCode(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	code := read(t, root+"/handler/settings.go")
	for _, m := range regexp.MustCompile(`getenv\((?:"(\w+)"|storageSetting(?: \+ "(\w+)")?)\)`).FindAllStringSubmatch(code, -1) {
		name := m[1]
		if name == "" {
			name = storage + m[2]
		}
		if !slices.Contains(platform, name) {
			found[name] = true
		}
	}
	if asked := strings.Count(code, "getenv("); asked < len(found) || len(found) == 0 {
		t.Fatalf("%d settings read from %d calls of getenv", len(found), asked)
	}
	return slices.Sorted(maps.Keys(found))
}

// appSettings are the settings of the Function app itself. Those of checks follow them.
func appSettings(t *testing.T) []*node {
	t.Helper()
	app := load(t)["modules/app.bicep"].find("resource", "app")
	all := object(app.body).get("properties").get("siteConfig").get("appSettings")
	if all.text != "concat" || len(all.kids) != 2 {
		t.Fatal("modules/app.bicep does not add the settings of checks to its own")
	}
	return all.kids[0].kids
}

// setByBicep are the names of the app settings of the Function app.
func setByBicep(t *testing.T) (names []string) {
	t.Helper()
	for _, s := range appSettings(t) {
		names = append(names, strings.Join(s.get("name").parts, ""))
	}
	return names
}

func TestTheSettingsOfBicepAreThoseThatTheCodeReads(t *testing.T) {
	code, bicep := readByCode(t), setByBicep(t)
	for _, name := range bicep {
		if !slices.Contains(code, name) && !slices.Contains(hostOwn, name) {
			t.Errorf("modules/app.bicep sets %s, which the code does not read", name)
		}
		if elsewhere[name] != "" {
			t.Errorf("modules/app.bicep sets %s, although %s", name, elsewhere[name])
		}
	}
	for _, name := range append(code, hostOwn...) {
		if !slices.Contains(bicep, name) && elsewhere[name] == "" {
			t.Errorf("modules/app.bicep does not set %s", name)
		}
	}
}

// TestTheLocalSettingsAreThoseThatTheCodeReads: on a developer's machine the tools find the
// worker runtime only in the settings; Flex Consumption refuses that setting.
func TestTheLocalSettingsAreThoseThatTheCodeReads(t *testing.T) {
	var local struct{ Values map[string]string }
	if err := json.Unmarshal([]byte(read(t, root+"/local.settings.json")), &local); err != nil {
		t.Fatal(err)
	}
	if local.Values["FUNCTIONS_WORKER_RUNTIME"] != "custom" {
		t.Error("local.settings.json does not set the custom worker")
	}
	delete(local.Values, "FUNCTIONS_WORKER_RUNTIME")
	code := readByCode(t)
	for name := range local.Values {
		if !slices.Contains(code, name) && !slices.Contains(hostOwn, name) {
			t.Errorf("local.settings.json sets %s, which the code does not read", name)
		}
	}
	if local.Values[storage] == "" {
		t.Errorf("local.settings.json names no %s", storage)
	}
}

func TestThePageDocumentsEverySetting(t *testing.T) {
	found := map[string]bool{}
	_, table, ok := strings.Cut(read(t, root+"/docs/configure.md"), "| setting | meaning |\n")
	if !ok {
		t.Fatal("docs/configure.md has no table of settings")
	}
	name := regexp.MustCompile("`((?:AzureWebJobs|BLUEGREEN|AZURE|APPLICATIONINSIGHTS|__)\\w+)`")
	for _, row := range strings.Split(before(table, "\n\n"), "\n") {
		for _, m := range name.FindAllStringSubmatch(row, -1) {
			if strings.HasPrefix(m[1], "__") {
				m[1] = storage + m[1]
			}
			found[m[1]] = true
		}
	}
	for _, name := range readByCode(t) {
		if !found[name] {
			t.Errorf("docs/configure.md does not document the setting %s", name)
		}
		delete(found, name)
	}
	for name := range found {
		if !slices.Contains(hostOwn, name) {
			t.Errorf("docs/configure.md documents the setting %s, which the code does not read", name)
		}
	}
}

// bindings are those of a function.
func bindings(t *testing.T, function string) []map[string]any {
	t.Helper()
	var f struct{ Bindings []map[string]any }
	if err := json.Unmarshal([]byte(read(t, root+"/"+function+"/function.json")), &f); err != nil {
		t.Fatal(err)
	}
	return f.Bindings
}

// TestHostJSONMatchesTheBuild: names in host.json, the functions and the templates that
// must be the same for a request, an event or a message to arrive.
func TestHostJSONMatchesTheBuild(t *testing.T) {
	var host struct {
		CustomHandler struct {
			Description struct{ DefaultExecutablePath string }
		}
		Extensions struct {
			HTTP struct{ RoutePrefix string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, root+"/host.json")), &host); err != nil {
		t.Fatal(err)
	}
	if name := host.CustomHandler.Description.DefaultExecutablePath; name != "handler" || !strings.Contains(read(t, root+"/Makefile"), "HANDLER := dist/"+name+"\n") {
		t.Errorf("host.json starts %q, which make package does not make", name)
	}
	route := fmt.Sprintf("/%s/%s", host.Extensions.HTTP.RoutePrefix, bindings(t, "alert-fired")[0]["route"])
	if !strings.Contains(read(t, root+"/bicep/modules/action-group.bicep"), "'https://${hostName}"+route+"'") {
		t.Errorf("the action group does not call %s, which alert-fired answers", route)
	}
	queue := bindings(t, "release-step")[0]
	if !strings.Contains(read(t, root+"/handler/wire.go"), fmt.Sprintf("queueName = %q", queue["queueName"])) || queue["connection"] != storage {
		t.Errorf("release-step listens to %v of %v, which the handler does not write to", queue["queueName"], queue["connection"])
	}
	events := read(t, root+"/bicep/events.bicep")
	for _, m := range regexp.MustCompile(`/functions/([\w-]+)'`).FindAllStringSubmatch(events, -1) {
		if kind := bindings(t, m[1])[0]["type"]; kind != "eventGridTrigger" {
			t.Errorf("events.bicep sends events to %s, which is a %v", m[1], kind)
		}
	}
	containers := []string{}
	for _, r := range load(t)["modules/storage.bicep"].resources() {
		if strings.HasPrefix(r.kind, "Microsoft.Storage/storageAccounts/blobServices/containers@") {
			containers = append(containers, strings.Join(object(r.body).get("name").parts, ""))
		}
	}
	if m := regexp.MustCompile(`blobContainerName: '([\w-]+)'`).FindStringSubmatch(events); m == nil || !slices.Contains(containers, m[1]) {
		t.Errorf("events.bicep keeps dead letters in %v, modules/storage.bicep makes %v", m, containers)
	}
}

// TestTheHostShowsNoPageAndAsksForHTTPS: its home page names the product to everybody, and a
// browser that has seen the API once uses HTTPS for a year.
func TestTheHostShowsNoPageAndAsksForHTTPS(t *testing.T) {
	off := false
	for _, s := range appSettings(t) {
		off = off || strings.Join(s.get("name").parts, "") == "AzureWebJobsDisableHomepage" && strings.Join(s.get("value").parts, "") == "true"
	}
	if !off {
		t.Error("modules/app.bicep leaves the home page of the host on")
	}
	var host struct {
		Extensions struct {
			HTTP struct {
				HSTS struct {
					IsEnabled bool
					MaxAge    string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, root+"/host.json")), &host); err != nil {
		t.Fatal(err)
	}
	// The host reads maxAge as days, see extensions.http.hsts in its documentation.
	if hsts := host.Extensions.HTTP.HSTS; !hsts.IsEnabled || hsts.MaxAge != "365" {
		t.Errorf("host.json sets HSTS to %+v", hsts)
	}
}

// TestNoSettingHidesInAFunction: the host replaces %NAME% in its files with a setting.
func TestNoSettingHidesInAFunction(t *testing.T) {
	files, _ := filepath.Glob(root + "/*/function.json")
	bicep := setByBicep(t)
	for _, path := range append(files, root+"/host.json") {
		for _, m := range regexp.MustCompile(`%(\w+)%`).FindAllStringSubmatch(read(t, path), -1) {
			if !slices.Contains(bicep, m[1]) {
				t.Errorf("%s stands on the setting %s, which Bicep does not set", path, m[1])
			}
		}
	}
}

// TestASecretOfACheckIsAReferenceOfTheController: App Service resolves a reference with the identity
// that the app names for it, and with none that the user has assigned otherwise.
func TestASecretOfACheckIsAReferenceOfTheController(t *testing.T) {
	for _, name := range setups {
		c := setup(t, name, map[string]any{"secretSettings": []any{map[string]any{"name": "CHECK_KEY", "uri": "https://kv/secrets/key"}}})
		for _, r := range c.of("Microsoft.Web/sites") {
			p := r.body["properties"].(map[string]any)
			settings := p["siteConfig"].(map[string]any)["appSettings"].([]any)
			if last := settings[len(settings)-1].(map[string]any); last["name"] != "CHECK_KEY" || last["value"] != "@Microsoft.KeyVault(SecretUri=https://kv/secrets/key)" {
				t.Errorf("%s: the last setting is %v", name, last)
			}
			identities := r.body["identity"].(map[string]any)["userAssignedIdentities"].(map[string]any)
			if _, assigned := identities[p["keyVaultReferenceIdentity"].(string)]; !assigned {
				t.Errorf("%s: references are resolved with %v", name, p["keyVaultReferenceIdentity"])
			}
		}
	}
}
