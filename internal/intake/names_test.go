package intake_test

import (
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/release"
)

const (
	clusters  = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/"
	workspace = "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/logs"
)

// forms are alerts that name a color in each way that the configuration knows. COLOR stands for it.
var forms = []struct{ name, app, about string }{
	{"configuration item", "orders", `items aks-COLOR`},
	{"label cluster", "orders", `label cluster=aks-COLOR`},
	{"label microsoft.resourceid", "orders", `label microsoft.resourceid=` + clusters + `aks-COLOR`},
	{"target", "orders", `target ` + clusters + `aks-COLOR`},
	{"part of a target", "orders", `target ` + clusters + `aks-COLOR/providers/Microsoft.X/y/z`},
	{"column _ResourceId", "orders", `column _ResourceId=` + strings.ToLower(clusters) + `aks-COLOR`},
	{"column ClusterName", "orders", `column ClusterName=AKS-COLOR`},
	{"column of one's own", "orders", `column Where=aks-COLOR`},
	{"old API, ClusterName", "orders", `old ClusterName=aks-COLOR`},
	{"old API, ClusterId", "orders", `old ClusterId=` + clusters + `aks-COLOR`},
	{"PromQL object", "orders", `object cluster=aks-COLOR`},
	{"PromQL expression", "orders", `expression cluster="aks-COLOR"`},
	{"endpoint", "orders", `column EndpointName=front-COLOR`},
	{"column Namespace", "carts", `column Namespace=carts-COLOR`},
	{"column PodNamespace_s", "carts", `column PodNamespace_s=carts-COLOR`},
	{"label namespace", "carts", `label namespace=carts-COLOR`},
	{"label exported_namespace", "carts", `label exported_namespace=carts-COLOR`},
	{"settings", "carts", `column BackendHttpSetting=carts-COLOR-set`},
	{"pool and setting", "carts", `column BackendSettingsPool=carts-COLOR-pool~carts-COLOR-set`},
	{"namespace in a column of one's own", "carts", `column Where=carts-COLOR`},
	{"Deployment", "tools", `label deployment=COLOR`},
	{"pod", "tools", `label pod=COLOR-5d8f9c7b6d-x2x4z`},
	{"ReplicaSet", "tools", `column ControllerName=COLOR-5d8f9c7b6d`},
	{"selector", "tools", `label label_color=COLOR`},
	{"color", "tools", `column Deployment_Color=COLOR`},
}

// alertOf makes the alert of a form.
func alertOf(about, rule string) []byte {
	a := actiongroup.Alert{ID: id("1"), Rule: rule, Target: workspace}
	how, what, _ := strings.Cut(about, " ")
	name, value, _ := strings.Cut(what, "=")
	prometheus := func(labels map[string]string) []byte {
		return []byte(strings.NewReplacer(`"cluster":"aks-lab"`, `"job":"x"`).Replace(string(a.Prometheus("group", labels))))
	}
	switch how {
	case "items":
		return []byte(strings.Replace(string(prometheus(nil)), `"configurationItems":["logs"]`, `"configurationItems":["`+what+`"]`, 1))
	case "target":
		a.Target = what
		return a.Log("Host", "web", 1)
	case "label":
		if name != "cluster" {
			return prometheus(map[string]string{name: value})
		}
		return a.Prometheus("group", map[string]string{name: value})
	case "expression":
		return []byte(strings.Replace(string(prometheus(nil)), `code=~`, strings.ReplaceAll(what, `"`, `\"`)+`,code=~`, 1))
	case "column":
		return a.Log(name, value, 1)
	case "old":
		return a.LogV1(name, value, 1)
	case "object":
		return a.PromQL("up < 1", map[string]string{name: value})
	}
	panic(about)
}

func TestAnAlertNamesAColorInAnyWayThatTheConfigurationKnows(t *testing.T) {
	for _, form := range forms {
		for _, color := range []release.Color{release.Blue, release.Green} {
			t.Run(form.name+" "+string(color), func(t *testing.T) {
				rule := map[string]string{"orders": "orders-x", "carts": "carts-x", "tools": "GreenErrors"}[form.app]
				w := newEnv(t, changes{})
				rec, a := w.post(alertOf(strings.ReplaceAll(form.about, "COLOR", string(color)), rule))
				if rec.Code != http.StatusAccepted || len(a.Apps) != 1 || a.Apps[0].About != "" {
					t.Errorf("%d %+v", rec.Code, a)
				}
				if kept := w.alertOf(form.app, id("1")); kept.Color != color {
					t.Errorf("taken to be about %q", kept.Color)
				}
			})
		}
	}
}

// TestAnAlertThatCouldBeAboutEitherColorSaysSo: it names both colors, or none, or a name that both have.
func TestAnAlertThatCouldBeAboutEitherColorSaysSo(t *testing.T) {
	tests := []struct{ name, app, about, says string }{
		{"none", "orders", `column Host=web`, "either color: it names neither"},
		{"another cluster", "orders", `label cluster=aks-other`, "either color: it names neither"},
		{"part of a name", "orders", `column Host=aks`, "either color: it names neither"},
		{"name of both", "orders", `label namespace=orders`, "either color: it names neither"},
		{"Deployment of both", "carts", `label deployment=carts`, "either color: it names neither"},
		{"beginning of the other's name", "carts", `column AppRoleName=carts-api`, "either color: it names neither"},
		{"color of something else", "carts", `label team=green`, "either color: it names neither"},
		{"both, by parts of them", "orders", `expression _ResourceId="` + clusters + `aks-blue/providers/x"}+{cluster="aks-green"`, "either color: it names both, blue by aks-blue and green by aks-green"},
		{"both", "orders", `expression cluster="aks-blue"}+{cluster="aks-green"`, "either color: it names both, blue by aks-blue and green by aks-green"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t, changes{})
			_, a := w.post(alertOf(test.about, test.app+"-x"))
			if len(a.Apps) != 1 || a.Apps[0].About != test.says || a.Apps[0].Color != "" {
				t.Errorf("%+v", a.Apps)
			}
			if kept := w.alertOf(test.app, id("1")); kept.Color != "" || !strings.HasSuffix(kept.Summary, "; "+test.says) {
				t.Errorf("kept as about %q: %s", kept.Color, kept.Summary)
			}
		})
	}
}

// TestAnAlertAboutTheIdleColorMovesNoTrafficThere: the rollback target is the color without
// traffic, and an alert about it is no reason to send users to it.
func TestAnAlertAboutTheIdleColorMovesNoTrafficThere(t *testing.T) {
	for name, body := range map[string][]byte{
		"item":       alertOf("items a", "shop-5xx"),
		"old API":    alertOf("old ClusterName=a", "shop-5xx"),
		"object":     alertOf("object cluster=a", "shop-5xx"),
		"label":      alertOf("label cluster=a", "shop-5xx"),
		"of its own": alertOf("column Where=shop-blue", "shop-5xx"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, changes{})
			w.baking()
			_, a := w.post(body)
			if len(a.Apps) != 1 || a.Apps[0].Decision == nil || a.Apps[0].Decision.Text != "alert "+a.Rule+" is about blue, which is not live" {
				t.Errorf("%+v", a)
			}
			if live := w.gateway["shop"].Effective(); live != release.Green {
				t.Errorf("traffic goes to %s", live)
			}
		})
	}
}

func TestTheHistorySaysThatAnAlertCouldBeAboutEitherColor(t *testing.T) {
	w := newEnv(t, changes{})
	w.baking()
	w.post(alertOf("column Host=web", "shop-5xx"))
	history, err := w.engine.History(t.Context(), "shop", 20, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range history {
		if strings.HasSuffix(f.Text, "log search of Host web: 1, threshold 0 in 5m; either color: it names neither") {
			return
		}
	}
	t.Errorf("%+v", history)
}
