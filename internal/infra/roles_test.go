package infra_test

import (
	"fmt"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// builtIn are roles that Azure has itself.
// Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles
var builtIn = map[string]string{
	"7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
	"8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
	"4abbcc35-e782-43d8-92c5-2d3f1bd2253f": "Azure Kubernetes Service Cluster User Role",
	"3498e952-d568-435e-9b2c-8d77e338d7f7": "Azure Kubernetes Service RBAC Admin",
	"b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
	"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
	"d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
	"4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
	"b12aa53e-6015-4669-85d0-8515ebb3ae7f": "Private DNS Zone Contributor",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
	"a4417e6f-fecd-4de8-b567-7b0420556985": "Key Vault Certificates Officer",
	"00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
	"f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
	"1c0163c0-47e6-4577-8991-ea5c82e286e4": "Virtual Machine Administrator Login",
	"acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
	// not a role: the application that Azure Monitor calls secure webhooks as
	"461e8683-5575-4561-ac7f-899cc907d62a": "AzNS AAD Webhook",
	"04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
}

var isID = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

func TestTheIDOfABuiltInRoleIsThatOfItsName(t *testing.T) {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, strings.ToLower(s))
	}
	for _, f := range load(t) {
		above := ""
		for i, line := range strings.Split(f.text, "\n") {
			for _, id := range isID.FindAllString(line, -1) {
				name, known := builtIn[strings.ToLower(id)]
				if !known {
					t.Errorf("%s:%d: what %s is, is not known here: add it", f.path, i+1, id)
				} else if !strings.Contains(letters(line), letters(name)) && !strings.Contains(letters(above), letters(name)) {
					t.Errorf("%s:%d: %s is %q: name it so in this line or the one above", f.path, i+1, id, name)
				}
			}
			above = line
		}
	}
}

// need is a permission of roles.bicep and the code that it is there for.
type need struct{ permission, file, word string }

var needed = regexp.MustCompile(`needed by (\S+) (\S+)`)

// permitting are the files with the permissions of the controller.
var permitting = []string{"roles.bicep", "modules/storage-roles.bicep"}

// needs reads the grants: a line for each built-in role and each action.
func needs(t *testing.T) (all []need) {
	t.Helper()
	quoted := regexp.MustCompile(`'(Microsoft\.\w+/[\w/]+)'`)
	files, lines := load(t), []string{}
	for _, name := range permitting {
		for i, line := range strings.Split(files[name].text, "\n") {
			lines = append(lines, fmt.Sprintf("%s:%d: %s", name, i+1, line))
		}
	}
	for _, at := range lines {
		place, line, _ := strings.Cut(at, ": ")
		permission := isID.FindString(line)
		if found := quoted.FindStringSubmatch(line); permission == "" && found != nil && strings.HasPrefix(strings.TrimSpace(line), "'") {
			permission = found[1]
		}
		if permission == "" {
			continue
		}
		by := needed.FindStringSubmatch(line)
		if by == nil {
			t.Errorf("%s: %s: name the code that needs it, as // needed by FILE FUNCTION", place, permission)
			continue
		}
		all = append(all, need{permission, by[1], by[2]})
	}
	return all
}

func TestEveryPermissionNamesTheCodeThatNeedsIt(t *testing.T) {
	for _, n := range needs(t) {
		data, err := os.ReadFile(filepath.Join(root, n.file))
		if err != nil {
			t.Errorf("%s: %v", n.permission, err)
			continue
		}
		there := strings.Contains(string(data), n.word)
		if strings.HasSuffix(n.file, ".go") {
			there = regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + regexp.QuoteMeta(n.word) + `[\[(]`).Match(data)
		}
		if !there {
			t.Errorf("%s: %s has no %s", n.permission, n.file, n.word)
		}
	}
}

// TestEveryAdapterOfAzureHasItsPermission begins at the one place where adapters are put
// together, so that a new one cannot be forgotten, nor one that went away.
func TestEveryAdapterOfAzureHasItsPermission(t *testing.T) {
	const adapters = "internal/azure/"
	wiring, err := parser.ParseFile(gotoken.NewFileSet(), root+"/handler/wire.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	used, granted := map[string]bool{}, map[string]bool{}
	for _, spec := range wiring.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		// resource is what adapters reach Azure Resource Manager by: it asks nothing by itself
		if name, ok := strings.CutPrefix(path, "bluegreen/"+adapters); ok && name != "resource" {
			used[name] = true
		}
	}
	for _, n := range needs(t) {
		if name, ok := strings.CutPrefix(n.file, adapters); ok {
			granted[before(name, "/")] = true
		}
	}
	if !maps.Equal(used, granted) {
		t.Errorf("handler/wire.go uses %v of %s, the roles have permissions for %v", slices.Sorted(maps.Keys(used)), adapters, slices.Sorted(maps.Keys(granted)))
	}
}

// TestARoleIsAssignedOnlyOnItsResource holds every grant of the controller against this list.
func TestARoleIsAssignedOnlyOnItsResource(t *testing.T) {
	want := map[string]string{
		"onRegistry": "grant-registry acrPull", "onClusters": "grant-cluster clusterUser",
		"onStorage":     "grant-storage blobOwner queueContributor tableContributor",
		"onDeadLetters": "grant-container blobContributor", "onInsights": "grant-insights metricsPublisher", "onTopic": "grant-topic dataSender",
		"onGateways": "grant-gateway gatewayRole", "onSubnets": "grant-subnet gatewayRole", "onPublicIps": "grant-public-ip gatewayRole",
		"onIdentities": "grant-identity gatewayRole", "onWafPolicies": "grant-waf-policy gatewayRole",
		"onTraffic": "grant-traffic-manager trafficRole", "onTrafficPublicIps": "grant-public-ip trafficRole",
	}
	got := map[string]string{}
	files := load(t)
	for _, name := range permitting {
		for _, d := range files[name].decls {
			if d.word != "module" {
				continue
			}
			given := strings.TrimSuffix(filepath.Base(d.kind), ".bicep")
			for _, role := range object(d.body).get("params").get("roleIds").kids {
				given += " " + role.text
			}
			got[d.name] = given
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the controller is granted\n%v\nwant\n%v", got, want)
	}
}

// TestTheTopicWritesDeadLettersOnly: the same account holds the state and the code.
func TestTheTopicWritesDeadLettersOnly(t *testing.T) {
	for _, name := range setups {
		c := setup(t, name, nil)
		grants := 0
		for _, r := range c.of("Microsoft.Authorization/roleAssignments") {
			p := r.body["properties"].(map[string]any)
			if !strings.HasSuffix(p["roleDefinitionId"].(string), "/ba92f5b4-2d11-453d-a403-e96b0029c9fe") { // Storage Blob Data Contributor
				continue
			}
			grants++
			on := before(r.id, "/providers/Microsoft.Authorization/")
			if !strings.HasPrefix(on, c.output(c.entry, "STORAGE_ID").(string)+"/") || !strings.HasSuffix(on, "/blobServices/default/containers/dead-letters") {
				t.Errorf("%s: the topic's identity may write %s", name, on)
			}
		}
		if grants != 1 {
			t.Errorf("%s: %d grants for dead letters", name, grants)
		}
	}
}

// TestTheRoleOfAPreviewReads: whoever opens a pull request may use it.
func TestTheRoleOfAPreviewReads(t *testing.T) {
	f := load(t)["preview.bicep"]
	if f == nil || f.find("resource", "role") == nil {
		t.Fatal("preview.bicep has no role")
	}
	d := f.find("resource", "role")
	var got []string
	for _, p := range object(d.body).get("properties").get("permissions").kids {
		for _, key := range []string{"dataActions", "notActions", "notDataActions"} {
			if p.get(key) != nil {
				t.Errorf("the role has %s", key)
			}
		}
		for _, action := range p.get("actions").kids {
			got = append(got, strings.Join(action.parts, ""))
		}
	}
	if want := []string{"*/read", "Microsoft.Resources/deployments/whatIf/action", "Microsoft.Resources/deployments/validate/action"}; !slices.Equal(got, want) {
		t.Errorf("the role of a preview has %v, want %v", got, want)
	}
}
