package engine_test

import (
	"testing"
	"time"

	"bluegreen/internal/release"
)

// answeredBy is the color that answered users at a time.
func (w *env) answeredBy(at time.Time) release.Color {
	color := release.Blue
	for _, m := range w.gateway.Moves() {
		if !m.At.After(at) {
			color = m.To
		}
	}
	return color
}

// untouched fails the test where a color was changed while it answered users.
func (w *env) untouched() {
	w.t.Helper()
	for _, c := range w.cluster.Changes() {
		if w.answeredBy(c.At) == c.Color {
			w.t.Errorf("at %s %s was made %s x%d while users were there", c.At.Format(time.TimeOnly), c.Color, c.Image, c.Replicas)
		}
	}
}

// rivalTakes is a write of another client that lasts for a time; later ones take 20 s again.
func (w *env) rivalTakes(takes time.Duration, to release.Color) {
	w.gateway.Slowly(takes)
	w.gateway.Rival(to)
	w.gateway.Slowly(20 * time.Second)
}

// endsOn lets everything come to its end: no color was changed under users, and they have
// the image.
func (w *env) endsOn(tag string) {
	w.t.Helper()
	w.run(20 * time.Minute)
	w.untouched()
	w.run(time.Hour)
	w.users(tag)
}

func TestTheOtherColorIsKeptUntilARivalsWriteHasEnded(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.run(29 * time.Minute) // blue is due to be scaled down soon
	w.gateway.Rival(release.Blue)
	w.run(2 * time.Minute)
	w.users("1.0")
	w.rivalTakes(10*time.Minute, release.Green) // accepted, and users stay on blue for a while
	w.run(20 * time.Minute)
	w.untouched()
	w.users("2.0")
	w.run(time.Hour)
	if s := w.state(); !s.Drift.IsZero() || !s.Blue.Retired() {
		t.Errorf("at rest: %s", w.sentence())
	}
}

func TestNothingIsDeployedWhereARivalsWriteStillLeavesUsers(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.gateway.Rival(release.Blue)
	w.run(2 * time.Minute)
	w.push("3.0") // waits
	w.rivalTakes(10*time.Minute, release.Green)
	w.endsOn("3.0")
}

func TestAChangeIsAcceptedOnlyWhenItHasEnded(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.rivalTakes(10*time.Minute, release.Blue)
	w.run(2 * time.Minute)
	w.command(release.ResumeReleases)
	w.push("3.0") // goes to green, where the users still are
	w.endsOn("3.0")
}

// A gateway may say that it has ended although its instances still follow: what the public
// address answers is asked as well.
func TestAnEndThatUsersDoNotSeeIsNotBelieved(t *testing.T) {
	w := newEnv(t, nil)
	w.push("2.0")
	w.reach(release.Completed)
	w.gateway.Rival(release.Blue)
	w.run(2 * time.Minute)
	w.push("3.0")
	w.gateway.SaysEndedEarly(true)
	w.publicAddress()
	w.rivalTakes(100*time.Second, release.Green)
	w.endsOn("3.0")
}
