package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bluegreen/internal/release"
)

// Examination is one check of what an app needs. It only reads, and may be repeated at any time.
type Examination struct {
	Check  string // its name, such as "gateway"
	Target string // what it looks at
	// Run returns one finding for each problem. An error means that it is unknown whether there
	// are any others.
	Run func(ctx context.Context) ([]Finding, error)
}

// Examined is what an examination has found; Err is why that is not known, or not in whole.
type Examined struct {
	Check, Target string
	Found         []Finding
	Err           error
}

// examineTime bounds one examination, and with it all of them, which run at once.
const examineTime = 20 * time.Second

// Examine makes every check of an app now, or, for "", those of what all apps share. Callers that
// ask at the same time get one answer. Errors: ErrNotFound.
func (e *Engine) Examine(ctx context.Context, name string) ([]Examined, error) {
	all := e.Examinations
	if name != "" {
		app, ok := e.apps[name]
		if !ok {
			return nil, fmt.Errorf("app %q: %w", name, ErrNotFound)
		}
		all = e.examinations(app)
	}
	answer := e.examining.DoChan(name, func() (any, error) {
		return examined(context.WithoutCancel(ctx), all), nil
	})
	select {
	case a := <-answer:
		return a.Val.([]Examined), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func examined(ctx context.Context, all []Examination) []Examined {
	ctx, cancel := context.WithTimeoutCause(ctx, examineTime, fmt.Errorf("no answer within %s", examineTime))
	defer cancel()
	results := make([]Examined, len(all))
	var group sync.WaitGroup
	for i, x := range all {
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil { // here it would end the process
					results[i] = Examined{Check: x.Check, Target: x.Target, Err: fmt.Errorf("the check panicked: %v", p)}
				}
			}()
			found, err := x.Run(ctx)
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			results[i] = Examined{Check: x.Check, Target: x.Target, Found: found, Err: err}
		})
	}
	group.Wait()
	return results
}

type examine = func(context.Context) ([]Finding, error)

// inTurn goes on to the next only where nothing was found that explains what that would find.
func inTurn(all ...examine) examine {
	return func(ctx context.Context) (found []Finding, _ error) {
		for _, next := range all {
			more, err := next(ctx)
			found = append(found, more...)
			if err != nil || slices.ContainsFunc(more, func(f Finding) bool { return !f.Warning }) {
				return found, err
			}
		}
		return found, nil
	}
}

// examinations are those of an app: what a preflight checks, each part apart, and beside it what
// only an operator asks for.
func (e *Engine) examinations(app *App) []Examination {
	all := []Examination{{"configuration", "bluegreen.yaml", app.configured}}
	if len(app.Problems) > 0 {
		return all
	}
	add := func(check, target string, run examine) {
		all = append(all, Examination{check, target, run})
	}
	add("state", app.Name, func(ctx context.Context) ([]Finding, error) { return e.examineState(ctx, app) })
	gateway := described(app.Gateway, "the gateway")
	looks := []examine{func(ctx context.Context) ([]Finding, error) { return e.examineHealth(ctx, app) }}
	if p, ok := app.Gateway.(Preflight); ok {
		looks = slices.Insert(looks, 0, p.Preflight)
	}
	add("gateway", gateway, inTurn(looks...))
	if p, ok := app.Gateway.(Entitled); ok {
		add("gateway rights", gateway, p.Lacking)
	}
	byColor, apart := app.Workloads.(ByColor)
	for _, c := range []release.Color{release.Blue, release.Green} {
		pods := func(ctx context.Context) ([]Finding, error) { return e.examinePods(ctx, app, c) }
		if !apart {
			add("workloads", string(c), pods)
			continue
		}
		add("workloads", string(c)+": "+byColor.Place(c), inTurn(
			func(ctx context.Context) ([]Finding, error) { return byColor.Reach(ctx, c) },
			func(ctx context.Context) ([]Finding, error) { return byColor.PreflightOf(ctx, c) }, pods))
	}
	if p, ok := app.Registry.(Preflight); ok {
		add("registry", app.Repository, p.Preflight)
	}
	for _, check := range slices.Compact(slices.Clone(app.Before)) {
		if p, ok := check.(Preflight); ok {
			add("verify", described(check, "a check"), p.Preflight)
		}
	}
	for _, check := range slices.Compact(slices.Clone(app.During)) {
		looks := []examine{func(ctx context.Context) ([]Finding, error) { return e.examineUsers(ctx, app, check) }}
		if p, ok := check.(Preflight); ok {
			looks = slices.Insert(looks, 0, p.Preflight)
		}
		if c, ok := check.(Certified); ok {
			looks = append(looks, func(ctx context.Context) ([]Finding, error) { return e.examineCertificate(ctx, app, c) })
		}
		add("confirm", described(check, "a check"), inTurn(looks...))
	}
	return all
}

func described(port any, otherwise string) string {
	if s, ok := port.(fmt.Stringer); ok {
		return s.String()
	}
	return otherwise
}

// configured examines what was read of the app's configuration.
func (a *App) configured(context.Context) (found []Finding, _ error) {
	const fix = "correct bluegreen.yaml until bluegreen config check bluegreen.yaml finds nothing, then deploy it with make package and scripts/publish.sh"
	for _, text := range slices.Concat(a.Problems, a.Held) {
		found = append(found, Finding{Text: text, Fix: fix})
	}
	for _, text := range a.Unusable {
		found = append(found, Finding{Text: text, Fix: "set what is named, as secretSettings in bicep/controller.bicepparam or with az functionapp config appsettings set, and the next release starts"})
	}
	for _, text := range a.Warnings {
		found = append(found, Finding{Text: text, Fix: "see docs/bluegreen.schema.json for the key, and bluegreen config check bluegreen.yaml", Warning: true})
	}
	return found, nil
}

// examineState reports what the status of the app asks an operator for, and what holds releases: the
// installation may be as it should be, and a release wait for a person.
func (e *Engine) examineState(ctx context.Context, app *App) (found []Finding, _ error) {
	v, err := e.View(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	if len(app.held()) == 0 { // which ask for an operator too
		for _, n := range v.Status.Needs {
			helps := []string{"bluegreen status " + app.Name}
			if len(n.Helps) > 0 {
				helps = nil
			}
			for _, r := range n.Helps {
				helps = append(helps, r.Line(app.Name)+" ("+r.Does+")")
			}
			found = append(found, Finding{Text: n.Why, Fix: strings.Join(helps, ", or "), Warning: true})
		}
		for _, why := range v.Status.Held {
			found = append(found, Finding{Text: "no release starts: " + why, Fix: "bluegreen resume " + app.Name + ", once that is meant", Warning: true})
		}
	}
	for _, p := range v.Channels {
		if !p.Failing.IsZero() {
			found = append(found, Finding{Text: p.String(), Fix: "correct notify.channels or its NOTIFY_ setting: docs/notifications.md", Warning: true})
		}
	}
	return found, nil
}

// examinePods looks at what a color runs. The color with the users has to be whole; the other one
// may be on its way, and at rest be scaled down.
func (e *Engine) examinePods(ctx context.Context, app *App, c release.Color) ([]Finding, error) {
	w, err := app.Workloads.Observe(ctx, c, release.Image{}, 0)
	if errors.Is(err, ErrDenied) {
		return []Finding{Denied(err)}, nil
	}
	v, unread := e.View(ctx, app.Name)
	if err := errors.Join(err, unread); err != nil {
		return nil, err
	}
	if v.State.Serving.Color != c || w.Status == release.Complete {
		return nil, nil
	}
	return []Finding{{Text: fmt.Sprintf("%s has the users, and not all of its pods are ready: %s", c, w.Detail),
		Fix: fmt.Sprintf("look at the pods with kubectl get pods, or leave the color with bluegreen failover %s", app.Name)}}, nil
}

// examineHealth asks for the gateway's own view of both colors. At rest the one without users may
// be scaled down, and is then not healthy.
func (e *Engine) examineHealth(ctx context.Context, app *App) (found []Finding, _ error) {
	v, err := e.View(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, c := range []release.Color{release.Blue, release.Green} {
		h, err := app.Gateway.Health(ctx, c)
		switch {
		case errors.Is(err, ErrDenied):
			found = append(found, Denied(err))
		case err != nil:
			return found, err
		case h.Unknown:
			return found, fmt.Errorf("the gateway does not say whether %s is healthy: %s", c, h.Detail)
		case !h.Healthy && v.State.Serving.Color == c:
			found = append(found, Finding{Text: fmt.Sprintf("the gateway does not find %s healthy, which has the users: %s", c, h.Detail),
				Fix: "compare the probe with what the pods answer, or leave the color with bluegreen failover " + app.Name})
		}
	}
	return found, nil
}

// examineUsers makes a check of what users get, once.
func (e *Engine) examineUsers(ctx context.Context, app *App, check Check) ([]Finding, error) {
	v, err := e.View(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	live := v.State.Serving
	if live.Color == "" {
		return nil, errors.New("no color is known to have the users yet")
	}
	result := check.Run(ctx, Subject{Color: live.Color, Image: live.Image})
	switch result.Verdict {
	case release.Passed:
		return nil, nil
	case release.Unknown:
		return nil, errors.New(result.Detail)
	}
	return []Finding{{Text: fmt.Sprintf("what users get of %s is not as confirm in bluegreen.yaml expects: %s", live.Color, result.Detail),
		Fix: "open the address, then correct what answers there, or confirm"}}, nil
}

// renewal is how long before its end a certificate should have been renewed.
const renewal = 14 * 24 * time.Hour

// examineCertificate looks at the end of the certificate that users are shown.
func (e *Engine) examineCertificate(ctx context.Context, app *App, check Certified) ([]Finding, error) {
	v, err := e.View(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	until, err := check.Certificate(ctx, Subject{Color: v.State.Serving.Color, Image: v.State.Serving.Image})
	if err != nil || until.IsZero() || until.Sub(e.Now()) > renewal {
		return nil, err
	}
	return []Finding{{
		Text:    fmt.Sprintf("the certificate that users are shown ends on %s", until.UTC().Format("2 Jan 2006 at 15:04 UTC")),
		Fix:     "renew it in its key vault, where the gateway looks every four hours, or az network application-gateway ssl-cert update --gateway-name GATEWAY --resource-group GROUP --name CERTIFICATE --cert-file FILE",
		Warning: true,
	}}, nil
}
