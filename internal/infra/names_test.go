package infra_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// rule is Azure's rule for the names of a resource type.
// Source: learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
type rule struct {
	most  int
	chars *regexp.Regexp
}

var (
	hyphens = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	network = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)
	small   = regexp.MustCompile(`^[a-z0-9]+$`)
	plain   = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	labels  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	loose   = regexp.MustCompile(`^[^#<>%&:\\?/@{}*+|]*[^#<>%&:\\?/@{}*+|. ]$`)
	domain  = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	anyText = regexp.MustCompile(`^[^/]+$`)
)

// rules: the host keeps locks under the first 32 characters of an app's name, so that
// longer names of two apps could meet.
// Source: learn.microsoft.com/azure/azure-functions/storage-considerations#avoiding-host-id-collisions
var rules = map[string]rule{
	"Microsoft.Web/sites":                                                  {32, hyphens},
	"Microsoft.Web/sites/config":                                           {60, plain},
	"Microsoft.Web/sites/basicPublishingCredentialsPolicies":               {60, plain},
	"Microsoft.Web/serverfarms":                                            {60, hyphens},
	"Microsoft.Storage/storageAccounts":                                    {24, small},
	"Microsoft.Storage/storageAccounts/blobServices":                       {7, small},
	"Microsoft.Storage/storageAccounts/queueServices":                      {7, small},
	"Microsoft.Storage/storageAccounts/tableServices":                      {7, small},
	"Microsoft.Storage/storageAccounts/blobServices/containers":            {63, labels},
	"Microsoft.Insights/components":                                        {260, loose},
	"Microsoft.Insights/metricAlerts":                                      {260, loose},
	"Microsoft.Insights/scheduledQueryRules":                               {260, loose},
	"Microsoft.Insights/actionGroups":                                      {260, loose},
	"Microsoft.Insights/diagnosticSettings":                                {260, loose},
	"Microsoft.Insights/dataCollectionRules":                               {64, loose},
	"Microsoft.Insights/dataCollectionRuleAssociations":                    {64, loose},
	"Microsoft.Insights/workbooks":                                         {36, anyText},
	"Microsoft.OperationalInsights/workspaces":                             {63, hyphens},
	"Microsoft.Monitor/accounts":                                           {44, hyphens},
	"Microsoft.ManagedIdentity/userAssignedIdentities":                     {128, network},
	"Microsoft.Authorization/roleAssignments":                              {36, hyphens},
	"Microsoft.Authorization/roleDefinitions":                              {36, hyphens},
	"Microsoft.ContainerRegistry/registries":                               {50, plain},
	"Microsoft.KeyVault/vaults":                                            {24, hyphens},
	"Microsoft.KeyVault/vaults/secrets":                                    {127, hyphens},
	"Microsoft.ContainerService/managedClusters":                           {63, network},
	"Microsoft.ContainerService/managedClusters/agentPools":                {12, small},
	"Microsoft.ContainerService/managedClusters/maintenanceConfigurations": {63, plain},
	"Microsoft.EventGrid/systemTopics":                                     {50, hyphens},
	"Microsoft.EventGrid/systemTopics/eventSubscriptions":                  {64, hyphens},
	"Microsoft.EventGrid/topics":                                           {50, hyphens},
	"Microsoft.Resources/resourceGroups":                                   {90, regexp.MustCompile(`^[\w().-]*[\w()-]$`)},
	"Microsoft.Compute/virtualMachines":                                    {64, network},
	"Microsoft.Compute/virtualMachines/extensions":                         {80, network},
	"Microsoft.Network/applicationGateways":                                {80, network},
	"Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies":   {80, network},
	"Microsoft.Network/publicIPAddresses":                                  {80, network},
	"Microsoft.Network/virtualNetworks":                                    {64, network},
	"Microsoft.Network/virtualNetworks/subnets":                            {80, network},
	"Microsoft.Network/virtualNetworks/virtualNetworkPeerings":             {80, network},
	"Microsoft.Network/networkSecurityGroups":                              {80, network},
	"Microsoft.Network/networkInterfaces":                                  {80, network},
	"Microsoft.Network/natGateways":                                        {80, network},
	"Microsoft.Network/routeTables":                                        {80, network},
	"Microsoft.Network/privateEndpoints":                                   {64, network},
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups":              {80, network},
	"Microsoft.Network/privateDnsZones":                                    {63, domain},
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks":                {80, network},
	"Microsoft.Network/privateDnsZones/A":                                  {63, anyText},
	"Microsoft.Network/bastionHosts":                                       {80, network},
	"Microsoft.Network/trafficManagerProfiles":                             {63, hyphens},
	"Microsoft.Network/trafficManagerProfiles/azureEndpoints":              {260, anyText},
	"deployment": {64, regexp.MustCompile(`^[\w.()-]+$`)},
}

func TestNamesKeepAzuresRulesForTheLongestParameters(t *testing.T) {
	for _, traced := range []bool{false, true} {
		(&sampler{files: load(t), traced: traced}).names(t)
	}
}

func (s *sampler) names(t *testing.T) {
	t.Helper()
	for _, f := range s.files {
		for _, d := range f.resources() {
			if !d.existing {
				s.check(t, f, d, before(d.kind, "@"))
			}
		}
		for _, d := range f.decls {
			if d.word == "module" {
				s.check(t, f, d, "deployment")
			}
		}
	}
}

// TestAModuleLimitsItsParametersToItsResourceNames: names of the maximum length are valid.
func TestAModuleLimitsItsParametersToItsResourceNames(t *testing.T) {
	s := &sampler{files: load(t)}
	for _, caller := range s.files {
		for _, m := range caller.decls {
			target := s.files[s.target(caller, m.name)]
			if m.word != "module" || target == nil {
				continue
			}
			for _, d := range target.decls {
				most, limited := s.typed(d.about, d.kind).(string)
				text, _ := s.given(caller, m, target, d).(string)
				if d.word == "param" && limited && len(text) > len(most) {
					t.Errorf("%s:%d: %s of %s can get %d characters long (%s), it takes %d", caller.path, m.line, d.name, m.name, len(text), text, len(most))
				}
			}
		}
	}
}

func (s *sampler) check(t *testing.T, f *file, d *decl, kind string) {
	t.Helper()
	limits, known := rules[kind]
	if !known {
		t.Errorf("%s:%d: the rules of names of %s are not known here: add them", f.path, d.line, kind)
		return
	}
	name := object(d.body).get("name")
	for _, at := range s.places(f, d) {
		text, ok := s.value(at, name).(string)
		switch {
		case !ok:
			t.Errorf("%s:%d: how long the name of %s can get is not known: give the parameters that it is made of a @maxLength", f.path, d.line, d.name)
			return
		case len(text) > limits.most:
			t.Errorf("%s:%d: the name of %s can get %d characters long (%s), %s may have %d", f.path, d.line, d.name, len(text), text, kind, limits.most)
			return
		case !limits.chars.MatchString(text):
			t.Errorf("%s:%d: the name of %s can be %q, which %s may not have", f.path, d.line, d.name, text, kind)
			return
		}
	}
}

// places are where a resource's body stands: once for each element of its loop.
func (s *sampler) places(f *file, d *decl) []place {
	at := place{file: f}
	if d.body == nil || d.body.kind != 'f' {
		return []place{at}
	}
	var all []place
	list, _ := s.value(at, d.body.kids[0]).([]any)
	for i, element := range list {
		inner := at.with(d.body.text, element)
		for _, index := range d.body.keys {
			inner = inner.with(index, fmt.Sprint(i))
		}
		all = append(all, inner)
	}
	if len(all) == 0 { // the loop is over a parameter
		all = append(all, at)
	}
	return all
}

func TestALongerNameIsNoticed(t *testing.T) {
	for expression, want := range map[string]int{
		"'st${name}${take(uniqueString('a'), 10)}'":       24,
		"'${name}-${given}'":                              12 + 1 + 50,
		"empty(name) ? 'ab' : '${name}${'${name}'}'":      24,
		"toLower(last([for c in ['a', 'bcd']: '${c}-']))": 4,
		"of.?label ?? name":                               12,
		"list[1].text":                                    5,
		"unknown(name)":                                   -1,
	} {
		decls, err := parse("@maxLength(12)\nparam name string\n@maxLength(50)\nparam given string = 'x'\nparam of object\n" +
			"var list = [{ text: 'a' }, { text: '${'abc'}de' }]\nvar tested = " + expression + "\n")
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		f := &file{path: "x.bicep", decls: decls}
		s := &sampler{files: map[string]*file{"x.bicep": f}}
		got := -1
		if text, ok := s.value(place{file: f}, f.find("var", "tested").body).(string); ok {
			got = len(strings.TrimSpace(text))
		}
		if got != want {
			t.Errorf("%s: %d characters, want %d", expression, got, want)
		}
	}
}
