package simulation

import (
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// promise is something that must hold in every run. It implements those hooks below that
// it needs; each app of a run has promises of its own. An error says how it was broken.
type promise interface{ Name() string }

type (
	// onPreview is called after a check of a color that has no traffic has passed.
	onPreview interface {
		previewed(release.Color, release.Image)
	}
	// onSwitch is called when a write to the gateway is about to be made.
	onSwitch interface{ switching(gatewayWrite) error }
	// onChange is called after a worker has changed the image or the size of a color.
	onChange interface{ changed(colorChange) error }
	// onHold is called after a worker has held or freed the size of a color.
	onHold interface{ holding(sizeHold) error }
	// onCommit is called after each commit, done or not.
	onCommit interface{ committed(commit) error }
	// onLoad is called after a worker has loaded the app.
	onLoad interface{ loaded(*task, *saved) }
	// onAccept is called after an event was stored for the first time.
	onAccept interface{ accepted(*task, engine.Entry) }
	// onWake is called when a wake-up is about to be sent.
	onWake interface{ waking(*task, wakeup) error }
	// onWoken is called when a wake-up was sent and its worker knows.
	onWoken interface{ woken(*task, wakeup) }
	// onProbe is called when the public address is about to be checked.
	onProbe interface{ probing(*task) error }
	// onProbeEnd is called after the public address was checked.
	onProbeEnd interface{ probed(release.Verdict) }
	// onLook is called after a color was looked at.
	onLook interface {
		looked(c release.Color, ready, wanted int32)
	}
	// onHealth is called after the gateway was asked for the health of a color.
	onHealth interface{ health(release.Color, bool) }
	// onNotify is called after a fact was delivered.
	onNotify interface{ notified(release.Fact) error }
	// onSettle is called after due rows were saved.
	onSettle interface{ settled() error }
	// onAdvance is called after it was saved how far a channel is.
	onAdvance interface{ advanced(engine.Progress) error }
	// onTime is called after each step of time.
	onTime interface {
		promise
		passed() error
	}
	// atRest is asked between ticks, and in the end, why the app is not at rest.
	atRest interface{ restless(engine.Snapshot) error }
)

// promises are all that hold for an app: causes before consequences, because a run ends
// with the first that is broken.
func promises(a *app) []promise {
	return []promise{
		newOneWorker(a),
		savedFirst{},
		recordWhole{},
		&messagesBounded{app: a, last: map[string]time.Time{}},
		newProbesBounded(a),
		newCheckedFirst(a),
		&readyFirst{app: a},
		&sizeFirst{app: a},
		&liveUntouched{app: a},
		&firstUntouched{app: a},
		&retireEvidence{app: a},
		&sizeFreed{app: a},
		&targetKept{app: a},
		&quarantineKept{app: a, bad: map[string]bool{}},
		alertsAnswered{},
		&alertCorroborated{app: a},
		&usersReturn{app: a},
		&usersReturn{app: a, early: true},
		&bakeEvidence{app: a},
		&bakeEvidence{app: a, inARow: true},
		&seenInBake{app: a, full: map[release.Color]int32{}},
		&helpOnce{app: a},
		&targetTrue{app: a},
		&decisionsRecorded{app: a},
		&pendingIsDue{app: a},
		&historyNumbered{},
		&outcomesDelivered{},
		&pushesFound{app: a},
		&neverOlder{app: a},
		&whoRecorded{asked: map[string]bool{}},
		&driftTrue{app: a},
		&recordAgrees{app: a},
		&standbyGood{app: a},
		&comesToRest{app: a},
		&fixGoesLive{app: a},
	}
}

// ask calls a hook of all promises of an app that have it.
func ask[H any](a *app, hook func(H) error) {
	for _, p := range a.promises {
		if h, ok := p.(H); ok {
			if err := hook(h); err != nil {
				a.sim.fail("promise %s: %s: %v", p.Name(), a.name, err)
			}
		}
	}
}

// gatewayWrite is a write to the gateway.
type gatewayWrite struct {
	by      string // the engine
	fence   int64
	to      release.Color
	image   release.Image // that the color runs
	saved   *saved
	forward bool
	already bool // traffic goes there, or another writer has just sent it there
}

// ordered reports whether the write only does what an operator has forced.
func (w gatewayWrite) ordered() bool {
	return w.forward && w.saved.forced || !w.forward && w.saved.returnForced
}

// colorChange is a change of the image or the size of a color that was made.
type colorChange struct {
	by        string // the engine
	fence     int64
	what      string // deploy or scale
	color     release.Color
	ran, runs release.Image
	had, has  int32
	carried   int32  // ready pods before
	saved     *saved // when the change was asked for
}

// sizeHold is that the size of a color was held or freed.
type sizeHold struct {
	by    string // the engine
	fence int64
	what  string // hold or free
	color release.Color
	saved *saved // when it was asked for
}

// otherImage reports whether the color runs another image. What a tag means is not known
// before there are pods.
func (c colorChange) otherImage() bool {
	unknown := c.ran.Digest == "" || c.runs.Digest == ""
	return c.runs.Digest != c.ran.Digest && !(unknown && c.ran.Tag == c.runs.Tag)
}

// harms reports whether the color can carry less than before, or runs another image.
func (c colorChange) harms() bool { return c.otherImage() || c.has < c.had }

// commit is a commit that was tried.
type commit struct {
	task          *task
	before, after *saved
	from          engine.Snapshot // that the store held
	given, stored engine.Record   // as the worker gave it, and as it is read back
	kept          bool            // nothing in the store was changed
	facts         []release.Fact
	decided       []engine.Entry // that left the inbox
	err           error
}
