package console

import (
	"cmp"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// What callers see is converted here alone. The gateway's running operation stays inside.

func appOf(v engine.View) api.App {
	s := v.State
	a := api.App{
		Name: v.App, Phase: s.Release.Phase, Status: statusOf(v), Live: s.Serving.Color,
		Colors:  api.Colors{Blue: colorOf(s, release.Blue), Green: colorOf(s, release.Green)},
		Waiting: unlessZero(api.Image(s.Waiting), s.Waiting.IsZero()), Hold: noteOf(s.Hold), Pause: noteOf(s.Pause), Trouble: noteOf(s.Trouble),
		Drift:          unlessZero(api.Drift{Live: s.Drift.Live, Detail: s.Drift.Detail, Since: s.Drift.Since}, s.Drift.IsZero()),
		RollbackTarget: targetOf(s),
		Problems:       v.Problems, Pending: v.Pending, Busy: v.Busy, UpdatedAt: updated(v), WakeAt: v.WakeAt, LiveSince: s.Serving.Since, Baked: s.Serving.Baked,
	}
	for _, q := range s.Quarantined {
		a.Quarantined = append(a.Quarantined, api.Quarantine{Image: api.Image(q.Image), Why: q.Why, Since: q.Since})
	}
	for _, i := range s.Good {
		a.Good = append(a.Good, api.Image(i))
	}
	for _, p := range v.Channels {
		a.Channels = append(a.Channels, api.Channel{
			Name: p.Name, Behind: s.Facts - p.Done, FailingSince: p.Failing, Why: p.Why, NextTry: p.Next, GivenUp: p.GivenUp,
		})
	}
	if s.Release.ID > 0 {
		a.Release = releaseOf(s)
	}
	return a
}

func statusOf(v engine.View) api.Status {
	st := v.Status
	out := api.Status{
		Standing: st.Standing, Headline: st.Headline, Live: st.Live, Doing: st.Doing, Until: st.Until,
		Rollback: st.Rollback, Held: st.Held, Trouble: st.Trouble, Next: st.Next,
	}
	for _, n := range st.Needs {
		need := api.Need{Why: n.String()}
		for _, r := range n.Helps {
			need.Helps = append(need.Helps, api.Remedy{Command: r.Line(v.App), Does: r.Does, Name: r.Command, Fields: fieldsOfRemedy(r)})
		}
		out.Needs = append(out.Needs, need)
	}
	return out
}

// fieldsOfRemedy are the fields of a remedy's command.
func fieldsOfRemedy(r release.Remedy) map[string]string {
	fields := map[string]string{}
	verb, _ := release.VerbOf(r.Command)
	for _, f := range verb.Takes {
		value := map[string]string{"image": cmp.Or(r.Image.Digest, r.Image.Tag), "digest": r.Image.Digest, "tag": r.Tag, "to": string(r.To)}[f.Name]
		if f.Name == "force" && r.Force {
			value = "true"
		}
		if value != "" {
			fields[f.Name] = value
		}
	}
	return fields
}

func releaseOf(s release.State) *api.Release {
	r := s.Release
	out := &api.Release{
		ID: r.ID, Phase: r.Phase, Image: api.Image(r.Image), To: r.To, From: r.From, By: r.By.String(), Actor: api.Actor(r.By), Why: r.Why, Force: r.Force,
		Approved: r.Approved, Began: r.Began, Since: r.Since, BakeUntil: r.Progress.BakeUntil, LookedAt: r.Progress.ProbedAt, GoodLooks: r.Progress.Good, Misses: r.Progress.Misses, Reason: r.Reason, Cause: r.Cause, Detail: r.Progress.Detail,
	}
	if s.Serving.Release == r.ID {
		out.SwitchedAt = s.Serving.Since
	}
	if r.Phase.Ended() {
		out.EndedAt = r.Since
	}
	return out
}

func unlessZero[T any](v T, zero bool) *T {
	if zero {
		return nil
	}
	return &v
}

func noteOf(n release.Note) *api.Note {
	return unlessZero(api.Note{By: n.By.String(), Actor: api.Actor(n.By), Why: n.Why, Since: n.Since}, n.IsZero())
}

func targetOf(s release.State) *api.Target {
	t := s.RollbackTarget()
	return unlessZero(api.Target{Color: t.Color, Image: api.Image(t.Image), Replicas: t.Replicas, Until: s.Serving.Until}, t.Color == "")
}

func colorOf(s release.State, c release.Color) api.Color {
	color := s.Color(c)
	role := api.Idle
	switch c {
	case s.Serving.Color:
		role = api.Live
	case s.RollbackTarget().Color:
		role = api.RollbackTarget
	}
	return api.Color{
		Role: role, Image: api.Image(color.Image()), Ordered: api.Image(color.Ordered.Image), Observed: api.Image(color.Observed.Image),
		Replicas: color.Observed.Replicas, Ready: color.Observed.Ready, Needed: color.Observed.Needed, SeenAt: color.Observed.At, Checked: color.Passed(), Signer: color.Signer(), Retired: color.Retired(), Suspect: noteOf(color.Suspect),
	}
}

func decisionOf(d release.Decision) *api.Decision {
	return unlessZero(api.Decision(d), d.IsZero())
}

func factsOf(facts []release.Fact) []api.Fact {
	out := []api.Fact{}
	for _, f := range facts {
		out = append(out, api.Fact{
			Number: f.Number, At: f.At, Kind: f.Kind, Reason: f.Reason, Release: f.Release, Phase: f.Phase, Image: api.Image(f.Image), Live: f.Live,
			By: f.By.String(), Actor: api.Actor(f.By), Began: api.Actor(f.Began), Text: f.Text, Line: f.Line(), Took: f.Took.Seconds(), Detail: f.Detail, Operation: f.Operation,
		})
	}
	return out
}

// updated is when the record was saved last, or the last moment that it speaks of: it was
// perhaps written by a version that does not keep the time.
func updated(v engine.View) time.Time {
	s, last := v.State, v.SavedAt
	for _, t := range []time.Time{
		s.Release.Began, s.Release.Since, s.Release.Progress.ProbedAt, s.Serving.Since, s.Blue.Observed.At, s.Green.Observed.At,
		s.Hold.Since, s.Pause.Since, s.Drift.Since, s.Trouble.Since,
	} {
		if t.After(last) {
			last = t
		}
	}
	return last
}
