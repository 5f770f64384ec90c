package release_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/golden"
	"bluegreen/internal/release"
)

// TestStories plays each story of testdata and compares it with what is written there:
// below each line what became of it, indented: facts, then the headline, then the pending
// effect. The line "status" shows all parts of the status.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, file, play(t, string(want)))
		})
	}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type story struct {
	state  release.State
	policy release.Policy
	now    time.Time
}

func storyPolicy() release.Policy {
	return release.Policy{
		First: release.Blue, RolloutTimeout: 10 * time.Minute, PullGrace: 5 * time.Minute,
		VerifyTimeout: 5 * time.Minute, SwitchTimeout: 10 * time.Minute, Bake: 15 * time.Minute,
		ProbeEvery: time.Minute, ProbeMisses: 3, RollbackWindow: 24 * time.Hour, RetireAfter: 30 * time.Minute,
	}
}

func play(t *testing.T, text string) string {
	s := &story{now: noon, policy: storyPolicy()}
	var out strings.Builder
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line == "status" {
			out.WriteString(s.status())
			continue
		}
		facts, err := s.do(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, f := range facts {
			fmt.Fprintf(&out, "  %s (%s): %s\n", f.Kind, f.Reason, f.Text)
		}
		fmt.Fprintf(&out, "  = %s\n", release.StatusOf(s.state, s.policy, s.now).Headline)
		effect, at := s.state.NextEffect(s.policy, s.now)
		switch {
		case effect != nil:
			fmt.Fprintf(&out, "  > %s\n", strings.TrimPrefix(fmt.Sprintf("%T", effect), "release."))
		case !at.IsZero():
			fmt.Fprintf(&out, "  > at %s\n", at.Format(time.TimeOnly))
		}
	}
	return out.String()
}

// status is every part of the status, each on a line.
func (s *story) status() (text string) {
	st := release.StatusOf(s.state, s.policy, s.now)
	add := func(label, part string) {
		if part != "" {
			text += fmt.Sprintf("  %s: %s\n", label, part)
		}
	}
	add(string(st.Standing), st.Headline)
	for _, n := range st.Needs {
		add("needs you", n.String())
		for _, r := range n.Helps {
			add("  "+r.Line("shop"), r.Does)
		}
	}
	add("live", st.Live)
	add("doing", st.Doing)
	add("until", st.Until)
	add("rollback", st.Rollback)
	add("held", strings.Join(st.Held, "; "))
	add("trouble", st.Trouble)
	add("next", st.Next)
	return text
}

func (s *story) do(line string) ([]release.Fact, error) {
	words := strings.Fields(line)
	verb, args, opts := words[0], []string{}, map[string]string{}
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			opts[k] = v
		} else {
			args = append(args, w)
		}
	}
	events := []release.Event{release.Ticked{}}
	switch verb {
	case "policy":
		return nil, s.setPolicy(opts)
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return nil, err
		}
		s.now = s.now.Add(d)
	case "bake":
		return s.bake(args[0])
	default:
		var err error
		if events[0], err = s.event(verb, args, opts); err != nil {
			return nil, err
		}
		if r := s.state.Release; verb == "rollout" && s.state.Color(r.To).Ordered.Release != r.ID {
			events = append([]release.Event{release.DeployCleared{Release: r.ID, Color: r.To}}, events...)
		} else if verb == "route" && r.Phase == release.Switching && r.Progress.Writes.IsZero() && args[0] != "clear" && opts["unwritten"] == "" {
			events = append([]release.Event{release.RouteObserved{Release: r.ID, To: r.To, Status: release.Clear}}, events...)
		}
	}
	return s.next(events...), nil
}

func (s *story) next(events ...release.Event) (all []release.Fact) {
	for _, event := range events {
		var facts []release.Fact
		s.state, facts = release.Next(s.state, event, s.policy, s.now)
		all = append(all, facts...)
	}
	return all
}

// bake lets time pass with a good look whenever one is due.
func (s *story) bake(text string) (all []release.Fact, err error) {
	d, err := time.ParseDuration(text)
	for end := s.now.Add(d); err == nil && s.now.Before(end); {
		s.now = s.now.Add(s.policy.ProbeEvery)
		var e release.Event
		e, err = s.probe("ok", nil, "")
		all = append(all, s.next(e, release.Ticked{})...)
	}
	return all, err
}

func (s *story) setPolicy(opts map[string]string) error {
	for k, v := range opts {
		switch k {
		case "manual":
			s.policy.Manual = true
			s.policy.Default = v
		case "approver":
			s.policy.OtherApproves = v == "other"
		case "force":
			s.policy.NoForce = v == "forbidden"
		case "first":
			s.policy.First = release.Color(v)
		case "deadline":
			d, err := time.ParseDuration(v)
			if err != nil {
				return err
			}
			s.policy.Deadline = d
		case "standby":
			version, size, _ := strings.Cut(v, "/")
			s.policy.Standby = release.StandbyPolicy{Same: version == "same", Size: release.StandbySize(size)}
		case "failover":
			s.policy.Failover = release.FailoverMode(v)
		case "signed":
			s.policy.Signed = true
		case "releaseTimeout":
			d, err := time.ParseDuration(v)
			if err != nil {
				return err
			}
			s.policy.ReleaseTimeout = d
		default:
			return fmt.Errorf("no policy %q", k)
		}
	}
	return nil
}

func (s *story) event(verb string, args []string, opts map[string]string) (release.Event, error) {
	r := s.state.Release
	rest := strings.Join(args[min(1, len(args)):], " ")
	switch verb {
	case "looked":
		e := release.Looked{Live: release.Color(args[0]), Detail: "traffic goes to " + args[0]}
		if args[0] == "neither" {
			e.Live, e.Detail = "", "rule shop points at pool-old"
		}
		e.Underway, e.Unseen = opts["underway"] != "", opts["unseen"]
		if w := opts["warns"]; w != "" {
			e.Warnings = []string{w}
		}
		if lag, ok := opts["lag"]; ok {
			var err error
			if e.Lag, err = time.ParseDuration(lag); err != nil {
				return nil, err
			}
		}
		for name, slot := range map[string]**release.Observed{"blue": &e.Blue, "green": &e.Green} {
			if tag, ok := opts[name]; ok {
				*slot = running(tag)
			}
		}
		return e, nil
	case "push":
		at := s.now
		if ago, ok := opts["ago"]; ok {
			d, err := time.ParseDuration(ago)
			if err != nil {
				return nil, err
			}
			at = at.Add(-d)
		}
		e := release.ImagePushed{Image: image(args[0], at)}
		for _, tag := range strings.FieldsFunc(opts["beside"], func(r rune) bool { return r == ',' }) {
			e.Beside = append(e.Beside, image(tag, s.now))
		}
		return e, nil
	case "alert":
		e := release.AlertFired{ID: "a1", Rule: args[0], Summary: rest, At: s.now, Color: release.Color(opts["color"]), Corroborate: opts["corroborate"] != ""}
		if id := opts["id"]; id != "" {
			e.ID = id
		}
		if ago, ok := opts["ago"]; ok {
			d, err := time.ParseDuration(ago)
			if err != nil {
				return nil, err
			}
			e.At = s.now.Add(-d)
		}
		return e, nil
	case "resolved":
		return release.AlertResolved{ID: args[0], Rule: args[1]}, nil
	case "rollout":
		n, err := strconv.Atoi(args[1])
		runs := r.Image
		if tag, ok := opts["runs"]; ok {
			runs = image(tag, time.Time{})
			runs.Tag = r.Image.Tag
		}
		return release.RolloutObserved{
			Release: r.ID, Color: r.To, Status: release.Rollout(args[0]), Detail: strings.Join(args[2:], " "),
			Seen: release.Observed{Image: runs, Replicas: []int32{3}, Ready: int32(n), By: opts["by"]},
			Held: opts["held"] != "", Unheld: opts["unheld"],
		}, err
	case "checks":
		seen := &release.Observed{Image: r.Image, Replicas: []int32{3}, Ready: 3}
		if tag, ok := opts["runs"]; ok {
			seen = running(tag)
		}
		return release.ChecksObserved{
			Release: r.ID, Color: r.To, Verdict: release.Verdict(args[0]), Seen: seen, Detail: rest, Signer: opts["signer"], Unsigned: opts["unsigned"] != "",
		}, nil
	case "cleared":
		return release.DeployCleared{Release: r.ID, Color: r.To, Holds: opts["holds"] != ""}, nil
	case "freed":
		return release.SizeFreed{Color: release.Color(args[0]), Denied: opts["denied"]}, nil
	case "route":
		to := r.To
		if r.Phase == release.Returning {
			to = r.From
		}
		return release.RouteObserved{
			Release: r.ID, To: to, Status: release.Routing(args[0]), Operation: opts["operation"], Rival: opts["rival"] != "", Failing: opts["failing"] != "",
			Live: release.Color(opts["live"]), Unconfirmed: opts["unconfirmed"], Detail: rest,
		}, nil
	case "target":
		return release.TargetObserved{Release: r.ID, Color: r.From, Ready: args[0] == "ready", Hopeless: args[0] == "hopeless", Broken: args[0] == "hopeless", Detail: rest}, nil
	case "probe":
		return s.probe(args[0], opts, rest)
	case "seen":
		o, err := parseObserved(args[1])
		return release.ColorSeen{Color: release.Color(args[0]), Seen: o}, err
	case "standby":
		return s.standby()
	case "registry":
		e := release.RegistryAsked{}
		for name, list := range map[string]*[]release.Image{"lacks": &e.Lacks, "has": &e.Has} {
			for _, tag := range strings.FieldsFunc(opts[name], func(r rune) bool { return r == ',' }) {
				*list = append(*list, image(tag, time.Time{}))
			}
		}
		return e, nil
	case "failed":
		return release.StepFailed{Detail: strings.Join(args, " ")}, nil
	}
	if verb == "extend" {
		d, err := time.ParseDuration(args[0])
		return release.Commanded{Command: release.ExtendBake, By: release.Actor{Name: "ana"}, Why: opts["why"], For: d}, err
	}
	c := release.Commanded{Command: release.Command(verb), By: release.Actor{Name: "ana"}, Why: opts["why"], To: release.Color(opts["to"]), Force: opts["force"] != ""}
	if key, id := opts["key"], opts["signed-in"]; key != "" || id != "" {
		c.By = release.Actor{Key: key, Proven: id}
	}
	if len(args) > 0 && c.Command == release.Forget {
		c.Tag = args[0]
	} else if len(args) > 0 {
		c.Image = image(args[0], time.Time{})
		c.Digest = c.Image.Digest
	}
	return c, nil
}

// standby is what became of the pending order for the standby.
func (s *story) standby() (release.Event, error) {
	effect, _ := s.state.NextEffect(s.policy, s.now)
	switch e, ok := effect.(release.KeepStandby); {
	case !ok:
		return nil, fmt.Errorf("nothing is to be done to the standby: %#v", effect)
	case e.Cleared:
		return release.StandbyMade{Color: e.Color, Image: e.Image}, nil
	case !e.Image.IsZero():
		return release.StandbyCleared{Color: e.Color, Image: e.Image}, nil
	default:
		return release.StandbyMade{Color: e.Color, Replicas: e.Size}, nil
	}
}

// probe is a look during the bake: ok, miss, unknown, or none at the public address. live and
// target are what the colors run; "away" when they cannot be looked at.
func (s *story) probe(checks string, opts map[string]string, detail string) (release.Event, error) {
	r := s.state.Release
	e := release.Probed{Release: r.ID, Color: s.state.Serving.Color, Health: release.Verdict(opts["health"]), Detail: detail, TargetDetail: detail}
	var known bool
	if e.Checks, known = map[string]release.Verdict{"ok": release.Passed, "miss": release.Refuted, "unknown": release.Unknown, "none": ""}[checks]; !known {
		return nil, fmt.Errorf("no verdict %q", checks)
	}
	for name, at := range map[string]struct {
		into *(*release.Observed)
		runs release.Image
	}{"live": {&e.Live, s.state.Serving.Image}, "target": {&e.Target, s.state.Serving.Previous.Image}} {
		text, given := opts[name]
		if text == "away" {
			continue
		}
		o := release.Observed{Image: at.runs, Replicas: []int32{3}, Ready: 3}
		if given {
			var err error
			if o, err = parseObserved(text); err != nil {
				return nil, err
			}
			if o.Image.IsZero() && !strings.HasPrefix(text, "nothing") {
				o.Image = at.runs
			}
		}
		*at.into = &o
	}
	return e, nil
}

// parseObserved reads "2.0:1/3:kubectl": image, ready of wanted pods, and who changed it; all but
// the middle may be left out.
func parseObserved(text string) (o release.Observed, err error) {
	parts := append(strings.Split(text, ":"), "", "")
	if parts[0] != "" && parts[0] != "nothing" {
		o.Image = image(parts[0], time.Time{})
	}
	var wanted int32
	if _, err = fmt.Sscanf(cmp.Or(parts[1], "3/3"), "%d/%d", &o.Ready, &wanted); err != nil {
		return o, fmt.Errorf("%q: %w", text, err)
	}
	o.Replicas, o.By = []int32{wanted}, parts[2]
	return o, nil
}

// image makes an image of a tag; "2.0@x" has the digest of x, and "2.0@" none.
func image(text string, at time.Time) release.Image {
	tag, digest, ok := strings.Cut(text, "@")
	if !ok {
		digest = tag
	}
	if digest != "" {
		digest = "sha256:" + digest
	}
	return release.Image{Tag: tag, Digest: digest, PushedAt: at}
}

func running(tag string) *release.Observed {
	if tag == "nothing" {
		return &release.Observed{Replicas: []int32{0}}
	}
	if strings.Contains(tag, ":") {
		o, err := parseObserved(tag)
		if err != nil {
			panic(err)
		}
		return &o
	}
	return &release.Observed{Image: image(tag, time.Time{}), Replicas: []int32{3}, Ready: 3}
}
