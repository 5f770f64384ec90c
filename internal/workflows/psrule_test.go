package workflows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// suppression is a group of .ps-rule: rules that do not hold where the condition does.
type suppression struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Rule []string
		If   struct {
			Source   string
			EndsWith []string         `yaml:"endsWith"`
			AllOf    []map[string]any `yaml:"allOf"`
		}
	}
}

func suppressions(t *testing.T) (all []suppression) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".ps-rule", "*.Rule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for documents := yaml.NewDecoder(f); ; {
			var s suppression
			if documents.Decode(&s) != nil {
				break
			}
			all = append(all, s)
		}
	}
	return all
}

// excluded are the rules of ps-rule.yaml that hold nowhere, with their reasons.
func excluded(t *testing.T) map[string]string {
	t.Helper()
	var options struct{ Rule struct{ Exclude []yaml.Node } }
	if err := yaml.Unmarshal([]byte(read(t, "ps-rule.yaml")), &options); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, n := range options.Rule.Exclude {
		found[n.Value] = strings.TrimSpace(n.HeadComment + n.LineComment)
	}
	return found
}

// TestEveryExclusionOfPSRuleHasItsReason: what PSRule for Azure 1.47 found and bicep/ does not
// fix. A rule that the production parameters keep is neither excluded nor suppressed by the
// name of a resource, which production has too.
func TestEveryExclusionOfPSRuleHasItsReason(t *testing.T) {
	everywhere := excluded(t)
	for _, rule := range []string{
		"AKS.AuditLogs", "AKS.NetworkPolicy", "AppService.AvailabilityZone", "ACR.GeoReplica", "AKS.AzurePolicyAddOn", "AKS.DefenderProfile",
		"AKS.NodeMinPods", "AKS.SecretStore", "AKS.Version", "Alert.MetricAutoMitigate", "AppService.ARRAffinity", "AppService.PlanInstanceCount",
		"AppService.HTTP2", "Log.Replication", "TrafficManager.Endpoints", "VM.MaintenanceConfig", "VM.Standalone", "VM.DiskCaching",
	} {
		if reason, ok := everywhere["Azure."+rule]; !ok {
			t.Errorf("ps-rule.yaml does not exclude Azure.%s", rule)
		} else if len(strings.Fields(reason)) < 4 {
			t.Errorf("ps-rule.yaml: Azure.%s has the reason %q", rule, reason)
		}
		delete(everywhere, "Azure."+rule)
	}
	for rule := range everywhere {
		t.Errorf("ps-rule.yaml excludes %s, which nothing breaks", rule)
	}
}

func TestSmallParameterFilesAreSuppressedByTheirPath(t *testing.T) {
	small := []string{
		"ACR.Firewall", "ACR.MinSku", "AKS.AuthorizedIPs", "AKS.AutoScaling", "AKS.AvailabilityZone", "AKS.MinNodeCount", "AKS.UptimeSLA",
		"AppGw.AvailabilityZone", "AppGw.UseHTTPS", "AppGw.UseWAF", "AppGw.WAFEnabled", "KeyVault.Firewall", "KeyVault.PurgeProtect",
		"Storage.Firewall", "Storage.UseReplication", "TrafficManager.Protocol",
	}
	var suppressed []string
	for _, s := range suppressions(t) {
		if s.Kind != "SuppressionGroup" {
			t.Errorf("%s is a %s", s.Metadata.Name, s.Kind)
		}
		if s.Metadata.Name == "Bluegreen.Bastion" {
			if !slices.Equal(s.Spec.Rule, []string{"PSRule.Rules.Azure\\Azure.NSG.LateralTraversal"}) {
				t.Errorf("%s suppresses %v", s.Metadata.Name, s.Spec.Rule)
			}
			continue // the sessions of Bastion are its purpose
		}
		if s.Spec.If.Source != "Parameter" || len(s.Spec.If.EndsWith) == 0 || s.Spec.If.AllOf != nil {
			t.Errorf("%s is not limited to parameter files", s.Metadata.Name)
		}
		for _, file := range s.Spec.If.EndsWith {
			if _, err := os.Stat(filepath.Join(root, "bicep", file)); err != nil || !strings.HasPrefix(file, "/") || strings.Contains(file, "full") {
				t.Errorf("%s suppresses in %s (%v)", s.Metadata.Name, file, err)
			}
		}
		for _, rule := range s.Spec.Rule {
			name, known := strings.CutPrefix(rule, "PSRule.Rules.Azure\\Azure.")
			if !known || !slices.Contains(small, name) {
				t.Errorf("%s suppresses %s", s.Metadata.Name, rule)
			}
			suppressed = append(suppressed, name)
		}
	}
	for _, rule := range small {
		if !slices.Contains(suppressed, rule) {
			t.Errorf("no group of .ps-rule suppresses Azure.%s", rule)
		}
	}
}

// TestTheScanRunsWhenItsRulesChange names the files that PSRule reads.
func TestTheScanRunsWhenItsRulesChange(t *testing.T) {
	text := read(t, ".github/workflows/scan.yml")
	if n := strings.Count(text, "paths: [bicep/**, .ps-rule/**, ps-rule.yaml, "); n != 2 {
		t.Errorf("scan.yml has the paths of PSRule %d times, want for a push and a pull request", n)
	}
	if !regexp.MustCompile(`AZURE_BICEP_FILE_EXPANSION_TIMEOUT: [3-9]\d`).MatchString(read(t, "ps-rule.yaml")) {
		t.Error("ps-rule.yaml leaves the compiler five seconds")
	}
}
