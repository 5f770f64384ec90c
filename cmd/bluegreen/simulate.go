package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/azure/monitor"
	"bluegreen/internal/azure/push"
	"bluegreen/internal/config"
	"bluegreen/internal/matching"
	"bluegreen/internal/release"
)

func newSimulate(s *shell) *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use: "simulate FILE...", Short: "Say what recorded pushes and alerts would do, and why, without the app",
		Long: `Say what recorded pushes and alerts would do, and why. Files hold the events of the registry and the
posts of action groups as JSON, one after another or as lists; - is the standard input. They are given to
the code that decides in the app, in their order, for the apps of a configuration. Each app begins with
its first color live; every release goes well, so that the event after a push finds it in its
bake. It makes no network call.`,
		Example: "  bluegreen simulate push.json alert.json\n  bluegreen simulate --config production.yaml alert.json\n  bluegreen simulate - < events.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: does(func(_ *cobra.Command, args []string) error {
			c, err := s.usable(file)
			if err != nil {
				return err
			}
			r := newRehearsal(c, s.now().UTC())
			for _, name := range args {
				if err := s.rehearse(r, name); err != nil {
					return err
				}
			}
			if s.output == "json" {
				return s.json(s.stdout, r.lines)
			}
			for _, l := range r.lines {
				say(s.stdout, "%s", l)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&file, "config", "bluegreen.yaml", "the configuration")
	return cmd
}

// rehearse gives each event of a file to a rehearsal.
func (s *shell) rehearse(r *rehearsal, name string) error {
	in := s.stdin
	if name != stdinName {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
		defer f.Close()
		in = f
	}
	d := json.NewDecoder(bufio.NewReader(in))
	for n := 1; ; n++ {
		var payload json.RawMessage
		if err := d.Decode(&payload); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: event %d is not JSON: %w", name, n, err)
		}
		var list []json.RawMessage
		if json.Unmarshal(payload, &list) != nil {
			list = []json.RawMessage{payload}
		}
		for _, one := range list {
			r.take(one)
		}
	}
}

// outcome is what an event did to an app; App is empty where it is for none.
type outcome struct {
	Event    string           `json:"event"`
	App      string           `json:"app,omitempty"`
	Kind     release.FactKind `json:"kind"`
	Text     string           `json:"text"`
	Headline string           `json:"headline,omitempty"`
}

func (o outcome) String() string {
	text := o.Event
	if o.App != "" {
		text += " → " + o.App
	}
	text += ": " + string(o.Kind) + ": " + o.Text
	if o.Headline != "" {
		text += "\n  " + o.Headline
	}
	return text
}

// rehearsal is the apps of a configuration, each in the state that the events have led to.
type rehearsal struct {
	index  *matching.Index
	now    time.Time
	states map[string]release.State
	lines  []outcome
}

func newRehearsal(c *config.Config, now time.Time) *rehearsal {
	r := &rehearsal{index: matching.New(c.Apps), now: now, states: map[string]release.State{}, lines: []outcome{}}
	for _, a := range c.Apps {
		r.states[a.Name] = r.adopted(a)
	}
	return r
}

// present is the image that an app begins with.
var present = release.Image{Tag: "present", Digest: "sha256:" + strings.Repeat("0", 64)}

func (r *rehearsal) adopted(a config.App) release.State {
	s := release.State{App: a.Name}
	seen := &release.Observed{Image: present, Replicas: []int32{1}, Ready: 1, At: r.now}
	looked := release.Looked{Live: a.First, Blue: &release.Observed{At: r.now, Replicas: []int32{0}}, Green: &release.Observed{At: r.now, Replicas: []int32{0}}}
	if a.First == release.Green {
		looked.Green = seen
	} else {
		looked.Blue = seen
	}
	s, _ = release.Next(s, looked, a.Policy(), r.now)
	return s
}

// take gives one event to the apps that it is for.
func (r *rehearsal) take(payload []byte) {
	if bytes.Contains(payload, []byte(`"essentials"`)) || bytes.Contains(payload, []byte(`"schemaId"`)) {
		r.alert(payload)
		return
	}
	p, err := push.Decode(payload)
	if err != nil {
		r.drop("push", "", err.Error())
		return
	}
	event := "push of " + p.Image.String()
	if p.Image.PushedAt.IsZero() || p.Image.PushedAt.After(r.now) {
		p.Image.PushedAt = r.now
	}
	about := r.index.Push(p)
	if about.Why != "" {
		r.drop(event, "", about.Why)
	}
	for _, o := range about.Ignored {
		r.drop(event, o.App, o.Why)
	}
	for _, a := range about.Apps {
		r.happen(event, a, release.ImagePushed{Image: p.Image})
	}
}

func (r *rehearsal) alert(payload []byte) {
	a, err := monitor.Decode(payload)
	if err != nil {
		r.drop("alert", "", err.Error())
		return
	}
	event := "alert " + a.Rule()
	about := r.index.Alert(a)
	if about.Why != "" {
		r.drop(event, "", about.Why)
	}
	for _, o := range about.Ignored {
		r.drop(event, o.App, o.Why)
	}
	for _, c := range about.Apps {
		if !a.Fired {
			r.happen(event, c.App, release.AlertResolved{ID: a.ID, Rule: a.Rule()})
			continue
		}
		fired := c.Fired(a, r.now)
		fired.At = r.now // a recorded alert is of another day
		r.happen(event, c.App, fired)
	}
}

func (r *rehearsal) drop(event, app, why string) {
	r.lines = append(r.lines, outcome{Event: event, App: app, Kind: release.Dropped, Text: why})
}

// step is the time from one event to the next.
const step = time.Minute

// happen lets an event reach the core, and then the release go well for as long as it can.
func (r *rehearsal) happen(event string, a config.App, e release.Event) {
	s, facts := release.Next(r.states[a.Name], e, a.Policy(), r.now)
	decided := release.DecisionOf(e, facts)
	o := outcome{Event: event, App: a.Name, Kind: decided.Kind, Text: decided.Text}
	s = r.goesWell(s, a.Policy())
	o.Headline = release.StatusOf(s, a.Policy(), r.now).Headline
	r.states[a.Name], r.lines = s, append(r.lines, o)
}

// goesWell answers what a release waits for with what is seen when all is well, until it bakes, an
// operator has to act, or nothing more follows.
func (r *rehearsal) goesWell(s release.State, p release.Policy) release.State {
	for {
		phase := s.Release.Phase
		for _, e := range well(s, r.now) {
			r.now = r.now.Add(time.Second)
			s, _ = release.Next(s, e, p, r.now)
		}
		if s.Release.Phase == phase {
			r.now = r.now.Add(step)
			return s
		}
	}
}

// well are the good answers that a phase waits for.
func well(s release.State, now time.Time) []release.Event {
	r := s.Release
	seen := release.Observed{Image: r.Image, Replicas: []int32{1}, Ready: 1, At: now}
	confirmed := func(to release.Color) release.Event {
		return release.RouteObserved{Release: r.ID, To: to, Status: release.Confirmed, Live: to}
	}
	switch r.Phase {
	case release.Deploying:
		return []release.Event{
			release.DeployCleared{Release: r.ID, Color: r.To},
			release.RolloutObserved{Release: r.ID, Color: r.To, Status: release.Complete, Seen: seen},
		}
	case release.Verifying:
		return []release.Event{release.ChecksObserved{Release: r.ID, Color: r.To, Verdict: release.Passed, Seen: &seen}}
	case release.Switching:
		return []release.Event{release.RouteObserved{Release: r.ID, To: r.To, Status: release.Clear}, confirmed(r.To)}
	case release.Returning:
		back := r.Progress.Target.Color
		return []release.Event{release.TargetObserved{Release: r.ID, Color: back, Ready: true}, confirmed(back)}
	}
	return nil
}
