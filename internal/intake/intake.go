// Package intake takes the events of the triggers: pushes, alerts, queue messages and the
// clock. Each is read and put into the inbox of every app that it concerns. An event that can
// never work is dropped with its reason; one that may work later gets an answer with which
// the sender delivers it again.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bluegreen/internal/api"
	"bluegreen/internal/azure/push"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/functions"
	"bluegreen/internal/matching"
)

// Options configure an Intake. Apps are those that the engine serves.
type Options struct {
	Engine *engine.Engine
	Apps   []config.App
	// Problems are why no configuration can be used, where Apps is empty, and Unknown why there may
	// be apps that are not in Apps: an event for none of them is then to be delivered again,
	// because the app that it is for may not be known.
	Problems []string
	Unknown  []string
	// SignIn is set when App Service authentication is on, so that AlertFired can know its callers.
	SignIn bool
	Log    *slog.Logger
	Now    func() time.Time
}

// Intake takes the events of all triggers.
type Intake struct {
	Options
	index *matching.Index
}

var (
	_ functions.Trigger = (*Intake)(nil).ImagePushed
	_ functions.Trigger = (*Intake)(nil).ReleaseStep
	_ functions.Trigger = (*Intake)(nil).ClockTick
)

// New makes an Intake.
func New(o Options) *Intake {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Intake{o, matching.New(o.Apps)}
}

const (
	// pushTime bounds one event: Event Grid waits 30 s for the answer.
	pushTime = 25 * time.Second
	// together is how many apps are served at once.
	together = 16
)

// ImagePushed gives a pushed image to every app that is released from its repository and
// admits its tag. Its error means that at least one of them could not keep it; the others
// know it already when it comes again.
func (i *Intake) ImagePushed(ctx context.Context, payload json.RawMessage) ([]string, error) {
	p, err := push.Decode(payload)
	if err != nil {
		i.Log.Info("push dropped", "reason", err.Error())
		return []string{"dropped: " + err.Error()}, nil
	}
	if err := i.unconfigured(); err != nil {
		return nil, err
	}
	about := i.index.Push(p)
	if about.Why != "" {
		if err := i.unknown(); err != nil {
			return nil, err
		}
	}
	var lines []string
	for _, o := range about.Ignored {
		lines = append(lines, o.App+": dropped: "+o.Why)
	}
	if about.Others {
		lines = append(lines, "dropped by more apps, whose tag policies do not admit it")
	}
	if about.Why != "" {
		lines = append(lines, "dropped: "+about.Why)
	}
	found, err := i.pushed(ctx, about.Apps, p)
	lines = append(found, lines...) // what became of it first
	if more := len(lines) - mostLogged; more > 0 {
		lines = append(lines[:mostLogged:mostLogged], fmt.Sprintf("and %d more apps", more))
	}
	if err != nil {
		return nil, fmt.Errorf("keep the push of %s to %s (%s): %w", p.Image, p.Registry+"/"+p.Repository, strings.Join(lines, "; "), err)
	}
	i.Log.Info("push taken", "event", p.Event, "repository", p.Registry+"/"+p.Repository, "image", p.Image.String(), "region", p.Location, "outcome", lines)
	return lines, nil
}

// pushed gives the image to some apps at once. The lines of those that could not keep it come first.
func (i *Intake) pushed(ctx context.Context, apps []config.App, p push.Push) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	lines, failures := make([]string, len(apps)), make([]error, len(apps))
	one := i.Engine.Push(p.Event, p.Image)
	var g errgroup.Group
	g.SetLimit(together)
	for n, app := range apps {
		g.Go(func() error {
			lines[n], failures[n] = bounded(ctx, func() (string, error) { return i.pushedTo(ctx, app, p, one) })
			return nil
		})
	}
	_ = g.Wait() // every app is tried: their errors are in failures
	var lost, taken []string
	for n, app := range apps {
		if failures[n] != nil {
			lost = append(lost, app.Name+": not kept, to be delivered again")
		} else {
			taken = append(taken, lines[n])
		}
	}
	return append(lost, taken...), joined(failures)
}

func (i *Intake) pushedTo(ctx context.Context, app config.App, p push.Push, one *engine.Push) (string, error) {
	fresh, err := one.Accept(ctx, app.Name)
	outcome := "accepted"
	switch {
	case errors.Is(err, engine.ErrNotAnImage):
		return fmt.Sprintf("%s: dropped: %v; push a container image under a tag of its own", app.Name, err), nil
	case errors.Is(err, engine.ErrNotPushed):
		return fmt.Sprintf("%s: dropped: %v; push it again, or deploy its digest", app.Name, err), nil
	case err != nil:
		return "", err
	case !fresh:
		outcome = "known already"
	}
	line := fmt.Sprintf("%s: %s: %s", app.Name, outcome, p.Image)
	if note := i.unserved(app.Name); note != "" {
		line += "; " + note
	} else if held := i.Engine.ConfigHeld(app.Name); len(held) > 0 {
		line += "; no release starts until the configuration of the app is fixed: " + strings.Join(held, "; ")
	}
	return line, nil
}

// unconfigured is the answer to every event while no configuration can be used.
func (i *Intake) unconfigured() error {
	if len(i.Apps) > 0 || len(i.Problems) == 0 {
		return nil
	}
	e := api.Errorf(http.StatusServiceUnavailable, "configuration", "the configuration cannot be used, and no earlier one is known; deliver this again when it is fixed: %s", strings.Join(i.Problems, "; "))
	e.Errors = i.Problems
	return e
}

// unknown is the answer to an event for no app that is known, while others may not be.
func (i *Intake) unknown() error {
	if len(i.Unknown) == 0 {
		return nil
	}
	return api.Errorf(http.StatusServiceUnavailable, "configuration", "no app that is known takes this, and a part of the configuration cannot be used; deliver this again when it is fixed: %s", strings.Join(i.Unknown, "; "))
}

// unserved is the reason why an app's events wait; "" when they do not.
func (i *Intake) unserved(app string) string {
	if problems := i.Engine.ConfigProblems(app); len(problems) > 0 {
		return "it waits until the configuration of the app is fixed: " + strings.Join(problems, "; ")
	}
	return ""
}

// ReleaseStep works on the app that a queue message names. Its error makes the message
// come again.
func (i *Intake) ReleaseStep(ctx context.Context, payload json.RawMessage) ([]string, error) {
	text, err := functions.Text(payload)
	app := ""
	if err == nil {
		app, err = queue.Parse(text)
	}
	if err != nil {
		i.Log.Warn("queue message dropped", "reason", err)
		return []string{"dropped: " + err.Error()}, nil
	}
	return nil, i.Engine.Step(ctx, app, 0)
}

// ClockTick looks after every app. The payload holds nothing but the time.
func (i *Intake) ClockTick(ctx context.Context, _ json.RawMessage) ([]string, error) {
	return nil, i.Engine.Tick(ctx)
}
