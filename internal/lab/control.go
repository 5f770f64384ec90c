package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/fake"
	"bluegreen/internal/release"
)

// smoke is the flaw of an image that gets ready and fails the check before the switch.
const smoke = "smoke"

// Flaws are what can be wrong with an image that is pushed.
var Flaws = map[string]fake.Behaviour{
	"":       {Ready: time.Second},
	"errors": {Ready: time.Second, Errors: true},
	smoke:    {Ready: time.Second},
	"never":  {Never: "readiness probe failed: HTTP probe failed with statuscode: 503"},
	"pull":   {Never: "manifest unknown", Status: release.PullFailing},
	"name":   {Never: "InvalidImageName", Status: release.Broken},
}

// Push pushes an image under a tag, with a flaw or "".
func (s *Lab) Push(ctx context.Context, tag, flaw string) error {
	behaviour, ok := Flaws[flaw]
	if !ok {
		return fmt.Errorf("bad=%s is not known: errors, smoke, never, pull or name", flaw)
	}
	if _, err := semver.StrictNewVersion(tag); err != nil {
		return fmt.Errorf("tag %q is not a version such as 2.0.0, and nothing else is released here", tag)
	}
	s.cluster.Behave(tag, behaviour)
	s.instances.fail(tag, flaw == smoke)
	_, err := s.registry.Push(ctx, repository, tag)
	return err
}

// alert fires the alert about errors of a pool, as Azure Monitor does through an action group.
func (s *Lab) alert(ctx context.Context, of source, errors int) error {
	alert := actiongroup.Alert{Rule: "podinfo-5xx", Severity: "Sev1", Target: of.gateway}
	outcome, err := s.alerts.Send(ctx, alert.Metric(of.pool, float64(errors), limit))
	if err == nil && !outcome.Delivered() {
		err = fmt.Errorf("the alert was not taken: %d %s", outcome.Status, outcome.Answer)
	}
	return err
}

// limit is how many errors of a pool within a second make the monitor fire.
const limit = 5

// monitor stands for an alert rule on the 5xx answers of each pool. Azure Monitor needs
// minutes for what it does here in a second.
func (s *Lab) monitor(ctx context.Context) {
	before := map[source]int{}
	for sleep(ctx, time.Second) == nil {
		now := s.front.failures()
		for of, n := range now {
			if n-before[of] < limit {
				continue
			}
			if err := s.alert(ctx, of, n-before[of]); err != nil && ctx.Err() == nil {
				s.Log.Error("alert not sent", "error", err)
			}
		}
		before = now
	}
}

// startControl opens the lab's own buttons: what in real life other people's systems do.
func (s *Lab) startControl(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the lab's buttons: %w", err)
	}
	s.control = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /push", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		press(w, s.Push(r.Context(), q.Get("tag"), q.Get("bad")), "pushed "+q.Get("tag"))
	})
	mux.HandleFunc("POST /alert", func(w http.ResponseWriter, r *http.Request) {
		live := s.front.live()
		press(w, s.alert(r.Context(), live, 4*limit), "alert podinfo-5xx fired for "+live.pool+" of "+live.gateway[strings.LastIndex(live.gateway, "/")+1:])
	})
	mux.HandleFunc("GET /ask", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, s.users.asked(r.Context()))
	})
	server := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	s.onClose(func() { server.Close() })
	return nil
}

func press(w http.ResponseWriter, err error, done string) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, done)
}

// Guide says where everything is and what to try.
func (s *Lab) Guide() string {
	post := fmt.Sprintf("curl -X POST -H 'x-functions-key: %s' -H 'Content-Type: application/json' -H \"Idempotency-Key: $RANDOM\"", key)
	app := s.host.URL() + "/api/apps/" + App
	address := s.Address()
	if s.front.profile != nil {
		address += "   (only the lab's DNS knows this name: ask as below)"
	}
	return strings.Join([]string{
		"  users ask        " + address,
		"  pages            " + s.Pages() + "   (open with the key " + key + ")",
		"  API              " + s.host.URL() + "/api   (x-functions-key: " + key + ")",
		"  registry         " + s.registry.Host() + "/" + repository,
		"  Azure            " + s.azure.URL() + ", DNS " + s.azure.DNS(),
		"",
		"Try in another terminal:",
		"  who answers users     curl -s " + s.control + "/ask",
		"  what the app does     curl -s -H 'x-functions-key: " + key + "' -H 'Accept: text/plain' " + app,
		"  what happened         curl -s -H 'x-functions-key: " + key + "' -H 'Accept: text/plain' " + app + "/history",
		"  push an image         curl -X POST '" + s.control + "/push?tag=2.1.0'",
		"  push a broken one     curl -X POST '" + s.control + "/push?tag=2.2.0&bad=errors'   (or bad=smoke, bad=never, bad=pull, bad=name)",
		"  fire the alert        curl -X POST " + s.control + "/alert",
		"  switch by hand        " + post + " -d '{\"why\":\"trying\"}' '" + app + "/switch?wait=switched'",
		"  roll back             " + post + " -d '{\"why\":\"trying\"}' " + app + "/rollback",
		"  the same by CLI       export BLUEGREEN_URL=" + s.host.URL() + " BLUEGREEN_KEY=" + key + "; dist/bluegreen status",
	}, "\n")
}

// errStopped means that the lab was ended from outside.
var errStopped = errors.New("stopped")
