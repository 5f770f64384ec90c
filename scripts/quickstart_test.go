package scripts_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```")

// lines are the shell lines of a section of a page.
func lines(t *testing.T, page, section string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %s", page, section)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var all strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(part, -1) {
		all.WriteString(block[1])
	}
	if all.Len() == 0 {
		t.Fatalf("%s: %s has no shell lines", page, section)
	}
	return all.String()
}

// TestTheQuickstartRunsInTheOrderOfItsLines: no line needs a later one or an environment of a
// certain name, each can be repeated, and no file of the repository changes.
func TestTheQuickstartRunsInTheOrderOfItsLines(t *testing.T) {
	for name, sections := range map[string][]string{
		"the full environment": {"The full environment", "The first release", "HTTPS with your own domain"},
		"one shared gateway":   {"One shared gateway", "The first release", "HTTPS with your own domain"},
		"the controller alone": {"The controller alone", "The first release"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			const group = " --resource-group rg-trial "
			w.program("az",
				answer{when: "ad signed-in-user show", print: "me-1"},
				answer{when: "identity show" + group + "--name id-shop-controller ", print: "sp-controller"},
				answer{when: "aks command invoke" + group + "--name aks-shop-", run: `[[ "$*" == *'rolebinding '*'--user sp-controller '*'--dry-run=client'* ]]`},
				answer{when: "aks get-credentials" + group + "--name aks-shop"},
				answer{when: "functionapp list" + group, print: "func-shop"},
				answer{when: "functionapp show" + group + "--name func-shop", print: "func.example.net"},
				answer{when: "functionapp function keys set" + group + "--name func-shop"},
				answer{when: "acr list" + group, print: "shopacr"},
				answer{when: "acr import --name shopacr "},
				answer{when: "network traffic-manager profile list" + group, print: "shop.trafficmanager.net"},
				answer{when: "network public-ip list" + group, print: "shop.cloudapp.azure.com"},
				answer{when: "keyvault list" + group, print: "kv-shop"},
				answer{when: "keyvault update" + group + "--name kv-shop"},
				answer{when: "keyvault certificate import --vault-name kv-shop"})
			w.program("make",
				answer{when: "build"},
				answer{when: "azure-up", run: `[ "$AZURE_ENV_NAME $RESOURCE_GROUP $BLUEGREEN_NAME" = "trial rg-trial shop" ] && touch bluegreen.yaml`})
			w.program("bluegreen", answer{when: "status", run: `[ "$BLUEGREEN_URL" = https://func.example.net ] && [ -n "$BLUEGREEN_KEY" ]`}, answer{when: "watch"})
			w.program("kubectl",
				answer{when: "apply --server-side -k deploy/kubernetes/"}, answer{when: "apply --server-side -f -"},
				answer{when: "create rolebinding bluegreen-podinfo", run: `[[ "$*" == *'--user sp-controller --dry-run=client'* ]]`})
			w.program("kubelogin", answer{when: "convert-kubeconfig"})
			if err := os.MkdirAll(w.root+"/deploy/kubernetes", 0o755); err != nil {
				t.Fatal(err)
			}
			before := w.tree()
			script := "#!/bin/bash\nset -eux -o pipefail\ncd \"$(dirname \"$0\")/..\"\n" + lines(t, "quickstart.md", "Prerequisites")
			for _, section := range append(sections, sections...) { // each can be repeated
				script += lines(t, "quickstart.md", section)
			}
			script = strings.NewReplacer("AZURE_ENV_NAME=bluegreen", "AZURE_ENV_NAME=trial", "BLUEGREEN_NAME=bluegreen", "BLUEGREEN_NAME=shop").Replace(script)
			w.write("scripts/quickstart", script, 0o755)
			if r := w.run("quickstart"); r.code != 0 {
				t.Errorf("exit %d\n%s", r.code, r.err)
			}
			for file, text := range before {
				if now := w.tree()[file]; now != text {
					t.Errorf("%s was changed", file)
				}
			}
		})
	}
}

// tree is the text of each file of the scripts and templates.
func (w *env) tree() map[string]string {
	w.Helper()
	files := map[string]string{}
	for _, dir := range []string{"scripts", "bicep"} {
		entries, err := os.ReadDir(w.root + "/" + dir)
		if err != nil {
			w.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(w.root + "/" + dir + "/" + e.Name())
			if err != nil {
				w.Fatal(err)
			}
			files[dir+"/"+e.Name()] = string(text)
		}
	}
	return files
}
