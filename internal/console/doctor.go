package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
)

// doctor makes every check of an app, or, without one, of what all apps share.
func (c *console) doctor(r *call) (answer, error) {
	d := api.Doctor{App: r.app, At: c.Now().UTC(), Checks: []api.Check{}}
	if r.app == "" {
		d.Checks = append(d.Checks, c.file(), c.clock(r, &d))
	}
	examined, err := c.Engine.Examine(r.Context(), r.app)
	if err != nil {
		return answer{}, err
	}
	for _, x := range examined {
		d.Checks = append(d.Checks, checksOf(x)...)
	}
	c.name(r, d.Checks)
	var text strings.Builder
	for _, check := range d.Checks {
		text.WriteString(line(check.Name+" ("+check.Target+")", strings.TrimSuffix(cmp.Or(check.Reason, string(check.State))+"; "+check.Fix, "; ")))
	}
	return answer{http.StatusOK, d, text.String()}, nil
}

// file is the check of the whole configuration.
func (c *console) file() api.Check {
	check := api.Check{Name: "configuration", Target: "bluegreen.yaml", State: api.CheckOK}
	if len(c.Problems) > 0 {
		check.State, check.Reason = api.CheckProblem, strings.Join(c.Problems, "; ")
		check.Fix = "correct bluegreen.yaml until bluegreen config check bluegreen.yaml finds nothing, then deploy it with make package and scripts/publish.sh"
	}
	return check
}

// clock is the check of the clock tick.
func (c *console) clock(r *call, d *api.Doctor) api.Check {
	check := api.Check{Name: "clock", Target: "clock-tick", State: api.CheckOK}
	at, silence := c.lastTick(r.Context())
	d.LastTick = at
	if silence != "" {
		cause, fix, _ := strings.Cut(silence, "; ")
		check.State, check.Reason, check.Fix = api.CheckProblem, cause, fix
	}
	return check
}

// name puts the object id of the identity into the commands that need it.
func (c *console) name(r *call, checks []api.Check) {
	needed := slices.ContainsFunc(checks, func(c api.Check) bool { return strings.Contains(c.Fix, engine.ObjectID) })
	if !needed || c.ObjectID == nil {
		return
	}
	if id := c.ObjectID(r.Context()); id != "" {
		for i := range checks {
			checks[i].Fix = strings.ReplaceAll(checks[i].Fix, engine.ObjectID, id)
		}
	}
}

// mostReason bounds a reason, in characters: some come from pods and services.
const mostReason = 1000

// checksOf are the checks of an examination: one for each problem, or one that is ok.
func checksOf(x engine.Examined) (checks []api.Check) {
	as := func(state api.CheckState, reason, fix string) {
		reason = cut(strings.Join(strings.Fields(reason), " "), mostReason)
		checks = append(checks, api.Check{Name: x.Check, Target: x.Target, State: state, Reason: reason, Fix: fix})
	}
	for _, f := range x.Found {
		state := api.CheckProblem
		if f.Warning {
			state = api.CheckWarning
		}
		cause, fix := f.Parts()
		as(state, cause, fix)
	}
	if x.Err != nil {
		as(api.CheckUnknown, x.Err.Error(), "")
	}
	if len(checks) == 0 {
		as(api.CheckOK, "", "")
	}
	return checks
}
