package lab

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// act is one step of the demo: what is done, and what must be seen in the data plane and
// at the app afterwards.
type act struct {
	title string
	do    func(context.Context) error
	users Served // who must answer users at the end
	app   func(api.App) bool
	// lost is whether users may have got errors: a bad version answers with them until the
	// alert, a switch between healthy colors never does.
	lost bool
}

// Demo plays the main story. It returns an error when a step is not seen in the data plane.
func (l *Lab) Demo(ctx context.Context, out io.Writer) error {
	ended := func(p release.Phase) func(api.App) bool {
		return func(a api.App) bool { return a.Release != nil && a.Release.Phase == p }
	}
	for i, a := range []act{
		{
			title: "A good image is pushed: 2.0.0 goes to green, gets the traffic, bakes, and stays.",
			do:    func(ctx context.Context) error { return l.Push(ctx, Shop, "2.0.0", "") },
			users: Served{Color: "green", Version: "2.0.0"}, app: ended(release.Completed),
		},
		{
			title: "A bad image is pushed: 2.1.0 answers with errors, the alert takes traffic back, the digest is quarantined.",
			do:    func(ctx context.Context) error { return l.Push(ctx, Shop, "2.1.0", flawErrors) },
			users: Served{Color: "green", Version: "2.0.0"}, lost: true,
			app: func(a api.App) bool {
				return ended(release.RolledBack)(a) && len(a.Quarantined) == 1 && a.Quarantined[0].Image.Tag == "2.1.0" && a.Hold != nil
			},
		},
		{
			title: "The fixed image is pushed: 2.1.1 ends the hold. The handler is killed meanwhile: the host starts it again, and 2.1.1 goes live.",
			do:    func(ctx context.Context) error { return l.pushAndKill(ctx, "2.1.1") },
			users: Served{Color: "blue", Version: "2.1.1"}, app: ended(release.Completed),
		},
		{
			title: "A person switches by hand: traffic goes to the other color after its checks.",
			do:    l.switchByHand,
			users: Served{Color: "green", Version: "2.0.0"}, app: ended(release.Completed),
		},
		{
			title: "A release fails: the check of 2.2.0 before the switch does not pass. Users notice nothing, and the standby is brought back to the last good image.",
			do:    func(ctx context.Context) error { return l.Push(ctx, Shop, "2.2.0", flawVerify) },
			users: Served{Color: "green", Version: "2.0.0"},
			app: func(a api.App) bool {
				standby := a.Colors.Blue
				return ended(release.Failed)(a) && standby.Observed.Tag == "2.1.1" && standby.Ready > 0 && standby.SeenAt.After(a.Release.Since)
			},
		},
		{
			title: "A person fails over: traffic goes to the standby at once, and nothing is held against the version.",
			do:    l.failover,
			users: Served{Color: "blue", Version: "2.1.1"},
			app: func(a api.App) bool {
				return a.Live == release.Blue && a.Colors.Green.Suspect != nil && len(a.Quarantined) == 1
			},
		},
	} {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, a.title)
		if err := l.play(ctx, out, a); err != nil {
			return fmt.Errorf("step %d was not seen: %w", i+1, err)
		}
		_ = sleep(ctx, breath) // the next step fails when ctx has ended
	}
	return nil
}

func (l *Lab) switchByHand(ctx context.Context) error {
	_, err := l.Client().Command(ctx, Shop, release.Switch, api.Request{Why: "shown in the demo", By: "demo"}, api.NewKey())
	return err
}

func (l *Lab) failover(ctx context.Context) error {
	_, err := l.Client().Command(ctx, Shop, release.Failover, api.Request{Why: "shown in the demo", By: "demo"}, api.NewKey())
	return err
}

// pushAndKill pushes an image, and kills the handler in the middle of its release.
func (l *Lab) pushAndKill(ctx context.Context, tag string) error {
	if err := l.Push(ctx, Shop, tag, ""); err != nil {
		return err
	}
	for {
		a, err := l.Client().App(ctx, Shop)
		if err == nil && a.Release != nil && a.Release.Image.Tag == tag {
			_, err = l.Do(ctx, "kill")
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return errStopped
		}
	}
}

// breath is time for Watch to print the end of a step before the next one is announced.
const breath = 300 * time.Millisecond

// within is how long one act may take.
const within = 60 * time.Second

func (l *Lab) play(ctx context.Context, out io.Writer, a act) error {
	before := l.site(Shop).users.count()
	release, err := l.Client().App(ctx, Shop)
	if err != nil {
		return err
	}
	was := 0
	if release.Release != nil {
		was = release.Release.ID
	}
	if err := a.do(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(within)
	for {
		now, err := l.Client().App(ctx, Shop)
		if err == nil && now.Release != nil && now.Release.ID > was && a.app(now) && l.site(Shop).users.last() == a.users {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s users are answered by %s and the app says: %s", within, l.site(Shop).users.last(), now.Status)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return errStopped
		}
	}
	return l.judge(out, a, before)
}

// judge sums up what users got during an act.
func (l *Lab) judge(out io.Writer, a act, before map[Served]int) error {
	var lines, bad []string
	for served, n := range l.site(Shop).users.count() {
		if n -= before[served]; n == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%d by %s", n, served))
		if served.Failed != "" {
			bad = append(bad, fmt.Sprintf("%d × %s", n, served))
		}
	}
	fmt.Fprintf(out, "   seen in the data plane: %s\n", strings.Join(lines, ", "))
	if len(bad) > 0 && !a.lost {
		return fmt.Errorf("users got errors: %s", strings.Join(bad, ", "))
	}
	if len(bad) == 0 && a.lost {
		return fmt.Errorf("the bad version never got traffic")
	}
	return nil
}
