package contract

import (
	"context"
	"errors"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// Trouble is a failure of the next write to a gateway.
type Trouble int

const (
	Unsent     Trouble = iota // nothing was done, without an answer
	Unheard                   // it was done, and the answer got lost
	Occupied                  // it is refused because the gateway is busy
	Forbidden                 // it is refused for want of a right
	FailsLater                // it is accepted, and its operation ends badly
)

// Traffic is a gateway that leads to blue, and the hand that disturbs it.
type Traffic struct {
	Gateway engine.Gateway
	// Again is the same gateway as another process sees it.
	Again func() engine.Gateway
	// Effective is the color that answers users' requests now, "" when neither does.
	Effective func() release.Color
	// Hold keeps operations that begin from now on running until Settle. It is nil where a
	// switch is done when it returns.
	Hold func()
	// Settle lets all that runs come to its end.
	Settle func()
	// Rival writes as another client that has just read; "" points elsewhere. It may fail
	// the test where writes wait for each other and one is held.
	Rival func(to release.Color)
	// Trouble comes over the next write. It is false where there is no such trouble.
	Trouble func(Trouble) bool
	// Bar lets operations end, or no longer end, for a reason that only an operator can fix.
	// It is nil where what is accepted does not fail.
	Bar func(on bool)
	// Sicken lets the backends of a color fail from now on; nil where they cannot.
	Sicken func(release.Color)
	// Queues is set where a write is refused while another one runs, instead of taking its
	// place; Fences where the gateway itself refuses writes with an older fence.
	Queues, Fences bool
	// Named is set where a write counts when it returns, and users follow it by DNS.
	Named bool
	// Early is set where the configuration shows a write as ended before users meet it. No
	// reading shows that it is underway; only a request of a user does.
	Early bool
	// Partly is set where some users meet a write before it has ended.
	Partly bool
}

// Gateway is the contract test of every engine.Gateway. open makes a fresh gateway.
func Gateway(t *testing.T, open func(t *testing.T) Traffic) {
	for name, promise := range map[string]func(traffic){
		"WhatItPointsAtIsRead":                            pointsAtIsRead,
		"ASwitchThatIsDoneIsInEffect":                     doneIsInEffect,
		"ASwitchToWhereTrafficIsAlreadyIsCarriedOut":      alreadyThere,
		"NothingMovesBeforeTheOperationEnds":              notBeforeTheEnd,
		"AWriteIsUnderwayUntilItEnds":                     underwayUntilItEnds,
		"NothingIsUnderwayWhenASwitchIsDone":              doneIsNotUnderway,
		"AnOperationIsFollowedFromAnyProcess":             anyProcess,
		"ASwitchThatIsDoneLeavesNoWriteOnItsWay":          noWriteOnItsWay,
		"AnOperationThatLostItsPlaceIsLost":               lostItsPlace,
		"ABusyGatewayIsBegunAgain":                        busyIsBegunAgain,
		"AMissingRightIsDeniedAndMovesNothing":            missingRight,
		"AnOperationThatFailsIsLostAndMovesNothing":       failsIsLost,
		"AnOperationThatOnlyAnOperatorCanFixIsDenied":     onlyAnOperator,
		"AWriteOfUnknownOutcomeIsNeitherBusyNorDenied":    unknownOutcome,
		"WhatSomebodyPointedElsewhereIsNotOverwritten":    elsewhere,
		"NothingIsSentAfterTheDeadline":                   deadline,
		"AnOperationNobodyBeganIsLost":                    nobodyBegan,
		"AnOlderWorkerIsFencedOffWhereTheGatewayCanDoSo":  fencedOff,
		"HealthIsHealthyOrUnknownOrElseSaysWhatIsTheCase": healthSays,
	} {
		t.Run(name, func(t *testing.T) { promise(traffic{t, open(t)}) })
	}
}

type traffic struct {
	*testing.T
	Traffic
}

// begin asks for a switch until the gateway is not busy.
func (g traffic) begin(to release.Color) engine.Operation {
	g.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(time.Millisecond) {
		op, err := g.Gateway.Switch(g.Context(), to, 1)
		if err == nil {
			if len(op.Token) > 8<<10 {
				g.Errorf("a token has %d bytes", len(op.Token))
			}
			return op
		}
		if !errors.Is(err, engine.ErrBusy) {
			g.Fatalf("switch to %s: %v", to, err)
		}
		g.Settle()
	}
	g.Fatalf("the gateway stays busy")
	return engine.Operation{}
}

// follow polls an operation to its end.
func (g traffic) follow(op engine.Operation) engine.Operation {
	g.Helper()
	for end := time.Now().Add(within); !op.Done && !op.Lost; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			g.Fatal("the operation does not end")
		}
		g.Settle()
		op = g.poll(op)
	}
	return op
}

func (g traffic) poll(op engine.Operation) engine.Operation {
	g.Helper()
	op, err := g.Gateway.Poll(g.Context(), op.Token)
	if err != nil {
		g.Fatalf("poll: %v", err)
	}
	if op.Lost && (op.Detail == "" || op.Done) {
		g.Errorf("an operation is lost without a reason, or done as well: %+v", op)
	}
	return op
}

// move switches and follows to a good end.
func (g traffic) move(to release.Color) {
	g.Helper()
	if op := g.follow(g.begin(to)); !op.Done {
		g.Fatalf("the switch to %s ended as lost: %s", to, op.Detail)
	}
	g.leads(to)
}

// leads checks where requests and the configuration lead.
func (g traffic) leads(to release.Color) {
	g.Helper()
	g.answers(to)
	g.reads(to)
}

// answers checks which color answers requests. A gateway whose switch is done at once may need a
// moment until requests follow.
func (g traffic) answers(want release.Color) {
	g.Helper()
	end := time.Now()
	if g.Hold == nil {
		end = end.Add(within)
	}
	got := g.Effective()
	for ; got != want && time.Now().Before(end); got = g.Effective() {
		time.Sleep(10 * time.Millisecond)
	}
	if got != want {
		g.Fatalf("requests are answered by %q, want %q", got, want)
	}
}

func (g traffic) reads(to release.Color) {
	g.Helper()
	r, err := g.Gateway.Live(g.Context())
	if err != nil || r.Live != to || r.Live == "" && r.Detail == "" {
		g.Fatalf("it reads %+v, error %v, want %q", r, err, to)
	}
}

// stay checks that all that was begun leaves traffic where it is.
func (g traffic) stay(at release.Color) {
	g.Helper()
	g.Settle()
	g.answers(at)
}

func pointsAtIsRead(g traffic) {
	g.reads(release.Blue)
	g.move(release.Green)
	g.reads(release.Green)
}

func doneIsInEffect(g traffic) {
	for _, to := range []release.Color{release.Green, release.Blue, release.Green} {
		g.move(to)
	}
}

func alreadyThere(g traffic) {
	g.move(release.Blue)
	g.move(release.Blue)
}

func notBeforeTheEnd(g traffic) {
	if g.Hold == nil {
		g.Skip("a switch is done when it returns")
	}
	g.Hold()
	op := g.begin(release.Green)
	if op.Done || op.Lost {
		g.Fatalf("the operation has ended: %+v", op)
	}
	for range 3 {
		if now := g.poll(op); now.Done || now.Lost {
			g.Fatalf("the operation has ended: %+v", now)
		}
	}
	if got := g.Effective(); got != release.Blue && !g.Partly {
		g.Fatalf("requests are answered by %q before the operation has ended", got)
	}
	if op = g.follow(op); !op.Done {
		g.Fatalf("the operation is lost: %s", op.Detail)
	}
	g.leads(release.Green)
}

func underwayUntilItEnds(g traffic) {
	if g.Hold == nil || g.Early {
		g.Skip("a write is done when it returns, or it is not seen that it is not")
	}
	g.Hold()
	g.Rival(release.Green)
	for range 3 {
		if r := g.reading(); !r.Underway || r.Detail == "" {
			g.Fatalf("while a write of another client runs, it reads %+v", r)
		}
	}
	g.Settle()
	if r := g.reading(); r.Underway || r.Live != release.Green {
		g.Fatalf("when the write of another client has ended, it reads %+v", r)
	}
}

func doneIsNotUnderway(g traffic) {
	for _, to := range []release.Color{release.Blue, release.Green} {
		if r := g.reading(); r.Underway {
			g.Fatalf("at rest it reads %+v", r)
		}
		g.move(to)
		if r := g.reading(); r.Underway || r.Lag < 0 {
			g.Fatalf("after a switch that is done it reads %+v", r)
		}
	}
}

func (g traffic) reading() engine.Reading {
	g.Helper()
	r, err := g.Gateway.Live(g.Context())
	if err != nil {
		g.Fatalf("read what it points at: %v", err)
	}
	return r
}

func anyProcess(g traffic) {
	op := g.begin(release.Green)
	g.Gateway = g.Again()
	if op = g.follow(op); !op.Done {
		g.Fatalf("the operation is lost: %s", op.Detail)
	}
	g.leads(release.Green)
	if op.Token == "" {
		return // done at once
	}
	if op = g.poll(op); !op.Done {
		g.Errorf("asked again, the operation is %+v", op)
	}
}

func noWriteOnItsWay(g traffic) {
	if g.Hold != nil {
		g.Hold()
	}
	first := g.begin(release.Green) // by a worker that dies before it saves the token
	g.Gateway = g.Again()
	g.move(release.Green)
	if first.Token != "" {
		if first = g.poll(first); !first.Done && !first.Lost && !g.Named {
			g.Error("the first write is still on its way")
		}
	}
	g.stay(release.Green)

	if g.Hold != nil {
		g.Hold()
	}
	g.Rival(release.Blue)
	g.move(release.Green)
	g.stay(release.Green)
	g.reads(release.Green)
}

func lostItsPlace(g traffic) {
	if g.Hold == nil || g.Queues {
		g.Skip("no write takes the place of another")
	}
	g.Hold()
	op := g.begin(release.Green)
	g.Rival(release.Blue)
	if op = g.poll(op); !op.Lost {
		g.Fatalf("a write that another took the place of is %+v", op)
	}
	g.stay(release.Blue)
	g.reads(release.Blue)
	g.move(release.Green)
}

func busyIsBegunAgain(g traffic) {
	held := g.Queues && g.Hold != nil
	switch {
	case held:
		g.Hold()
		g.Rival(release.Blue)
	case !g.Trouble(Occupied):
		g.Skip("it is never busy")
	}
	if op, err := g.Gateway.Switch(g.Context(), release.Green, 1); !errors.Is(err, engine.ErrBusy) {
		g.Fatalf("a switch of a busy gateway: %+v, error %v", op, err)
	}
	g.stay(release.Blue)
	g.reads(release.Blue)
	g.move(release.Green)
}

func missingRight(g traffic) {
	if !g.Trouble(Forbidden) {
		g.Skip("it lets everybody in")
	}
	if op, err := g.Gateway.Switch(g.Context(), release.Green, 1); !errors.Is(err, engine.ErrDenied) {
		g.Fatalf("a switch without the right: %+v, error %v", op, err)
	}
	g.stay(release.Blue)
	g.reads(release.Blue)
	g.move(release.Green)
}

func failsIsLost(g traffic) {
	if !g.Trouble(FailsLater) {
		g.Skip("what is accepted does not fail")
	}
	if op := g.follow(g.begin(release.Green)); !op.Lost || op.Denied {
		g.Fatalf("an operation that failed is %+v", op)
	}
	g.stay(release.Blue)
	g.move(release.Green)
}

func onlyAnOperator(g traffic) {
	if g.Bar == nil {
		g.Skip("what is accepted does not fail")
	}
	g.Bar(true)
	if op := g.follow(g.begin(release.Green)); !op.Lost || !op.Denied {
		g.Fatalf("an operation that only an operator can fix is %+v", op)
	}
	g.stay(release.Blue)
	g.Bar(false)
	g.move(release.Green)
}

func unknownOutcome(g traffic) {
	for _, trouble := range []Trouble{Unsent, Unheard} {
		to := release.Green
		if g.Effective() == to {
			to = release.Blue
		}
		if !g.Trouble(trouble) {
			continue
		}
		op, err := g.Gateway.Switch(g.Context(), to, 1)
		if err == nil || errors.Is(err, engine.ErrBusy) || errors.Is(err, engine.ErrDenied) || errors.Is(err, engine.ErrFenced) {
			g.Fatalf("a write without an answer: %+v, error %v", op, err)
		}
		g.move(to) // begun again from a fresh read
	}
}

func elsewhere(g traffic) {
	g.Rival("")
	g.stay("")
	g.reads("")
	if op, err := g.Gateway.Switch(g.Context(), release.Green, 1); !errors.Is(err, engine.ErrDenied) {
		g.Fatalf("a switch of what leads to neither color: %+v, error %v", op, err)
	}
	g.stay("")
	g.Rival(release.Green)
	g.Settle()
	g.reads(release.Green)
	g.move(release.Blue)
}

func deadline(g traffic) {
	ctx, cancel := context.WithDeadline(g.Context(), time.Now().Add(-time.Millisecond))
	defer cancel()
	if op, err := g.Gateway.Switch(ctx, release.Green, 1); err == nil {
		g.Fatalf("a switch after the deadline: %+v", op)
	}
	g.stay(release.Blue)
	g.reads(release.Blue)
}

func nobodyBegan(g traffic) {
	for _, token := range []string{"", "nobody", "/subscriptions/none/operations/nobody?api-version=1", "https://example.com/steal", "//example.com/x", "\n"} {
		if op := g.poll(engine.Operation{Token: token}); !op.Lost {
			g.Errorf("the operation %q is %+v", token, op)
		}
	}
}

func fencedOff(g traffic) {
	if !g.Fences {
		g.Skip("it knows no fence")
	}
	g.move(release.Green)
	op, err := g.Gateway.Switch(g.Context(), release.Blue, 9)
	if err != nil {
		g.Fatal(err)
	}
	g.follow(op)
	if op, err := g.Gateway.Switch(g.Context(), release.Green, 8); !errors.Is(err, engine.ErrFenced) {
		g.Fatalf("a switch by an older worker: %+v, error %v", op, err)
	}
	g.leads(release.Blue)
}

func healthSays(g traffic) {
	for _, c := range []release.Color{release.Blue, release.Green} {
		g.becomes(c, true)
	}
	if g.Sicken == nil {
		return
	}
	for _, c := range []release.Color{release.Green, release.Blue} { // idle, live
		g.Sicken(c)
		g.becomes(c, false)
	}
}

// becomes waits for the view of a color: the gateway looks only now and then.
func (g traffic) becomes(c release.Color, healthy bool) {
	g.Helper()
	var h engine.Health
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		if h, err = g.Gateway.Health(g.Context(), c); err != nil {
			g.Fatalf("health of %s: %v", c, err)
		}
		if h.Healthy && h.Unknown || !h.Healthy && h.Detail == "" {
			g.Fatalf("health of %s: %+v", c, h)
		}
		if h.Healthy == healthy && !h.Unknown {
			return
		}
	}
	g.Fatalf("health of %s stays %+v, want healthy %v", c, h, healthy)
}
