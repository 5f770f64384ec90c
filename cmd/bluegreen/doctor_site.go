package main

import (
	"context"
	"slices"
	"strings"

	"bluegreen/internal/api"
)

// functionNames are the functions of the package.
var functionNames = []string{"act", "alert-fired", "alerts", "clock-tick", "image-pushed", "look", "release-step", "signed-in", "ui"}

// functionApp examines the Function app: that it runs, with a custom handler, all functions, and
// its settings, of which only the names are read.
func (a *azure) functionApp(ctx context.Context) []api.Check {
	s, v := a.site, verdicts{name: "function app"}
	here := "--resource-group " + s.group() + " --name " + s.Name
	if !strings.EqualFold(s.Properties.State, "Running") {
		v.add(api.CheckProblem, s.Name, "az functionapp start "+here, "the Function app is %s", s.Properties.State)
	}
	a.runtime(ctx, &v, here)
	a.settings(ctx, &v, here)
	a.functions(ctx, &v, here)
	return v.sound(s.Name)
}

// runtime is where the plan says it, or in two settings, whose values are no secrets.
func (a *azure) runtime(ctx context.Context, v *verdicts, here string) {
	if c := a.site.Properties.FunctionAppConfig; c != nil {
		if c.Runtime.Name != "custom" {
			v.add(api.CheckProblem, a.site.Name, "deploy bicep/modules/app.bicep, whose line is runtime: { name: 'custom', version: '1.0' }", "its runtime is %q, not custom", c.Runtime.Name)
		}
		return
	}
	var found []struct{ Name, Value string }
	if err := run(ctx, &found, append(settingsOf(a.site), "[?name=='FUNCTIONS_WORKER_RUNTIME' || name=='FUNCTIONS_EXTENSION_VERSION'].{name:name, value:value}")...); err != nil {
		v.unread(a, a.site.Name, err)
		return
	}
	has := map[string]string{}
	for _, f := range found {
		has[f.Name] = f.Value
	}
	for name, want := range map[string]string{"FUNCTIONS_WORKER_RUNTIME": "custom", "FUNCTIONS_EXTENSION_VERSION": "~4"} {
		if has[name] != want {
			v.add(api.CheckProblem, a.site.Name, "az functionapp config appsettings set "+here+" --settings "+name+"="+want, "the setting %s is %q, not %s", name, has[name], want)
		}
	}
}

// settingsOf are the arguments of az for a query of the settings.
func settingsOf(s webSite) []string {
	return []string{"functionapp", "config", "appsettings", "list", "--resource-group", s.group(), "--name", s.Name, "--query"}
}

// storageSettings are the forms of the storage account: one of them has to be there whole.
var storageSettings = [][]string{
	{"AzureWebJobsStorage__accountName"}, {"AzureWebJobsStorage"}, {"AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri"},
}

func (a *azure) settings(ctx context.Context, v *verdicts, here string) {
	var names []string
	if err := run(ctx, &names, append(settingsOf(a.site), "[].name")...); err != nil {
		v.unread(a, a.site.Name, err)
		return
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	if !slices.ContainsFunc(storageSettings, func(form []string) bool {
		return !slices.ContainsFunc(form, func(name string) bool { return !has(name) })
	}) {
		v.add(api.CheckProblem, a.site.Name, "az functionapp config appsettings set "+here+" --settings AzureWebJobsStorage__accountName=ACCOUNT AzureWebJobsStorage__credential=managedidentity AzureWebJobsStorage__clientId=CLIENT-ID, as bicep/modules/app.bicep does",
			"no setting names the storage account (AzureWebJobsStorage__accountName)")
	}
	if has("AzureWebJobsStorage__clientId") && !has("AZURE_CLIENT_ID") {
		v.add(api.CheckProblem, a.site.Name, "az functionapp config appsettings set "+here+" --settings AZURE_CLIENT_ID=CLIENT-ID, as bicep/modules/app.bicep does",
			"the setting AZURE_CLIENT_ID is missing, so that the app does not use its user-assigned identity")
	}
}

func (a *azure) functions(ctx context.Context, v *verdicts, here string) {
	found, err := listAt[struct {
		Properties struct {
			Name       string
			IsDisabled bool
		}
	}](ctx, a.site.ID+"/functions", "2025-03-01")
	if err != nil {
		v.unread(a, a.site.Name, err)
		return
	}
	var lacking []string
	for _, name := range functionNames {
		there := false
		for _, f := range found {
			if f.Properties.Name != name {
				continue
			}
			if there = true; f.Properties.IsDisabled {
				v.add(api.CheckProblem, a.site.Name, "az functionapp config appsettings delete "+here+" --setting-names AzureWebJobs."+name+".Disabled", "the function %s is disabled", name)
			}
		}
		if !there {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		v.add(api.CheckProblem, a.site.Name, "make package, then scripts/publish.sh", "the app has no function %s", strings.Join(lacking, ", "))
	}
}

// host examines the Functions host, which an instance answers for.
func (a *azure) host(ctx context.Context) []api.Check {
	v, name := verdicts{name: "host"}, a.site.Name
	status, err := get[struct {
		State, Version string
		Errors         []string
	}](ctx, a.site.ID+"/hostruntime/admin/host/status", "2025-03-01")
	here := " --resource-group " + a.site.group() + " --name " + name
	switch {
	case err != nil:
		v.add(api.CheckUnknown, name, "az webapp log tail"+here+"; the role Website Contributor on the app may ask its host", "the host does not say how it is: %s", err)
	case len(status.Errors) > 0:
		v.add(api.CheckProblem, name, "az webapp log tail"+here, "the host reports: %s", firstLine(strings.Join(status.Errors, "; ")))
	case status.State != "Running":
		v.add(api.CheckProblem, name, "az functionapp restart"+here, "the host is %s, not Running", status.State)
	}
	if err == nil && !strings.HasPrefix(status.Version, "4.") {
		v.add(api.CheckProblem, name, "az functionapp config appsettings set"+here+" --settings FUNCTIONS_EXTENSION_VERSION=~4", "the host has version %q, and the package is for version 4", status.Version)
	}
	return v.sound(name)
}
