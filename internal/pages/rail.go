package pages

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// staleAfter is the age from which a look no longer says how a color is. Colors at rest are
// looked at every five minutes.
const staleAfter = 7 * time.Minute

// rail is both colors side by side, always blue first. The filled slot has the users.
type rail struct{ Blue, Green slot }

// slot is one color.
type slot struct {
	Color   release.Color
	Live    bool
	Role    string // in words
	Version string
	Whole   string // the whole image, for a title
	Digest  string // short
	Pods    string // ready/needed, or ? where that is not known
	Then    string // the same when it was last seen, where that is too long ago
	Short   bool   // fewer are ready than needed
	Unseen  bool   // the last look is too old, or there was none
	Seen    moment
	Checked bool
	Signer  string
	Suspect *api.Note
	Ordered string // what was ordered since the last look
}

func railOf(a api.App, now time.Time) rail {
	return rail{slotOf(a, release.Blue, a.Colors.Blue, now), slotOf(a, release.Green, a.Colors.Green, now)}
}

func slotOf(a api.App, name release.Color, c api.Color, now time.Time) slot {
	s := slot{
		Color: name, Live: a.Live == name, Version: version(c.Image), Whole: whole(c.Image), Digest: shortDigest(c.Image.Digest),
		Pods: "?", Seen: at(c.SeenAt, now), Checked: c.Checked, Signer: c.Signer, Suspect: c.Suspect, Role: "idle",
	}
	switch {
	case s.Live:
		s.Role = "live"
	case a.RollbackTarget != nil && a.RollbackTarget.Color == name:
		s.Role = "rollback target"
	case a.Release != nil && a.Release.Phase.Active() && a.Release.To == name:
		s.Role = "next"
	case !c.Retired && c.Ready > 0:
		s.Role = "standby"
	}
	if c.Ordered != c.Observed && c.Ordered == c.Image {
		s.Ordered = version(c.Ordered)
	}
	s.Unseen = c.SeenAt.IsZero() || now.Sub(c.SeenAt) > staleAfter
	if c.SeenAt.IsZero() {
		return s
	}
	if s.Ordered != "" {
		return s // what was seen is not what runs there now
	}
	needed := neededOf(a, name, c)
	s.Pods = fmt.Sprintf("%d/%d", c.Ready, needed)
	if s.Unseen {
		s.Then, s.Pods = s.Pods, "?"
		return s
	}
	s.Short = c.Ready < needed && (s.Live || s.Role == "rollback target")
	if needed == 0 && c.Ready == 0 {
		s.Pods = "0"
	}
	return s
}

// neededOf is how many pods a color needs: what it served with, what its release needs, or
// what it was last seen to want.
func neededOf(a api.App, name release.Color, c api.Color) int32 {
	live := a.Colors.Blue
	if a.Live == release.Green {
		live = a.Colors.Green
	}
	switch {
	case a.Live == name:
		return max(total(c.Needed), total(c.Replicas))
	case a.RollbackTarget != nil && a.RollbackTarget.Color == name && !c.Retired:
		return total(a.RollbackTarget.Replicas)
	case a.Release != nil && a.Release.Phase.Active() && a.Release.To == name && a.Live != "":
		return max(total(live.Needed), total(live.Replicas))
	}
	return total(c.Replicas)
}

func total(replicas []int32) (n int32) {
	for _, r := range replicas {
		n += r
	}
	return n
}

// version is an image in a few characters.
func version(i api.Image) string {
	switch {
	case i.Tag != "":
		return i.Tag
	case i.Digest != "":
		return shortDigest(i.Digest)
	}
	return "nothing"
}

func whole(i api.Image) string { return strings.TrimSpace(i.Tag + " " + i.Digest) }

func shortDigest(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	return digest[:min(12, len(digest))]
}

// moment is a time as people read it from now; the zero moment is none.
type moment struct {
	At   time.Time
	Text string
}

// IsZero reports whether there is no time.
func (m moment) IsZero() bool { return m.At.IsZero() }

// Machine and Full are the time for programs, and the whole of it for people.
func (m moment) Machine() string { return m.At.UTC().Format(time.RFC3339) }
func (m moment) Full() string    { return m.At.UTC().Format("2006-01-02 15:04:05 UTC") }

// at is a time before or after now: 12 min ago, in 3 h.
func at(t, now time.Time) moment {
	switch {
	case t.IsZero():
		return moment{}
	case t.After(now):
		return moment{t, "in " + lasting(t.Sub(now))}
	case now.Sub(t) < time.Second:
		return moment{t, "now"}
	}
	return moment{t, lasting(now.Sub(t)) + " ago"}
}

// clock is a time of day, with the day where that is not today.
func clock(t, now time.Time) moment {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.IsZero():
		return moment{}
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return moment{t, t.Format("15:04:05")}
	case now.Sub(t).Abs() < 300*24*time.Hour:
		return moment{t, t.Format("2 Jan 15:04")}
	}
	return moment{t, t.Format("2 Jan 2006")}
}

// lasting is a duration in one or two units: 40 s, 12 min, 1 h 05 min, 2 days.
func lasting(d time.Duration) string {
	switch {
	case d < 10*time.Second && d%time.Second != 0 && d > 0:
		return fmt.Sprintf("%.1f s", math.Max(0.1, d.Seconds()))
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", math.Round(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", math.Round(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", math.Round(d.Hours()))
	}
	return fmt.Sprintf("%.0f days", math.Round(d.Hours()/24))
}

// progress is how far something with a known end is.
type progress struct{ Done, Of int }

func progressOf(a api.App, now time.Time) *progress {
	r := a.Release
	if r == nil {
		return nil
	}
	to := a.Colors.Blue
	if r.To == release.Green {
		to = a.Colors.Green
	}
	switch r.Phase {
	case release.Deploying:
		if needed := neededOf(a, r.To, to); needed > 0 && to.Observed == r.Image {
			return &progress{int(min(to.Ready, needed)), int(needed)}
		}
	case release.Baking:
		if whole := r.BakeUntil.Sub(r.Since); whole > 0 {
			return &progress{int(min(now.Sub(r.Since), whole).Seconds()), max(1, int(whole.Seconds()))}
		}
	}
	return nil
}

// back is what a rollback or a failover would find.
type back struct {
	Text  string
	Ready bool
	Seen  moment
}

func backOf(a api.App, now time.Time) back {
	t := a.RollbackTarget
	if t == nil {
		return back{Text: "no rollback target"}
	}
	c := a.Colors.Blue
	if t.Color == release.Green {
		c = a.Colors.Green
	}
	needed := total(t.Replicas)
	b := back{Seen: at(c.SeenAt, now)}
	switch {
	case c.Retired:
		b.Text = "rollback scales up first"
	case c.SeenAt.IsZero():
		b.Text = "rollback target not seen yet"
	case now.Sub(c.SeenAt) > staleAfter:
		b.Text = "rollback target not seen"
	case c.Ready >= needed && c.Ready > 0:
		b.Text, b.Ready = "rollback ready", true
	default:
		b.Text = fmt.Sprintf("rollback: %d of %d ready", c.Ready, needed)
	}
	return b
}

// containsFold reports whether a text holds a part, in any case.
func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// sortedBy sorts by a number, and by name where that is the same.
func sortedBy(rows []row, key func(row) int64) {
	slices.SortStableFunc(rows, func(a, b row) int {
		if x, y := key(a), key(b); x != y {
			return int(min(1, max(-1, x-y)))
		}
		return strings.Compare(a.Name, b.Name)
	})
}
