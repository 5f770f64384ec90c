package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded are the outputs of a deployment that ended well.
var recorded = map[string]string{
	"resourcE_GROUP": "rg-bluegreen", "functioN_APP": "func-shop", "FUNCTION_HOST": "func.example.net",
	"REGISTRY": "shopacr.azurecr.io", "REGISTRY_TOPIC": "registry-shop", "REGISTRY_GROUP": "rg-registry", "EVENT_SUBSCRIPTION": "image-pushed-shop-x1",
	"STORAGE_ID":      scope + "/resourceGroups/rg-bluegreen/providers/Microsoft.Storage/storageAccounts/stshop",
	"ACTION_GROUP_ID": scope + "/resourceGroups/rg-bluegreen/providers/Microsoft.Insights/actionGroups/ag-shop",
}

// record is that deployment; its outputs include one that is no text.
var record = func() answer {
	outputs := map[string]any{"A_LIST": map[string]any{"type": "Array", "value": []string{"x"}}}
	for name, value := range recorded {
		outputs[name] = output(value)
	}
	return answer{when: "deployment sub show --name bluegreen-bluegreen", print: text(outputs)}
}()

func output(value string) map[string]any { return map[string]any{"type": "String", "value": value} }

var greenIsLive = answer{when: profileList, print: profile("blue Disabled", "green Enabled")}

func TestADeploymentKeepsTheLiveColor(t *testing.T) {
	w := newEnv(t)
	create := "deployment sub create --name bluegreen-bluegreen --location westeurope --parameters bicep/main.bicepparam --output none"
	w.azure(greenIsLive, answer{when: create, run: `echo "$BLUEGREEN_LIVE in $RESOURCE_GROUP"`})
	w.set("BLUEGREEN_LIVE", "blue") // left over from an earlier deployment
	w.prints(w.run("infra.sh"), "green in rg-bluegreen")
}

func TestWithoutAKnownLiveColorNothingIsDeployed(t *testing.T) {
	w := newEnv(t)
	w.azure(answer{when: profileList, print: profile("blue Enabled", "green Enabled")})
	w.stops(w.run("infra.sh"), "Nothing was deployed")
	if calls := w.asked("az", "deployment sub create", "deployment sub what-if"); calls != nil {
		t.Error(calls)
	}
}

func TestNothingIsDeployedDuringARelease(t *testing.T) {
	phases := func(phases ...string) answer {
		var apps []any
		for _, phase := range phases {
			apps = append(apps, map[string]any{"name": "shop", "phase": phase})
		}
		return answer{when: "--silent --show-error --fail --max-time 30 --config - https://func.example.net/api/apps", print: text(map[string]any{"apps": append(apps, map[string]any{"name": "idle"})})}
	}
	w := newEnv(t)
	w.azure(record, greenIsLive, answer{when: "functionapp function keys list", print: "the-key"}, answer{when: "deployment sub create", print: "deployed"})
	for _, busy := range []string{"deploying", "verifying", "switching", "baking", "returning"} {
		w.program("curl", phases("completed", busy))
		w.stops(w.run("infra.sh"), "a release is in progress: shop is "+busy)
	}
	w.program("curl", phases("awaiting-approval", "completed", "rolled-back"))
	w.prints(w.run("infra.sh"), "deployed")
	w.program("curl", answer{when: "--silent", fail: "404"})
	w.prints(w.run("infra.sh"), "deployed")

	// A version before the function look may be in the middle of a release.
	before := answer{when: "functionapp function list --resource-group rg-bluegreen --name func-shop", print: "func-shop/console\nfunc-shop/clock-tick"}
	w.azure(record, greenIsLive, answer{when: "functionapp function keys list", fail: "not found"}, before, answer{when: "deployment sub create", print: "deployed"})
	w.stops(w.run("infra.sh"), "runs an earlier version")
}

// TestWhatIfShowsWhatADeploymentWouldChange: without the app registration of the last deployment
// it would show that every alert rule loses its action.
func TestWhatIfShowsWhatADeploymentWouldChange(t *testing.T) {
	w := newEnv(t)
	w.set("BLUEGREEN_SECURE_ALERTS", "")
	w.azure(append(entra(), greenIsLive, answer{when: "deployment sub what-if", run: `echo "$BLUEGREEN_ALERT_APP $BLUEGREEN_ALERT_APP_OBJECT_ID"`})...)
	w.prints(w.run("infra.sh", "what-if"), registered+" object-1")
	if changed := w.asked("az", "ad app create", "ad app owner add", "ad sp create", "rest", "deployment sub create"); changed != nil {
		t.Error(changed)
	}

	w.azure(append([]answer{{when: "monitor action-group list", print: "[]"}, {when: "ad app list", print: ""}, greenIsLive, {when: "deployment sub what-if", run: `echo "app: ${BLUEGREEN_ALERT_APP:-}"`}}, entra()...)...)
	r := w.run("infra.sh", "what-if")
	w.prints(r, "app:")
	if !strings.Contains(r.err, "would also create the app registration bluegreen-alerts-bluegreen") {
		t.Error(r.err)
	}
	w.azure(answer{when: "ad app list", fail: "Insufficient privileges"}, greenIsLive, answer{when: "deployment sub what-if", print: "shown"})
	w.stops(w.run("infra.sh", "what-if"), "the app registration for alerts cannot be read")
}

func TestWhatIfChangesNothing(t *testing.T) {
	w := newEnv(t)
	w.set("AZURE_ENV_NAME", "test")
	w.set("BLUEGREEN_SETUP", "shared")
	what := "deployment sub what-if --name bluegreen-test --location westeurope --parameters bicep/shared.bicepparam"
	w.azure(answer{when: "group exists --name rg-test", print: "false"}, answer{when: what, run: `echo "$BLUEGREEN_LIVE"`})
	w.prints(w.run("infra.sh", "what-if"), "blue")
	w.stops(w.run("infra.sh", "destroy"), "use create, what-if or preview")
	w.set("BLUEGREEN_PARAMETERS", "bicep/mine.bicepparam")
	w.stops(w.run("infra.sh"), "there is no bicep/mine.bicepparam")
}

// TestAPreviewNeedsToReadOnly: it runs with the code of a pull request.
func TestAPreviewNeedsToReadOnly(t *testing.T) {
	w := newEnv(t)
	w.azure(greenIsLive, answer{when: "deployment sub what-if", run: `echo "$BLUEGREEN_LIVE, preview: ${BLUEGREEN_PREVIEW:-}"`})
	w.prints(w.run("infra.sh", "preview"), "green, preview: true")
	if calls := w.asked("az", "deployment sub what-if"); len(calls) != 1 || !strings.HasSuffix(calls[0], " --parameters bicep/main.bicepparam --validation-level ProviderNoRbac") {
		t.Error(calls)
	}
	reads := regexp.MustCompile(`^(version|account show|bicep build-params|group (exists|show)|deployment sub (what-if|show)|[a-z- ]+ list) `)
	for _, call := range w.asked("az") {
		if !reads.MatchString(call + " ") {
			t.Errorf("a preview runs az %s", call)
		}
	}
	w.prints(w.run("infra.sh", "what-if"), "green, preview:")
	if calls := w.asked("az", "deployment sub what-if"); len(calls) != 2 || strings.Contains(calls[1], "validation-level") { // older versions of az do not know it
		t.Error(calls)
	}
}

func TestAutoscaledPoolsKeepTheirNodes(t *testing.T) {
	pool := func(name string, scales bool) map[string]any {
		return map[string]any{"name": name, "enableAutoScaling": scales}
	}
	cluster := func(name string, pools ...any) map[string]any {
		return map[string]any{"name": name, "agentPoolProfiles": pools}
	}
	w := newEnv(t)
	w.azure(greenIsLive, answer{when: "aks list --resource-group rg-bluegreen --output json", print: text([]any{
		cluster("aks-blue", pool("system", false), pool("user", true)),
		cluster("aks-green", pool("system", true), map[string]any{"name": "user", "enableAutoScaling": nil}),
	})}, answer{when: "deployment sub create", run: `echo "$BLUEGREEN_SCALED_POOLS"`})
	w.prints(w.run("infra.sh"), "aks-blue/user,aks-green/system")
	w.azure(greenIsLive, answer{when: "aks list", fail: "AuthorizationFailed"}, answer{when: "deployment sub create", print: "deployed"})
	w.stops(w.run("infra.sh"), "AuthorizationFailed")
}

func TestTheControllerAloneMovesNoTraffic(t *testing.T) {
	w := newEnv(t)
	w.set("BLUEGREEN_SETUP", "controller")
	w.azure(answer{when: "deployment sub create", run: `echo "live: ${BLUEGREEN_LIVE:-}"`})
	w.prints(w.run("infra.sh"), "live:")
}

func TestAzdGetsTheVariablesOfTheEntryPoints(t *testing.T) {
	w := newEnv(t)
	w.set("BLUEGREEN_SECURE_ALERTS", "")
	w.azure(append(entra(), greenIsLive)...)
	w.program("azd", answer{when: "env set"})
	w.prints(w.run("settings.sh"), "RESOURCE_GROUP=rg-bluegreen\nBLUEGREEN_LIVE=green\nBLUEGREEN_SCALED_POOLS=none\nBLUEGREEN_JUMP_HOST_EXISTS=false\nBLUEGREEN_ALERT_APP="+registered+"\nBLUEGREEN_ALERT_APP_OBJECT_ID=object-1")
	if r := w.run("settings.sh", "azd"); r.code != 0 {
		t.Error(r)
	}
	want := []string{"env set RESOURCE_GROUP rg-bluegreen", "env set BLUEGREEN_LIVE green", "env set BLUEGREEN_SCALED_POOLS none", "env set BLUEGREEN_JUMP_HOST_EXISTS false", "env set BLUEGREEN_ALERT_APP " + registered, "env set BLUEGREEN_ALERT_APP_OBJECT_ID object-1"}
	if diff := cmp.Diff(want, w.asked("azd")); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAnAppRegistrationForAlertsNothingIsDeployedUnlessTurnedOff(t *testing.T) {
	w := newEnv(t)
	w.set("BLUEGREEN_SECURE_ALERTS", "")
	refused := answer{when: "ad app list", fail: "Insufficient privileges to complete the operation."}
	w.azure(refused, greenIsLive, answer{when: "deployment sub create", print: "deployed"})
	w.stops(w.run("infra.sh"), "ask an administrator to run scripts/entra.sh")
	w.set("BLUEGREEN_ALERT_APP", registered)
	w.set("BLUEGREEN_ALERT_APP_OBJECT_ID", "object-1")
	w.prints(w.run("infra.sh"), "deployed")
	w.set("BLUEGREEN_ALERT_APP", "")
	w.set("BLUEGREEN_SECURE_ALERTS", "no")
	w.prints(w.run("infra.sh"), "deployed")
}

func TestThePackageIsDeployedToTheApp(t *testing.T) {
	w := newEnv(t)
	w.azure()
	w.stops(w.run("publish.sh"), "run make package first")
	w.write("dist/bluegreen.zip", "zip", 0o644)
	w.stops(w.run("publish.sh"), "no successful deployment bluegreen-bluegreen: run make azure-up first")
	w.azure(answer{when: "deployment sub show", print: "null"})
	w.stops(w.run("publish.sh"), "no successful deployment")
	const send = "functionapp deployment source config-zip --resource-group rg-bluegreen --name func-shop --src dist/bluegreen.zip"
	w.azure(record, answer{when: send})
	w.prints(w.run("publish.sh"), "")

	// The grants on the storage account take minutes to spread.
	w = newEnv(t)
	w.write("dist/bluegreen.zip", "zip", 0o644)
	spread := "InaccessibleStorageException: Failed to access storage account for deployment: 403"
	w.azure(record, answer{when: send, run: `echo . >> "$LOG/tries"; [ "$(wc -l < "$LOG/tries")" -gt 20 ] || { echo ` + quote(spread) + ` >&2; exit 1; }`})
	w.prints(w.run("publish.sh"), "")
	w.azure(record, answer{when: send, fail: spread})
	w.stops(w.run("publish.sh"), spread)
	w = newEnv(t)
	w.write("dist/bluegreen.zip", "zip", 0o644)
	w.azure(record, answer{when: send, fail: "The resource was not found"})
	w.stops(w.run("publish.sh"), "The resource was not found")
	if tries := w.asked("az", send); len(tries) != 1 {
		t.Error(tries)
	}
}

func TestImagePushesAreSubscribedToOnceTheFunctionExists(t *testing.T) {
	w := newEnv(t)
	w.program("go", answer{when: "run ./cmd/bluegreen config repositories bluegreen.yaml", print: "team/podinfo\nteam/shop"})
	w.azure(record,
		answer{when: "functionapp function show", run: `[ -f "$LOG/once" ] || { touch "$LOG/once"; exit 3; }`},
		answer{
			when: "deployment group create --name bluegreen-bluegreen-events --resource-group rg-registry --parameters bicep/events.bicepparam --output none",
			run:  `echo "$EVENT_SUBSCRIPTION of $REGISTRY_TOPIC to $FUNCTION_APP_ID, $STORAGE_ID: $BLUEGREEN_REPOSITORIES"`,
		})
	w.prints(w.run("events.sh"), "image-pushed-shop-x1 of registry-shop to "+site+", "+recorded["STORAGE_ID"]+": team/podinfo,team/shop")
	w.azure(record, answer{when: "functionapp function show", fail: "NotFound"})
	w.stops(w.run("events.sh"), "has no function image-pushed")
	w.program("go", answer{when: "run", fail: "read the configuration"})
	w.stops(w.run("events.sh"), "read the configuration")
}

// TestPushesOfManyRepositoriesAreSubscribedTo: a filter holds 24 repositories, and an argument or a
// variable of a program 128 KiB.
func TestPushesOfManyRepositoriesAreSubscribedTo(t *testing.T) {
	for name, c := range map[string]struct{ repositories, prefixes, want string }{
		"24":     {"seq -f team/app-%g 24", "echo unasked", "24 repositories, prefixes false: team/app-1"},
		"25":     {"seq -f team/app-%g 25", "echo team/app-", "1 repositories, prefixes true: team/app-"},
		"10,000": {"seq -f team/a-rather-long-name-of-an-app-%g 10000", "seq -f team-%g 1 3", "3 repositories, prefixes true: team-1"},
		"all":    {"seq -f team/app-%g 25", ":", "0 repositories, prefixes true:"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.program("go",
				answer{when: "run ./cmd/bluegreen config repositories bluegreen.yaml --prefixes 24", run: c.prefixes},
				answer{when: "run ./cmd/bluegreen config repositories bluegreen.yaml", run: c.repositories})
			w.azure(record, answer{when: "functionapp function show"}, answer{when: "deployment group create", run: `IFS=, read -ra all <<< "$BLUEGREEN_REPOSITORIES"
				echo "${#all[@]} repositories, prefixes $BLUEGREEN_PREFIXES: ${all[0]:-}"`})
			w.prints(w.run("events.sh"), c.want)
		})
	}
}

func TestHealthIsPolledUntilTheAppAnswers(t *testing.T) {
	w := newEnv(t)
	w.azure(record, answer{when: "functionapp function keys list --resource-group rg-bluegreen --name func-shop --function-name look", print: "the-key"})
	answers := answer{when: "--silent", run: `[ -f "$LOG/once" ] || { touch "$LOG/once"; exit 22; }; grep -q 'x-functions-key: the-key' && echo '{"status":"ok","apps":[{"name":"shop-1"},{"name":"shop-2"},{"name":"pay","problems":["line 3: bake"]}]}'`}
	w.program("curl", answers)
	if r := w.run("health.sh"); strings.Contains(r.out, "shop-1") || !strings.Contains(r.out, `"served": 2`) || !strings.Contains(r.out, "line 3: bake") {
		t.Error(r)
	}
	if r := w.run("health.sh"); r.code != 0 || !strings.Contains(r.err, "BLUEGREEN_URL=https://func.example.net") {
		t.Error(r)
	}
	for _, call := range w.asked("curl") {
		if strings.Contains(call, "the-key") || !strings.HasSuffix(call, "https://func.example.net/api/health?needs=false") {
			t.Error("asked with", call)
		}
	}
	w.program("curl", answer{when: "--silent", print: `{"status":"problems"}`})
	if r := w.run("health.sh"); r.code == 0 || !strings.Contains(r.err, "reports problems") {
		t.Error(r)
	}
	w.program("curl", answer{when: "--silent", fail: "refused"})
	w.stops(w.run("health.sh"), "does not answer")
}

func TestAReleaseHasItsSectionOfTheChangelog(t *testing.T) {
	w := newEnv(t)
	w.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n- later\n\n## 1.2.3\n- this\n- that\n\n## 1.2.2\n- before\n", 0o644)
	w.prints(w.run("changelog.sh", "v1.2.3"), "- this\n- that")
	w.stops(w.run("changelog.sh", "v1.2"), "is not a version")
	w.stops(w.run("changelog.sh", "v1.2.3;id"), "is not a version")
	w.stops(w.run("changelog.sh", "v1.3.0"), `no section "## 1.3.0"`)
}

func TestAWorkflowWithoutAPlaceFails(t *testing.T) {
	for name, c := range map[string]struct {
		event, env string
		why, out   string
		ready      bool
	}{
		"all there":             {"workflow_dispatch", "production", "", "", true},
		"none for a deploy":     {"workflow_dispatch", "", "AZURE_ENV_NAME", "::error::the environment has no variable AZURE_ENV_NAME: nothing was changed", false},
		"none for a preview":    {"pull_request", "", "", "::notice::no preview: the environment preview has no variable AZURE_ENV_NAME", false},
		"a preview has a place": {"pull_request", "production", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			outputs := filepath.Join(w.root, "outputs")
			for _, set := range [][2]string{{"GITHUB_OUTPUT", outputs}, {"GITHUB_EVENT_NAME", c.event}, {"AZURE_ENV_NAME", c.env}, {"AZURE_CLIENT_ID", "c"}, {"AZURE_TENANT_ID", "t"}, {"AZURE_SUBSCRIPTION_ID", "s"}} {
				w.set(set[0], set[1])
			}
			r := w.run("variables.sh")
			if failed := r.code != 0; failed != (c.why != "") || strings.TrimSpace(r.out) != c.out {
				t.Errorf("exit %d, printed %q, want %q", r.code, r.out, c.out)
			}
			if data, _ := os.ReadFile(outputs); (string(data) == "ready=yes\n") != c.ready {
				t.Errorf("outputs %q", data)
			}
		})
	}
}

func TestTheScriptsAreValidBash(t *testing.T) {
	names, err := filepath.Glob("*.sh")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range names {
		if out, err := exec.Command("bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if run := info.Mode()&0o111 != 0; run == (name == "common.sh") {
			t.Errorf("%s can be run: %v", name, run)
		}
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Log("shellcheck is not installed, so only bash has checked the scripts")
		return
	}
	if out, err := exec.Command("shellcheck", append([]string{"--external-sources"}, names...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
