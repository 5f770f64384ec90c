package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// command is what other people and systems do in real life.
type command struct {
	name, args, does string
	run              func(ctx context.Context, l *Lab, args []string) (done string, err error)
}

// commands are those that a running lab takes. An argument in brackets can be left out.
var commands = []command{
	{"push", "APP TAG [FLAW]", "push a new image; with a flaw, a bad one", push},
	{"retag", "APP TAG NEW-TAG", "push an image that is there once more, under another tag", retag},
	{"alert", "APP", "fire the alert about errors of the live color", alert},
	{"lose-pods", "APP COLOR", "take the nodes of a color away", losePods},
	{"return-pods", "APP COLOR", "bring them back", returnPods},
	{"edit", "APP COLOR TAG", "change the image of a Deployment outside bluegreen", edit},
	{"reroute", "APP", "point the gateway at the other color outside bluegreen", reroute},
	{"kill", "", "kill the process of the Functions app's handler; the host starts it again", kill},
	{"who", "[APP]", "who answers the users", who},
}

// Usage lists the commands, and what can be wrong with an image.
func Usage() string {
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-28s %s\n", strings.TrimSpace(c.name+" "+c.args), c.does)
	}
	fmt.Fprintf(&b, "Apps are %s and %s, colors blue and green, flaws %s.\n", Shop, Pay, flawNames())
	return b.String()
}

func push(ctx context.Context, l *Lab, args []string) (string, error) {
	flaw := ""
	if len(args) == 3 {
		flaw = args[2]
	}
	return "pushed " + args[1], l.Push(ctx, args[0], args[1], flaw)
}

func retag(ctx context.Context, l *Lab, args []string) (string, error) {
	return fmt.Sprintf("pushed the image of %s as %s", args[1], args[2]), l.retag(ctx, args[0], args[1], args[2])
}

func alert(ctx context.Context, l *Lab, args []string) (string, error) {
	s, err := l.named(args[0])
	if err != nil {
		return "", err
	}
	live := s.front.live()
	return fmt.Sprintf("the alert %s has fired for %s of %s", s.rule(), live.pool, live.gateway[strings.LastIndex(live.gateway, "/")+1:]), l.alert(ctx, s, live, 4*limit)
}

func losePods(_ context.Context, l *Lab, args []string) (string, error) {
	s, color, err := l.colorOf(args)
	if err == nil {
		s.cluster.Lose(color, 1)
	}
	return fmt.Sprintf("the nodes of %s are gone", color), err
}

func returnPods(_ context.Context, l *Lab, args []string) (string, error) {
	s, color, err := l.colorOf(args)
	if err == nil {
		s.cluster.Lose(color, 0)
	}
	return fmt.Sprintf("the nodes of %s are back, its pods start anew", color), err
}

func edit(_ context.Context, l *Lab, args []string) (string, error) {
	s, color, err := l.colorOf(args)
	if err == nil {
		s.cluster.Edit(color, release.Image{Tag: args[2]})
	}
	return fmt.Sprintf("the Deployment of %s names %s now, by kubectl", color, args[2]), err
}

func reroute(_ context.Context, l *Lab, args []string) (string, error) {
	s, err := l.named(args[0])
	if err != nil {
		return "", err
	}
	to, err := s.front.reroute()
	return fmt.Sprintf("the gateway is being pointed at %s, by a person in the portal", to), err
}

func kill(ctx context.Context, l *Lab, _ []string) (string, error) {
	killed, began := l.host.PID(), time.Now()
	if err := l.host.Kill(); err != nil {
		return "", err
	}
	for l.host.PID() == killed {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return "", err
		}
	}
	err := l.host.Ready(ctx)
	return fmt.Sprintf("killed process %d; the host has started process %d, which answers after %.1f s", killed, l.host.PID(), time.Since(began).Seconds()), err
}

func who(ctx context.Context, l *Lab, args []string) (string, error) {
	asked := l.sites
	if len(args) == 1 {
		s, err := l.named(args[0])
		if err != nil {
			return "", err
		}
		asked = []*site{s}
	}
	var lines []string
	for _, s := range asked {
		lines = append(lines, fmt.Sprintf("%-5s %s", s.name, s.users.asked(ctx)))
	}
	return strings.Join(lines, "\n"), nil
}

// colorOf is the app and the color that a command names first.
func (l *Lab) colorOf(args []string) (*site, release.Color, error) {
	s, err := l.named(args[0])
	if err != nil {
		return nil, "", err
	}
	if color := release.Color(args[1]); color == release.Blue || color == release.Green {
		return s, color, nil
	}
	return nil, "", fmt.Errorf("%q is not a color: blue or green", args[1])
}

// Do carries out a command, given as a person writes it.
func (l *Lab) Do(ctx context.Context, words ...string) (string, error) {
	for _, c := range commands {
		if len(words) == 0 || words[0] != c.name {
			continue
		}
		args, most := words[1:], strings.Fields(c.args)
		least := len(most) - strings.Count(c.args, "[")
		if len(args) < least || len(args) > len(most) {
			return "", fmt.Errorf("use: %s %s", c.name, c.args)
		}
		done, err := c.run(ctx, l, args)
		if err == nil && c.name != "who" {
			l.notes.add("lab", strings.Join(words, " ")+": "+done)
		}
		return done, err
	}
	return "", fmt.Errorf("the lab has no command %q; it has\n%s", strings.Join(words, " "), Usage())
}

// startControl takes commands. It listens first, so that a port in use is noticed at once.
func (l *Lab) startControl(context.Context) error {
	listener, err := net.Listen("tcp", l.address(0))
	if err != nil {
		return fmt.Errorf("take commands: %w", err)
	}
	commands := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var words []string
		if err := json.NewDecoder(r.Body).Decode(&words); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !l.up.Load() {
			http.Error(w, "the lab is still starting", http.StatusServiceUnavailable)
			return
		}
		done, err := l.Do(r.Context(), words...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, done)
	})
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(commands), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	l.onClose(func() { server.Close() })
	return nil
}

// Ask gives a command to the lab of a port on this machine, and returns its answer.
func Ask(ctx context.Context, port int, words []string) (string, error) {
	body, err := json.Marshal(words)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s:%d/", loopback, port), strings.NewReader(string(body)))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("no lab answers on port %d: start one in another terminal, or name its port with --port (%w)", port, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	answer := strings.TrimRight(string(text), "\n")
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(answer)
	}
	return answer, nil
}

// errStopped means that the lab was ended from outside.
var errStopped = errors.New("stopped")
