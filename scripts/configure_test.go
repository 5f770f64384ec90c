package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bluegreen/internal/config"
	"bluegreen/internal/release"
)

const (
	network  = scope + "/resourceGroups/rg-bluegreen/providers/Microsoft.Network/"
	clusters = scope + "/resourceGroups/rg-bluegreen/providers/Microsoft.ContainerService/managedClusters/"
)

// setups are the outputs of the entry points.
var setups = map[string]map[string]string{
	"main": {
		"REGISTRY": "shopacr.azurecr.io", "BLUE_CLUSTER": clusters + "aks-blue", "GREEN_CLUSTER": clusters + "aks-green",
		"TRAFFIC_MANAGER": network + "trafficManagerProfiles/tm", "APP_URL": "http://shop.trafficmanager.net",
		"BLUE_FQDN": "agw-bluegreen-blue-x1.westeurope.cloudapp.azure.com", "GREEN_FQDN": "agw-bluegreen-green-x1.westeurope.cloudapp.azure.com",
		"BLUE_GATEWAY": network + "applicationGateways/agw-blue", "GREEN_GATEWAY": network + "applicationGateways/agw-green",
	},
	"shared": {
		"REGISTRY": "shopacr.azurecr.io", "BLUE_CLUSTER": clusters + "aks", "GREEN_CLUSTER": clusters + "aks", "RULE": "app",
		"PREVIEW_URL": "http://agw.westeurope.cloudapp.azure.com:8080", "APP_URL": "http://agw.westeurope.cloudapp.azure.com",
		"APPLICATION_GATEWAY": network + "applicationGateways/agw", "OUTCOME_TOPIC": "https://evgt.westeurope-1.eventgrid.azure.net/api/events",
	},
	"controller": {
		"REGISTRY": "shopacr.azurecr.io", "BLUE_CLUSTER": clusters + "aks-blue", "GREEN_CLUSTER": clusters + "aks-green",
		"APPLICATION_GATEWAY": network + "applicationGateways/agw", "TRAFFIC_MANAGER": "", "RULE": "podinfo-https",
	},
	"controller of a profile": {
		"REGISTRY": "shopacr.azurecr.io", "BLUE_CLUSTER": clusters + "aks-blue", "GREEN_CLUSTER": clusters + "aks-green",
		"APPLICATION_GATEWAY": "", "TRAFFIC_MANAGER": network + "trafficManagerProfiles/tm",
	},
}

func configured(t *testing.T, setup string) config.App {
	t.Helper()
	w := newEnv(t)
	w.azure()
	w.set("FUNCTION_APP", "func")
	for name, value := range setups[setup] {
		w.set(name, value)
	}
	w.prints(w.run("configure.sh"), "")
	data, err := os.ReadFile(filepath.Join(w.root, "bluegreen.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(data)
	if err != nil || len(c.Apps) != 1 || len(c.Apps[0].Problems) > 0 {
		t.Fatalf("%v %v\n%s", err, c, data)
	}
	if got := setups[setup]["OUTCOME_TOPIC"]; c.Notify.Topic != got {
		t.Errorf("outcomes go to %q, want %q", c.Notify.Topic, got)
	}
	return c.Apps[0]
}

func TestTheGeneratedConfigurationIsValidForEachSetup(t *testing.T) {
	a := configured(t, "main")
	if a.Gateway.TrafficManager != network+"trafficManagerProfiles/tm" || a.Color(release.Green).Endpoint != "green" || a.Color(release.Green).Cluster != clusters+"aks-green" {
		t.Errorf("%+v", a)
	}
	if checks := a.Behavior.Confirm.HTTP; len(checks) != 1 || checks[0].URL != "http://shop.trafficmanager.net/healthz" {
		t.Error(checks)
	}
	if checks := a.Verify.HTTP; len(checks) != 1 || checks[0].URL != "http://agw-bluegreen-{color}-x1.westeurope.cloudapp.azure.com/readyz" {
		t.Error(checks)
	}
	a = configured(t, "shared")
	if checks := a.Verify.HTTP; len(checks) != 1 || checks[0].Headers["Host"] != "{color}.preview.internal" {
		t.Error(checks)
	}
	if a.Backend(release.Blue) != "pool-blue" || a.Gateway.Rules[0] != "app" || a.Color(release.Blue).Namespace != "podinfo-blue" {
		t.Errorf("%+v", a)
	}
	_, own := a.Watches("Sev1", "podinfo-agw-bluegreen-green-backend-5xx")
	if _, foreign := a.Watches("Sev1", "shop-5xx"); !own || foreign {
		t.Error("the alerts of bicep/modules/alerts.bicep are not the configured ones")
	}
	a = configured(t, "controller")
	if a.Repository() != "shopacr.azurecr.io/podinfo" || a.Backend(release.Green) != "pool-green" || a.Gateway.ApplicationGateway != network+"applicationGateways/agw" {
		t.Errorf("%+v", a)
	}
	a = configured(t, "controller of a profile")
	if a.Gateway.TrafficManager == "" || a.Color(release.Blue).Endpoint != "blue" || a.Color(release.Blue).Resources != nil {
		t.Errorf("%+v", a)
	}
}

func TestAnExistingConfigurationIsKept(t *testing.T) {
	w := newEnv(t)
	w.write("bluegreen.yaml", "mine", 0o644)
	w.prints(w.run("configure.sh"), "")
	if data, err := os.ReadFile(filepath.Join(w.root, "bluegreen.yaml")); err != nil || string(data) != "mine" {
		t.Errorf("%s %v", data, err)
	}
}

func TestAFailureLeavesNoPartialConfiguration(t *testing.T) {
	w := newEnv(t)
	w.azure()
	w.set("FUNCTION_APP", "func")
	if r := w.run("configure.sh"); r.code == 0 {
		t.Error("no failure without a registry")
	}
	for name, value := range setups["controller"] {
		if name != "RULE" {
			w.set(name, value)
		}
	}
	w.stops(w.run("configure.sh"), "RULE: set it to the name of the routing rule of the app")
	if found, _ := filepath.Glob(filepath.Join(w.root, "bluegreen.yaml*")); found != nil {
		t.Error(found)
	}
}

func TestTheEntryPointsHaveTheOutputsThatTheScriptsRead(t *testing.T) {
	for _, setup := range []string{"main", "shared", "controller"} {
		source, err := os.ReadFile(filepath.Join("..", "bicep", setup+".bicep"))
		if err != nil {
			t.Fatal(err)
		}
		wanted := []string{"RESOURCE_GROUP", "FUNCTION_APP", "FUNCTION_APP_ID", "FUNCTION_HOST", "REGISTRY_TOPIC", "EVENT_SUBSCRIPTION", "REGISTRY_GROUP", "STORAGE_ID", "ACTION_GROUP_ID"}
		for name := range setups[setup] {
			// With an existing gateway, its owner names the rules.
			if setup != "controller" || name != "RULE" {
				wanted = append(wanted, name)
			}
		}
		for _, name := range wanted {
			if !strings.Contains(string(source), "\noutput "+name+" string = ") {
				t.Errorf("bicep/%s.bicep has no output %s", setup, name)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "bicep", "*.bicepparam"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if filepath.Base(file) == "events.bicepparam" {
			continue // it reads the outputs
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reads := []string{"BLUEGREEN_NAME", "RESOURCE_GROUP", "AZURE_ENV_NAME", "AZURE_LOCATION", "BLUEGREEN_ALERT_APP", "BLUEGREEN_ALERT_APP_OBJECT_ID"}
		if filepath.Base(file) != "controller.bicepparam" {
			reads = append(reads, "BLUEGREEN_LIVE", "BLUEGREEN_SCALED_POOLS")
		}
		for _, name := range reads {
			if !strings.Contains(string(text), "readEnvironmentVariable('"+name+"'") {
				t.Errorf("%s does not read %s", filepath.Base(file), name)
			}
		}
	}
}

// TestTheConfigurationOfOneEnvironmentIsNotDeployedToAnother from the same clone: its app would
// release what is not its own.
func TestTheConfigurationOfOneEnvironmentIsNotDeployedToAnother(t *testing.T) {
	w := newEnv(t)
	w.azure()
	w.set("FUNCTION_APP", "func")
	for name, value := range setups["shared"] {
		w.set(name, value)
	}
	if r := w.run("configure.sh"); r.code != 0 {
		t.Fatal(r)
	}
	w.set("AZURE_ENV_NAME", "staging")
	w.write("dist/bluegreen.zip", "zip", 0o644)
	for _, script := range []string{"preflight.sh", "configure.sh", "publish.sh"} {
		w.stops(w.run(script), "bluegreen.yaml is of the environment bluegreen, and AZURE_ENV_NAME is staging")
	}
	w.write("bluegreen.yaml", "apps: []\n", 0o644) // one's own, for whatever environment
	if r := w.run("configure.sh"); r.code != 0 {
		t.Error(r)
	}
}
