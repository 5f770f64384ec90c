package scripts_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// withOutputs is the deployment of record with other outputs.
func withOutputs(t *testing.T, changed map[string]string) answer {
	t.Helper()
	outputs := map[string]any{}
	for name, value := range merged(recorded, changed) {
		outputs[name] = output(value)
	}
	return answer{when: "deployment sub show --name bluegreen-bluegreen", print: text(outputs)}
}

// TestAnOutputIsNeverRun: whoever may write the record of a deployment may write any output.
// bash runs what BASH_ENV names at the start of every script.
func TestAnOutputIsNeverRun(t *testing.T) {
	for name, value := range map[string]string{"BASH_ENV": "planted", "PATH": "planted", "X; ./TOUCH Y": "x", "APP_URL": "$(./TOUCH)"} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.write("bluegreen.yaml", "", 0o644)
			w.write("planted", "touch ran\n", 0o755)
			w.write("TOUCH", "#!/bin/bash\ntouch ran\n", 0o755)
			w.program("go", answer{when: "run", run: "bash -c :; echo podinfo"})
			w.azure(withOutputs(t, map[string]string{name: value}),
				answer{when: "functionapp function show"},
				answer{when: "deployment group create", run: `echo "$PATH"`})
			r := w.run("events.sh")
			if _, err := os.Stat(filepath.Join(w.root, "ran")); err == nil {
				t.Errorf("the output %s was run", name)
			}
			if refused := name == "APP_URL"; !refused && (r.code != 0 || !strings.Contains(r.out, w.root+"/bin:")) {
				t.Errorf("exit %d, PATH is %q\n%s", r.code, r.out, r.err)
			}
		})
	}
}

// TestTheKeyIsSentToTheAppOnly: its host is asked of Azure, not of the record.
func TestTheKeyIsSentToTheAppOnly(t *testing.T) {
	w := newEnv(t)
	w.azure(withOutputs(t, map[string]string{"FUNCTION_HOST": "collector.example.com"}), answer{when: "functionapp function keys list", print: "the-key"})
	w.program("curl", answer{when: "--silent", run: `cat > /dev/null; echo '{"status":"ok"}'`})
	w.run("health.sh")
	for _, call := range w.asked("curl") {
		if !strings.HasSuffix(call, " https://func.example.net/api/health?needs=false") {
			t.Error("the key was sent with", call)
		}
	}
	if len(w.asked("curl")) == 0 {
		t.Error("nothing was asked")
	}
}

// TestAnOutputDoesNotNameTheGroupThatIsDeleted: the tag of the group does.
func TestAnOutputDoesNotNameTheGroupThatIsDeleted(t *testing.T) {
	w := newEnv(t)
	w.set("CONFIRM", "rg-payroll")
	w.azure(append([]answer{withOutputs(t, map[string]string{"resourcE_GROUP": "rg-payroll"})}, deployed()...)...)
	w.stops(w.run("azure-down.sh"), `"rg-payroll" is not rg-bluegreen: nothing was deleted`)
	if deleted := changes(w); deleted != nil {
		t.Error(deleted)
	}

	w = newEnv(t)
	moved := record
	moved.print = strings.ReplaceAll(record.print, "rg-bluegreen", "rg-moved")
	w.azure(answer{when: "group list --tag azd-env-name=bluegreen", print: "rg-moved"}, moved, answer{when: "functionapp show --resource-group rg-moved --name func-shop", run: `echo '{"id": "x", "defaultHostName": "moved.example.net"}'`},
		answer{when: "functionapp function keys list --resource-group rg-moved", print: "the-key"})
	w.program("curl", answer{when: "--silent", print: `{"status":"ok"}`})
	if r := w.run("health.sh"); r.code != 0 || !strings.Contains(r.err, "https://moved.example.net") {
		t.Error(r)
	}
	w.azure(answer{when: "group list", print: "rg-a\nrg-b"}, record)
	w.stops(w.run("health.sh"), "several resource groups are of the environment bluegreen: rg-a rg-b: set RESOURCE_GROUP")
}

// TestImagesComeFromARegistryOfTheSubscription: everybody can have a registry in Azure.
func TestImagesComeFromARegistryOfTheSubscription(t *testing.T) {
	w := newEnv(t)
	w.azure(answer{when: "acr list --resource-group rg-registry", print: `["shopacr.azurecr.io"]`}, withOutputs(t, setups["main"]))
	w.prints(w.run("configure.sh"), "")
	w = newEnv(t)
	w.azure(answer{when: "acr list --resource-group rg-registry", print: `["shopacr.azurecr.io"]`}, withOutputs(t, merged(setups["main"], map[string]string{"REGISTRY": "planted.azurecr.io"})))
	w.stops(w.run("configure.sh"), "resource group rg-registry has no registry planted.azurecr.io")
	if _, err := os.Stat(filepath.Join(w.root, "bluegreen.yaml")); err == nil {
		t.Error("the configuration was written")
	}
}

// TestAnOutputHasItsForm, also in the environment of azd, which copies all outputs there.
func TestAnOutputHasItsForm(t *testing.T) {
	elsewhere := "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-bluegreen/providers/"
	for name, value := range map[string]string{
		"functioN_APP":        "--help",
		"REGISTRY":            "registry.example.com",
		"REGISTRY_GROUP":      "--ids",
		"REGISTRY_TOPIC":      "a b",
		"EVENT_SUBSCRIPTION":  "every-push",
		"STORAGE_ID":          scope + "/resourceGroups/rg-other/providers/Microsoft.Storage/storageAccounts/st",
		"ACTION_GROUP_ID":     "ag",
		"BLUE_CLUSTER":        elsewhere + "Microsoft.ContainerService/managedClusters/aks",
		"GREEN_CLUSTER":       clusters + "aks\nnotify: {topic: x}",
		"TRAFFIC_MANAGER":     network + "publicIPAddresses/pip",
		"APPLICATION_GATEWAY": network + "applicationGateways/agw, rules: [x]",
		"BLUE_FQDN":           "blue.example.com",
		"APP_URL":             `http://shop.example.com"`,
		"PREVIEW_URL":         "http://169.254.169.254:80/metadata",
		"RULE":                "app] #",
		"OUTCOME_TOPIC":       "https://collector.example.com/api/events",
	} {
		w := newEnv(t)
		w.azure(withOutputs(t, map[string]string{name: value}))
		w.stops(w.run("configure.sh"), "the output "+strings.ToUpper(name)+" of the deployment bluegreen-bluegreen is ")
		w = newEnv(t)
		w.azure()
		w.set("FUNCTION_APP", "func-shop")
		w.set(strings.ToUpper(name), value)
		w.stops(w.run("configure.sh"), "the output "+strings.ToUpper(name)+" of the deployment bluegreen-bluegreen is ")
	}
}

// TestNoScriptRunsText: what Azure answers is data.
func TestNoScriptRunsText(t *testing.T) {
	names, err := filepath.Glob("*.sh")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	runs := regexp.MustCompile(`(?m)^[^#\n]*(\beval\b|\bbash -c\b|\bsh -c\b|\bsource (?:<|"?\$[^(]))`)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := runs.FindString(string(data)); found != "" {
			t.Errorf("%s runs text: %s", name, found)
		}
	}
}

func merged(all ...map[string]string) map[string]string {
	values := map[string]string{}
	for _, m := range all {
		maps.Copy(values, m)
	}
	return values
}
