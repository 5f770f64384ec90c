package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/api"
)

// azureTime bounds one call of az, which takes some seconds to start.
const azureTime = time.Minute

// leftOut are the checks that only an operator's sign-in to Azure can make.
const leftOut = "function app, host, event subscription, action group, alert rules"

// azure asks Azure with the operator's own sign-in of az, as text of Azure Resource Manager, which
// is the same in each version of az. It only reads.
type azure struct {
	subscription string
	site         webSite
	apps         []configured
	unread       []api.Check // of apps whose configuration cannot be read
}

// configured is what the app says of the configuration of an app.
type configured struct {
	name, registry, repository string
	rules                      []string // of its alerts
}

// webSite is the Function app.
type webSite struct {
	ID         string
	Name       string
	Properties struct {
		State             string
		DefaultHostName   string
		HostNames         []string
		FunctionAppConfig *struct {
			Runtime struct{ Name, Version string }
		}
	}
}

func (s webSite) group() string { return groupOf(s.ID) }

// groupOf is the resource group of a resource id.
func groupOf(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) < 5 {
		return "GROUP"
	}
	return parts[4]
}

// serves reports whether the app has a host name.
func (s webSite) serves(host string) bool {
	return slices.ContainsFunc(append([]string{s.Properties.DefaultHostName}, s.Properties.HostNames...), func(own string) bool { return strings.EqualFold(own, host) })
}

// examineAzure makes the checks of what the app's identity does not see. Where they cannot be made
// they are not known, which says how to have them.
func (r *remote) examineAzure(ctx context.Context, apps []string) (checks []api.Check, try []string) {
	az, check := r.findAzure(ctx, apps)
	if check != nil {
		return []api.Check{*check}, nil
	}
	parts := make([][]api.Check, 4)
	var group sync.WaitGroup
	for i, examine := range []func(context.Context) []api.Check{az.functionApp, az.host, az.events} {
		group.Go(func() { parts[i] = examine(ctx) })
	}
	group.Go(func() { parts[3], try = az.alerts(ctx) })
	group.Wait()
	return slices.Concat(slices.Concat(parts...), az.unread), try
}

// findAzure finds the Function app; the check says why there is none.
func (r *remote) findAzure(ctx context.Context, apps []string) (*azure, *api.Check) {
	unmade := func(reason, fix string) *api.Check {
		return &api.Check{Name: "azure", Target: leftOut, State: api.CheckUnknown, Reason: reason, Fix: fix}
	}
	at, err := url.Parse(r.address())
	if err != nil {
		return nil, unmade(r.address()+" is no address", "give one: BLUEGREEN_URL=https://NAME.azurewebsites.net")
	}
	if _, err := exec.LookPath("az"); err != nil {
		return nil, unmade("az is not installed", "install Azure CLI (https://learn.microsoft.com/cli/azure/install-azure-cli), az login, and run bluegreen doctor again")
	}
	var account struct{ ID, EnvironmentName string }
	if err := run(ctx, &account, "account", "show"); err != nil {
		return nil, unmade("az is not signed in: "+err.Error(), "az login, then az account set --subscription SUBSCRIPTION, and run bluegreen doctor again")
	}
	a := &azure{subscription: account.ID}
	settings, errs := make([]api.Configuration, len(apps)), make([]error, len(apps))
	abreast(apps, func(n int, name string) { settings[n], errs[n] = r.client().Configuration(ctx, name) })
	for n, name := range apps {
		switch {
		case errs[n] == nil:
			a.apps = append(a.apps, configuredOf(name, settings[n]))
		case len(apps) == 1:
			return nil, unmade("the configuration of "+name+" cannot be read: "+errs[n].Error(), "bluegreen status "+name)
		default: // it hides no other
			a.unread = append(a.unread, api.Check{Name: "azure", Target: name, State: api.CheckUnknown, Reason: "its configuration cannot be read: " + errs[n].Error(), Fix: "bluegreen status APP"})
		}
	}
	sites, err := list[webSite](ctx, a, "Microsoft.Web/sites", "2025-03-01")
	if err != nil {
		return nil, unmade(err.Error(), reader(a.subscription))
	}
	for _, s := range sites {
		if s.serves(at.Hostname()) {
			a.site = s
			return a, nil
		}
	}
	return nil, unmade(fmt.Sprintf("no Function app of subscription %s has the host name %s", a.subscription, at.Hostname()), "az account set --subscription SUBSCRIPTION, with that of the app, and run bluegreen doctor again")
}

var ruleKey = regexp.MustCompile(`^alerts\[\d+\]\.rule$`)

func configuredOf(name string, c api.Configuration) configured {
	a := configured{name: name}
	for _, s := range c.Settings {
		switch {
		case s.Key == "image.registry":
			a.registry = s.Value
		case s.Key == "image.repository":
			a.repository = s.Value
		case ruleKey.MatchString(s.Key):
			a.rules = append(a.rules, s.Value)
		}
	}
	return a
}

func reader(subscription string) string {
	return "sign in as someone who may read there, with the role Reader: az role assignment create --assignee USER --role Reader --scope /subscriptions/" + subscription
}

// run runs az and reads what it prints.
func run(ctx context.Context, into any, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, azureTime)
	defer cancel()
	command := exec.CommandContext(ctx, "az", append(args, "--output", "json", "--only-show-errors")...)
	command.WaitDelay = time.Second
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("az gave no answer within %s", azureTime)
	case err != nil:
		return errors.New(firstLine(cmp.Or(strings.TrimSpace(errs.String()), err.Error())))
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fmt.Errorf("what az %s printed cannot be read: %w", args[0], err)
	}
	return nil
}

// mostLine bounds the text of an error of az, in characters.
const mostLine = 300

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(text, "ERROR: "), "\n")
	if runes := []rune(line); len(runes) > mostLine {
		return string(runes[:mostLine]) + "…"
	}
	return line
}

// get reads a resource by its path.
func get[T any](ctx context.Context, path, version string) (answer T, err error) {
	err = run(ctx, &answer, "rest", "--method", "get", "--uri", path+"?api-version="+version)
	return answer, err
}

// page is one page of a list of Azure Resource Manager.
type page[T any] struct {
	Value    []T
	NextLink string
}

const mostPages = 50

// listAt reads all pages of a list.
func listAt[T any](ctx context.Context, path, version string) (all []T, err error) {
	p, err := get[page[T]](ctx, path, version)
	for n := 1; err == nil; n++ {
		all = append(all, p.Value...)
		next := p.NextLink
		if next == "" || n == mostPages {
			return all, nil
		}
		p = page[T]{}
		err = run(ctx, &p, "rest", "--method", "get", "--uri", next)
	}
	return nil, fmt.Errorf("%s cannot be read: %w", path, err)
}

// once reads each list one time, however many apps ask for it.
func once[T any](read func(path string) ([]T, error)) func(path string) ([]T, error) {
	known := map[string]func() ([]T, error){}
	return func(path string) ([]T, error) {
		if known[path] == nil {
			known[path] = sync.OnceValues(func() ([]T, error) { return read(path) })
		}
		return known[path]()
	}
}

// list reads all resources of a type in the subscription.
func list[T any](ctx context.Context, a *azure, kind, version string) ([]T, error) {
	return listAt[T](ctx, "/subscriptions/"+a.subscription+"/providers/"+kind, version)
}

// verdicts collects the checks of one name.
type verdicts struct {
	name   string
	checks []api.Check
}

func (v *verdicts) add(state api.CheckState, target, fix, format string, args ...any) {
	v.checks = append(v.checks, api.Check{Name: v.name, Target: target, State: state, Reason: fmt.Sprintf(format, args...), Fix: fix})
}

// unread says that something could not be read.
func (v *verdicts) unread(a *azure, target string, err error) {
	v.add(api.CheckUnknown, target, reader(a.subscription), "%s", err)
}

// sound adds that a target is well, where nothing was found of it.
func (v *verdicts) sound(target string) []api.Check {
	if !slices.ContainsFunc(v.checks, func(c api.Check) bool { return c.Target == target }) {
		v.checks = append(v.checks, api.Check{Name: v.name, Target: target, State: api.CheckOK})
	}
	return v.checks
}
