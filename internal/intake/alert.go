package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/engine"
	"bluegreen/internal/matching"
	"bluegreen/internal/release"
)

const (
	// maxAlert is Azure Monitor's own limit of an alert's payload.
	maxAlert = 256 << 10
	// maxDrained is how much of a body that is too large is read away, so that its sender
	// reads the answer instead of a broken connection.
	maxDrained = 8 << 20
	// An action group may give up after 5 s, and 15 minutes without alerts follow. So the
	// body must have come by bodyTime, be kept by keepTime, and all be answered by answerTime.
	bodyTime   = 2 * time.Second
	keepTime   = 3500 * time.Millisecond
	answerTime = 4500 * time.Millisecond
	// overtime is for calls that return later than their deadline, or never.
	overtime = 500 * time.Millisecond
	// firstSteps is how long the return may be worked on before the answer.
	firstSteps = 4 * time.Second
	// stepTime bounds the first steps, which go on after the answer when one of them hangs.
	stepTime = 30 * time.Second
	// keptAtOnce is for how many apps an alert is stored at the same time, and stepsAtOnce how many
	// take their first steps; the queue goes on with those that are not reached.
	keptAtOnce, stepsAtOnce = 64, 16
	// mostLogged is how many apps of an alert are logged.
	mostLogged = 20
)

// notKept is the result for an app that could not store an alert.
const notKept = "not kept: the storage does not answer as it should"

// answer is the answer to an alert, and who sent it.
type answer struct {
	api.AlertAnswer
	by release.Actor
}

// kept is what became of an alert for one app.
type kept struct {
	api.AlertOfApp
	entry  string
	fresh  bool
	failed error
}

// answered takes the alerts of callers that admit lets in. Trouble that may pass is
// answered 503 and nothing else, since an action group repeats no other call.
func (i *Intake) answered(admit func(*http.Request) (release.Actor, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), answerTime)
		defer cancel()
		a, err := i.alertSafely(ctx, w, r, admit)
		status := http.StatusOK
		switch {
		case err != nil:
			status = api.WriteError(w, r, a.problem(err)).Status
		case a.Result == "accepted":
			status = http.StatusAccepted
		}
		if err == nil {
			api.Write(w, status, a.AlertAnswer)
		}
		i.log(a, err, status, time.Since(began))
	})
}

// problem is the answer to an alert that was refused, or could not be kept. Why the storage
// failed is for the log alone.
func (a answer) problem(err error) *api.Error {
	var known *api.Error
	if errors.As(err, &known) {
		return known
	}
	e := api.Errorf(http.StatusServiceUnavailable, "not-kept", "%s", cmp.Or(a.Result, "the alert could not be kept; it is asked for again"))
	e.Alert = &a.AlertAnswer
	return e
}

// log records a request once.
func (i *Intake) log(a answer, err error, status int, took time.Duration) {
	args := []any{"status", status, "took", took.Round(time.Millisecond).String(), "who", a.by.String(), "actor", api.Actor(a.by)}
	if a.Alert != "" {
		args = append(args, "result", a.Result, "rule", a.Rule, "alert", a.Alert)
	}
	shown := a.Apps
	if len(shown) > mostLogged { // those that did not keep it first
		args = append(args, "apps", len(shown))
		shown = slices.SortedStableFunc(slices.Values(shown), func(a, b api.AlertOfApp) int {
			return cmp.Compare(strings.Index(b.Result, notKept), strings.Index(a.Result, notKept))
		})[:mostLogged]
	}
	for _, app := range shown {
		text := app.Result
		if app.Decision != nil {
			text += ": " + string(app.Decision.Kind) + ": " + app.Decision.Text
		}
		args = append(args, "app."+app.App, text)
	}
	switch {
	case status >= http.StatusInternalServerError:
		i.Log.Error("alert not kept, it is to be sent again", append(args, "error", err)...)
	case err != nil:
		i.Log.Warn("alert refused", append(args, "error", err)...)
	default:
		i.Log.Info("alert answered", args...)
	}
}

// alertSafely makes an error of a panic.
func (i *Intake) alertSafely(ctx context.Context, w http.ResponseWriter, r *http.Request, admit func(*http.Request) (release.Actor, error)) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			a, err = answer{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return i.alert(ctx, w, r, admit)
}

func (i *Intake) alert(ctx context.Context, w http.ResponseWriter, r *http.Request, admit func(*http.Request) (release.Actor, error)) (answer, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return answer{}, api.Errorf(http.StatusMethodNotAllowed, "method", "%s is not answered here: action groups POST their alerts", r.Method)
	}
	by, err := admit(r)
	if err != nil {
		return answer{by: by}, err
	}
	body, err := read(w, r)
	if err != nil {
		return answer{by: by}, err
	}
	alert, err := monitor.Decode(body)
	if err != nil {
		return answer{by: by}, api.Errorf(http.StatusBadRequest, "invalid", "%v", err)
	}
	if err := i.unconfigured(); err != nil {
		return answer{by: by}, err
	}
	a := answer{AlertAnswer: api.AlertAnswer{Alert: alert.ID, Rule: alert.Rule()}, by: by}
	about := i.index.Alert(alert)
	if about.Unwatched {
		if err := i.unknown(); err != nil {
			return a, err
		}
	}
	a.Others = about.Others
	if about.Why != "" {
		a.Result = "ignored: " + about.Why
	} else {
		err = a.conclude(i.accept(ctx, about.Apps, alert, by))
	}
	for _, o := range about.Ignored {
		a.Apps = append(a.Apps, api.AlertOfApp{App: o.App, Result: "ignored: " + o.Why})
	}
	return a, err
}

// read returns the body of a request, if it is small enough and comes in time.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A server that cannot set a deadline is one of tests.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAlert+1))
	if err != nil {
		return nil, api.Errorf(http.StatusRequestTimeout, "body", "the body did not arrive within %s: %v", bodyTime, err)
	}
	if len(body) > maxAlert {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
		return nil, api.Errorf(http.StatusRequestEntityTooLarge, "too-large", "the body has more than %d bytes, the most that an alert has", maxAlert)
	}
	return body, nil
}

// accept keeps the alert for every app, and then takes the first steps of those that did
// not know it. Many are tried at once: no app's storage keeps the alert of another waiting.
func (i *Intake) accept(ctx context.Context, apps []matching.Concern, a monitor.Alert, by release.Actor) []kept {
	answers := make([]kept, len(apps))
	keep, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	late, cancel := context.WithTimeout(ctx, keepTime+overtime) // of all, whenever theirs begins
	defer cancel()
	// Where the time is not enough for all, each delivery begins with other apps.
	first := i.Now().UnixMilli() % int64(max(1, len(apps)))
	turn := func(n int) int { return (n + int(first)) % len(apps) }
	begun := each(keep, len(apps), keptAtOnce, func(n int) { answers[turn(n)] = i.keep(keep, late, apps[turn(n)], a, by) })
	for n := range answers[begun:] {
		n = turn(begun + n)
		answers[n] = kept{AlertOfApp: i.alertOf(apps[n]), failed: context.Cause(keep)}
		answers[n].Result = notKept
	}
	var fresh []*kept
	for n := range answers {
		if answers[n].fresh && answers[n].Note == "" {
			fresh = append(fresh, &answers[n])
		}
	}
	each(ctx, len(fresh), stepsAtOnce, func(n int) { fresh[n].Decision = i.headStart(ctx, fresh[n].App, fresh[n].entry) })
	return answers
}

func (i *Intake) alertOf(c matching.Concern) api.AlertOfApp {
	return api.AlertOfApp{App: c.App.Name, Color: c.Color, About: c.Doubt, Note: i.unserved(c.App.Name)}
}

// keep stores the alert for an app until ctx ends, and does not wait for that after late.
func (i *Intake) keep(ctx, late context.Context, c matching.Concern, a monitor.Alert, by release.Actor) kept {
	out := kept{AlertOfApp: i.alertOf(c)}
	entry := entryOf(c, a, by, i.Now())
	var err error
	out.entry = entry.ID
	out.fresh, err = bounded(late, func() (bool, error) { return i.Engine.Accept(ctx, c.App.Name, entry) })
	switch out.failed = err; {
	case err != nil:
		out.Result = notKept
	case out.fresh:
		out.Result = "accepted"
	default:
		out.Result = "known already"
	}
	return out
}

// entryOf is what an app keeps of an alert.
func entryOf(c matching.Concern, a monitor.Alert, by release.Actor, received time.Time) engine.Entry {
	if !a.Fired {
		return engine.ResolvedEntry(a.ID, release.AlertResolved{ID: a.ID, Rule: a.Rule(), By: by}, received)
	}
	event := c.Fired(a, received)
	event.By = by
	return engine.AlertEntry(a.ID+"|fired", event, received)
}

// headStart works on the app until the answer is due, and returns its decision about
// the entry. A step that hangs goes on without the caller: to break it off in the
// middle of a gateway's change would delay the return.
func (i *Intake) headStart(ctx context.Context, app, id string) *api.Decision {
	entry, err := bounded(ctx, func() (engine.Entry, error) {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if err := i.Engine.Step(own, app, firstSteps); err != nil {
			i.Log.Warn("first steps not taken, the queue goes on", "app", app, "error", err)
		}
		return i.Engine.Accepted(ctx, app, id)
	})
	if err != nil && ctx.Err() == nil {
		i.Log.Warn("first steps not seen, the queue goes on", "app", app, "error", err)
	}
	if err != nil || entry.Decision.IsZero() {
		return nil // it only serves to be shown
	}
	d := api.Decision(entry.Decision)
	return &d
}

// conclude sets the result of the alert as a whole. An error means that an app could not
// store it.
func (a *answer) conclude(apps []kept) error {
	var failures []error
	a.Result = "known already"
	for _, app := range apps {
		if app.fresh {
			a.Result = "accepted"
		}
		a.Apps = append(a.Apps, app.AlertOfApp)
		failures = append(failures, app.failed)
	}
	if err := joined(failures); err != nil {
		a.Result = "not kept: the storage does not answer as it should; it is asked for again"
		return err
	}
	return nil
}

// joined has the first failures of many.
func joined(failures []error) error {
	failures = slices.DeleteFunc(failures, func(err error) bool { return err == nil })
	if more := len(failures) - mostLogged; more > 0 {
		failures = append(failures[:mostLogged], fmt.Errorf("and %d more", more))
	}
	return errors.Join(failures...)
}
