package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bluegreen/internal/api"
)

const (
	eventsVersion = "2025-02-15"
	imagePushed   = "Microsoft.ContainerRegistry.ImagePushed"
)

// named is a resource of which only its id and some properties matter.
type named[T any] struct {
	ID, Name, Location string
	Properties         T
}

// eventSubscription is one of Event Grid.
type eventSubscription = named[struct {
	ProvisioningState string
	Destination       struct {
		EndpointType string
		Properties   struct{ ResourceID string }
	}
	Filter struct {
		IncludedEventTypes []string
		SubjectBeginsWith  string
		SubjectEndsWith    string
		AdvancedFilters    []struct {
			OperatorType, Key string
			Values            []any
		}
	}
	DeadLetterDestination          *struct{}
	DeadLetterWithResourceIdentity *struct{ DeadLetterDestination *struct{} }
}]

// events examines how pushes to each registry reach the app.
func (a *azure) events(ctx context.Context) (checks []api.Check) {
	v := verdicts{name: "event subscription"}
	registries, err := list[named[struct{ LoginServer string }]](ctx, a, "Microsoft.ContainerRegistry/registries", "2025-04-01")
	if err != nil {
		v.unread(a, "registry", err)
		return v.checks
	}
	topics, err := list[named[struct{ Source, ProvisioningState string }]](ctx, a, "Microsoft.EventGrid/systemTopics", eventsVersion)
	if err != nil {
		v.unread(a, "system topic", err)
		return v.checks
	}
	subscriptions := once(func(path string) ([]eventSubscription, error) {
		return listAt[eventSubscription](ctx, path, eventsVersion)
	})
	for _, app := range a.apps {
		target := app.repository + " in " + app.registry
		at := slices.IndexFunc(registries, func(r named[struct{ LoginServer string }]) bool {
			return strings.EqualFold(r.Properties.LoginServer, app.registry)
		})
		if at < 0 {
			v.add(api.CheckUnknown, target, "az account set --subscription SUBSCRIPTION, with that of the registry, and run bluegreen doctor again", "subscription %s has no registry %s", a.subscription, app.registry)
			continue
		}
		registry := registries[at]
		found, err := subscriptions(registry.ID + "/providers/Microsoft.EventGrid/eventSubscriptions")
		if err != nil {
			v.unread(a, target, err)
			continue
		}
		of := slices.IndexFunc(topics, func(t named[struct{ Source, ProvisioningState string }]) bool {
			return strings.EqualFold(t.Properties.Source, registry.ID)
		})
		if of >= 0 {
			topic := topics[of]
			if state := topic.Properties.ProvisioningState; state != "Succeeded" {
				v.add(api.CheckProblem, target, "deploy it again with make azure-up", "the system topic %s of the registry is %s", topic.Name, state)
			}
			more, err := subscriptions(topic.ID + "/eventSubscriptions")
			if err != nil {
				v.unread(a, target, err)
				continue
			}
			found = slices.Concat(found, more)
		} else if len(found) == 0 {
			v.add(api.CheckProblem, target, fmt.Sprintf("make azure-up, or az eventgrid system-topic create --name registry-%s --resource-group %s --location %s --topic-type Microsoft.ContainerRegistry.Registries --source %s --identity systemassigned; then scripts/events.sh",
				registry.Name, groupOf(registry.ID), registry.Location, registry.ID), "the registry has no system topic, so that no push is reported")
			continue
		}
		a.delivers(&v, target, app.repository, found)
		v.sound(target)
	}
	return v.checks
}

// delivers examines the subscriptions that lead to the app: one has to have the repository.
func (a *azure) delivers(v *verdicts, target, repository string, all []eventSubscription) {
	const fix = "scripts/events.sh, which deploys bicep/events.bicep"
	wanted := a.site.ID + "/functions/image-pushed"
	var ours []eventSubscription
	astray := false
	for _, s := range all {
		switch to := s.Properties.Destination.Properties.ResourceID; {
		case strings.EqualFold(to, wanted):
			ours = append(ours, s)
		case strings.HasPrefix(strings.ToLower(to), strings.ToLower(a.site.ID)+"/"):
			astray = true
			v.add(api.CheckProblem, target, fix, "the subscription %s delivers to %s, not to the function image-pushed", s.Name, to[len(a.site.ID)+1:])
		}
	}
	switch {
	case len(ours) == 0 && astray:
		return
	case len(ours) == 0:
		v.add(api.CheckProblem, target, fix, "no event subscription of the registry delivers to the function image-pushed of %s", a.site.Name)
		return
	}
	var without []string
	admitted := false
	for _, s := range ours {
		why := refused(s, repository)
		if why != "" {
			without = append(without, s.Name+" "+why)
			continue
		}
		admitted = true
		if state := s.Properties.ProvisioningState; state != "Succeeded" {
			v.add(api.CheckProblem, target, fix, "the subscription %s is %s", s.Name, state)
		}
		if w := s.Properties.DeadLetterWithResourceIdentity; s.Properties.DeadLetterDestination == nil && (w == nil || w.DeadLetterDestination == nil) {
			v.add(api.CheckWarning, target, fix+", whose line is deadLetterWithResourceIdentity", "the subscription %s keeps no dead letters: an event that is not delivered within a day is lost", s.Name)
		}
	}
	if !admitted {
		v.add(api.CheckProblem, target, fix+" with the repositories of bluegreen.yaml", "no subscription lets pushes to %s through: %s", repository, strings.Join(without, "; "))
	}
}

// refused says why a subscription keeps pushes to a repository back; "" where it does not. Event
// Grid ignores case.
func refused(s eventSubscription, repository string) string {
	f, subject := s.Properties.Filter, strings.ToLower(repository+":")
	begins := strings.ToLower(f.SubjectBeginsWith)
	switch {
	case len(f.IncludedEventTypes) > 0 && !slices.ContainsFunc(f.IncludedEventTypes, func(t string) bool { return strings.EqualFold(t, imagePushed) }):
		return "does not include " + imagePushed
	case !strings.HasPrefix(subject, begins) && !strings.HasPrefix(begins, subject):
		return "wants subjects that begin with " + f.SubjectBeginsWith
	}
	for _, filter := range f.AdvancedFilters {
		if strings.EqualFold(filter.Key, "data.target.repository") && !lets(filter.OperatorType, repository, filter.Values) {
			return fmt.Sprintf("has %s %s of %v", filter.Key, filter.OperatorType, filter.Values)
		}
	}
	return ""
}

// lets reports whether a filter of texts lets one through; one that is not known here does.
func lets(operator, text string, values []any) bool {
	kind := strings.Replace(operator, "Not", "", 1)
	matches, known := map[string]func(text, value string) bool{
		"StringIn": func(text, value string) bool { return text == value }, "StringContains": strings.Contains,
		"StringBeginsWith": strings.HasPrefix, "StringEndsWith": strings.HasSuffix,
	}[kind]
	found := known && slices.ContainsFunc(values, func(v any) bool {
		value, ok := v.(string)
		return ok && matches(strings.ToLower(text), strings.ToLower(value))
	})
	return !known || found == (kind == operator)
}
