package trafficmanager_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/trafficmanager"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
)

func TestASwitchIsOneWriteOfNothingButTheTwoEndpoints(t *testing.T) {
	w := newEnv(t, 30)
	w.edit(func(p map[string]any) {
		p["somethingNew"] = map[string]any{"aLargeNumber": json.Number("12345678901234567890.10"), "nothing": nil}
		endpoint(p, "green")["alwaysServe"] = "Disabled"
		endpoint(p, "sorry")["somethingElse"] = "kept"
	})
	want := w.azure.Document()
	before := len(w.azure.Writes())
	if _, err := w.Switch(t.Context(), release.Green, 1); err != nil {
		t.Fatal(err)
	}
	p := want["properties"].(map[string]any)
	blue, green := endpoint(p, "blue"), endpoint(p, "green")
	blue["endpointStatus"], green["endpointStatus"] = "Disabled", "Enabled"
	blue["priority"], green["priority"] = green["priority"], blue["priority"]
	forget(want)
	got := w.azure.Document()
	forget(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what a switch changed (-want +got):\n%s", diff)
	}
	writes := w.azure.Writes()[before:]
	if len(writes) != 1 || writes[0].Prefers != "green" {
		t.Errorf("the switch made these writes: %+v", writes)
	}
}

// forget removes the fields that the service derives.
func forget(doc map[string]any) {
	delete(doc["properties"].(map[string]any)["monitorConfig"].(map[string]any), "profileMonitorStatus")
	for _, e := range doc["properties"].(map[string]any)["endpoints"].([]any) {
		delete(e.(map[string]any)["properties"].(map[string]any), "endpointMonitorStatus")
	}
}

func TestTheColorWithoutTrafficIsNeverWhereTrafficManagerFailsOverTo(t *testing.T) {
	w := newEnv(t, 0)
	w.edit(func(p map[string]any) { endpoint(p, "green")["endpointStatus"] = "Enabled" })
	w.done(release.Green)
	w.done(release.Blue)
	w.backends[release.Blue].sick.Store(true)
	for end := time.Now().Add(10 * time.Second); !slices.Equal(w.azure.Serving(), []string{"sorry"}); time.Sleep(2 * time.Millisecond) {
		if slices.Contains(w.azure.Serving(), "green") {
			t.Fatal("users are sent to the idle color")
		}
		if time.Now().After(end) {
			t.Fatalf("users are sent to %v, want the page for when all is lost", w.azure.Serving())
		}
	}
}

func TestASwitchIsDoneOnlyWhenNoAnswerFromBeforeIsLeft(t *testing.T) {
	w := newEnv(t, 60)
	w.azure.Hold()
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	poll := func() engine.Operation {
		t.Helper()
		next, err := w.open().Poll(t.Context(), op.Token) // as another process
		if err != nil || next.Lost {
			t.Fatalf("%+v, error %v", next, err)
		}
		return next
	}
	w.pass(time.Minute)
	if op = poll(); op.Done || w.ask() != release.Blue {
		t.Fatal("the switch is done before the name servers know it")
	}
	says(t, op.Detail, "does not answer green yet", "127.12.1.1")
	w.azure.Release()
	if op = poll(); op.Done {
		t.Fatal("the switch is done as soon as the name servers know it")
	}
	says(t, op.Detail, "resolvers may keep the old answer until", "TTL 1m0s")
	w.pass(55 * time.Second)
	if poll().Done {
		t.Fatal("the switch is done within the TTL")
	}
	w.pass(6 * time.Second)
	if !poll().Done {
		t.Fatalf("the switch is not done after the TTL: %s", poll().Detail)
	}
	w.edit(point(release.Blue))
	if late, err := w.Poll(t.Context(), op.Token); err != nil || !late.Lost {
		t.Errorf("after another write the operation is %+v, error %v", late, err)
	}
}

func TestANameThatCannotBeLookedUpIsNoSwitchThatIsDone(t *testing.T) {
	w := newEnv(t, 0)
	w.options.Resolver = broken{}
	w.Gateway = w.open()
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.azure.Release()
	if op, err = w.Poll(t.Context(), op.Token); err != nil || op.Done || op.Lost {
		t.Fatalf("%+v, error %v", op, err)
	}
	says(t, op.Detail, "the profile is changed", "cannot be looked up", "no route")
	w.pass(3 * time.Minute) // then the write is made again: the first may be lost
	if op, err = w.Poll(t.Context(), op.Token); err != nil || !op.Lost {
		t.Fatalf("%+v, error %v", op, err)
	}
	if _, err := w.Preflight(t.Context()); err == nil {
		t.Error("the check finds nothing wrong")
	}
}

type broken struct{}

func (broken) LookupHost(_ context.Context, host string) ([]string, error) {
	return nil, &net.DNSError{Err: "no route to the DNS server", Name: host, IsTemporary: true}
}

func TestAReadingSaysWhetherUsersHaveFollowed(t *testing.T) {
	w := newEnv(t, 60)
	read := func() engine.Reading {
		t.Helper()
		r, err := w.Live(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := read(); r.Underway || r.Live != release.Blue || r.Lag != time.Minute {
		t.Errorf("at rest it reads %+v", r)
	}
	w.arm.DNSFails(true)
	if r := read(); !r.Underway || r.Live != release.Blue {
		t.Errorf("while DNS fails it reads %+v", r)
	} else {
		says(t, r.Detail, "cannot be looked up")
	}
	w.arm.DNSFails(false)
	w.azure.Hold()
	if _, err := w.Switch(t.Context(), release.Green, 1); err != nil {
		t.Fatal(err)
	}
	if r := read(); !r.Underway || r.Live != release.Green {
		t.Errorf("while the name servers do not follow it reads %+v", r)
	} else {
		says(t, r.Detail, "does not answer green yet")
	}
	w.azure.Release()
	if r := read(); r.Underway || r.Live != release.Green {
		t.Errorf("when the name servers have followed it reads %+v", r)
	}
}

func TestThePreferredEndpointDecides(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(p map[string]any)
		live release.Color
		says string // why a switch is denied; "" when it is not
	}{
		"one is enabled":           {edit: point(release.Green), live: release.Green},
		"both are, blue preferred": {edit: func(p map[string]any) { endpoint(p, "green")["endpointStatus"] = "Enabled" }, live: release.Blue},
		"both are, green preferred": {live: release.Green, edit: func(p map[string]any) {
			endpoint(p, "green")["endpointStatus"], endpoint(p, "green")["priority"], endpoint(p, "blue")["priority"] = "Enabled", 1, 2
		}},
		"one of neither color": {says: "endpoint sorry, which is of neither color, gets the traffic", edit: func(p map[string]any) {
			endpoint(p, "sorry")["priority"], endpoint(p, "blue")["priority"] = 1, 9
		}},
		"none is enabled": {says: "no endpoint of the profile is enabled", edit: func(p map[string]any) {
			point("")(p)
			endpoint(p, "sorry")["endpointStatus"] = "Disabled"
		}},
		"the profile is disabled":  {says: "the profile is disabled", edit: func(p map[string]any) { p["profileStatus"] = "Disabled" }},
		"weights instead":          {says: `routes by "Weighted"`, edit: func(p map[string]any) { p["trafficRoutingMethod"] = "Weighted" }},
		"an endpoint is not there": {live: release.Blue, says: "endpoint green of green does not exist: the profile has blue, sorry", edit: func(p map[string]any) { p["endpoints"] = slices.Delete(p["endpoints"].([]any), 1, 2) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, 0)
			w.edit(c.edit)
			r, err := w.Live(t.Context())
			if err != nil || r.Live != c.live || r.Detail == "" {
				t.Errorf("it reads %+v, error %v, want %q", r, err, c.live)
			}
			before := len(w.azure.Writes())
			_, err = w.Switch(t.Context(), release.Green, 1)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, engine.ErrDenied) || len(w.azure.Writes()) != before {
				t.Fatalf("the switch is not denied: %v", err)
			}
			says(t, err.Error(), c.says)
			found, err := w.Preflight(t.Context())
			if err != nil || len(found) == 0 || found[0].Warning {
				t.Fatalf("the check finds %+v, error %v", found, err)
			}
			says(t, fmt.Sprint(found), c.says)
		})
	}
}

func TestAReadingWarnsOfWhatIsWrongAlthoughItLeadsToOneColor(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(p map[string]any)
		live release.Color
		says []string
	}{
		"all is well": {edit: func(map[string]any) {}, live: release.Blue},
		"the idle endpoint is enabled": {live: release.Blue, edit: func(p map[string]any) { endpoint(p, "green")["endpointStatus"] = "Enabled" }, says: []string{
			"endpoint green of green is also enabled", "sends users there by itself when blue fails",
			"az network traffic-manager endpoint update --profile-name tm-shop --resource-group rg-shop-prod --type azureEndpoints --name green --endpoint-status Disabled",
		}},
		"the idle endpoint is deleted": {live: release.Blue, edit: func(p map[string]any) { p["endpoints"] = slices.Delete(p["endpoints"].([]any), 1, 2) }, says: []string{
			"endpoint green of green does not exist", "az network traffic-manager endpoint create --profile-name tm-shop --resource-group rg-shop-prod",
		}},
		"the profile is disabled": {edit: func(p map[string]any) { p["profileStatus"] = "Disabled" }, says: []string{
			"the profile is disabled", "az network traffic-manager profile update --name tm-shop --resource-group rg-shop-prod --status Enabled",
		}},
	} {
		w := newEnv(t, 0)
		w.edit(c.edit)
		r, err := w.Live(t.Context())
		if err != nil || r.Live != c.live || r.Underway {
			t.Errorf("%s: it reads %+v, error %v", name, r, err)
		}
		says(t, r.Detail, c.says...)
		if c.live != "" {
			says(t, strings.Join(r.Warnings, "\n"), c.says...)
		}
		if len(c.says) == 0 && len(r.Warnings) > 0 {
			t.Errorf("%s: it warns of %q", name, r.Warnings)
		}
	}
}

func TestAnEndpointThatIsGoneHoldsBackOnlyItsOwnColor(t *testing.T) {
	w := newEnv(t, 0)
	w.edit(func(p map[string]any) { p["endpoints"] = slices.Delete(p["endpoints"].([]any), 1, 2) })
	if _, err := w.Switch(t.Context(), release.Green, 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("the switch to it: %v", err)
	}
	w.done(release.Blue)
	if h, err := w.Health(t.Context(), release.Green); err != nil || h.Healthy || h.Detail == "" {
		t.Errorf("its health is %+v, error %v", h, err)
	}
	if h, err := w.Health(t.Context(), release.Blue); err != nil || !h.Healthy {
		t.Errorf("the other's health is %+v, error %v", h, err)
	}
}

func TestObstaclesToASwitchAreReportedBefore(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *env)
		says  string // "" for nothing
		warns bool
	}{
		"all is well": {},
		"a long TTL": {warns: true, says: "users follow a switch or a return only within 5m0s", spoil: func(w *env) {
			w.edit(func(p map[string]any) { p["dnsConfig"].(map[string]any)["ttl"] = 300 })
		}},
		"a TTL as long as a switch may take": {says: "set the TTL to a minute or less", spoil: func(w *env) {
			w.options.Longest = 5 * time.Minute
			w.edit(func(p map[string]any) { p["dnsConfig"].(map[string]any)["ttl"] = 300 })
		}},
		"the idle color may be failed over to": {warns: true, says: "endpoint green of green is also enabled: Traffic Manager sends users there by itself when blue fails", spoil: func(w *env) {
			w.edit(func(p map[string]any) { endpoint(p, "green")["endpointStatus"] = "Enabled" })
		}},
		"no such name": {says: "the name agw-green.westeurope.cloudapp.azure.com does not exist", spoil: func(w *env) { w.arm.AddName(hosts[release.Green]) }},
		"one address for both": {says: "lead to the same address (127.12.1.1)", spoil: func(w *env) {
			w.arm.AddName(hosts[release.Green], "127.12.1.1")
		}},
		"no such profile": {says: "there is no Traffic Manager profile", spoil: func(w *env) { w.options.ID += "-none" }},
		"no right to read": {says: "lacks Microsoft.Network/trafficManagerProfiles/read", spoil: func(w *env) {
			w.arm.Deny("", "Microsoft.Network/trafficManagerProfiles/read")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, 10)
			if c.spoil != nil {
				c.spoil(w)
			}
			found, err := w.open().Preflight(t.Context())
			if err != nil || c.says == "" && len(found) > 0 || c.says != "" && len(found) != 1 {
				t.Fatalf("the check finds %+v, error %v", found, err)
			}
			if len(found) > 0 && found[0].Warning != c.warns {
				t.Errorf("it is a warning: %v", found[0].Warning)
			}
			says(t, fmt.Sprint(found), c.says)
		})
	}
}

func TestAnIdleColorIsAskedAsTheMonitorAsks(t *testing.T) {
	w := newEnv(t, 0)
	h, err := w.Health(t.Context(), release.Green)
	if err != nil || !h.Healthy {
		t.Fatalf("%+v, error %v", h, err) // the server wants the monitor's Host header, and its certificate is self-signed
	}
	w.backends[release.Green].sick.Store(true)
	if h, err = w.Health(t.Context(), release.Green); err != nil || h.Healthy || h.Unknown {
		t.Fatalf("%+v, error %v", h, err)
	}
	says(t, h.Detail, "502", hosts[release.Green])
	w.edit(func(p map[string]any) {
		p["monitorConfig"].(map[string]any)["expectedStatusCodeRanges"] = []any{map[string]any{"min": 200, "max": 299}, map[string]any{"min": 502, "max": 502}}
	})
	if h, err = w.Health(t.Context(), release.Green); err != nil || !h.Healthy {
		t.Fatalf("%+v, error %v", h, err)
	}
	w.edit(func(p map[string]any) {
		p["monitorConfig"].(map[string]any)["protocol"], p["monitorConfig"].(map[string]any)["path"] = "TCP", nil
	})
	if h, err = w.Health(t.Context(), release.Green); err != nil || !h.Healthy {
		t.Fatalf("%+v, error %v", h, err)
	}
}

func TestAnEndpointThatTrafficManagerFindsDegradedIsUnhealthyAlthoughItAnswersHere(t *testing.T) {
	w := newEnv(t, 0)
	w.backends[release.Blue].apart.Store(true)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		h, err := w.Health(t.Context(), release.Blue)
		if err != nil {
			t.Fatal(err)
		}
		if !h.Healthy {
			says(t, h.Detail, "Degraded", "https://"+hosts[release.Blue])
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it is healthy: %s", h.Detail)
		}
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	w := newEnv(t, 0)
	for want, spoil := range map[string]func(){
		"is not a resource id of the type Microsoft.Network/trafficManagerProfiles": func() { w.options.ID = "/subscriptions/s" },
		`not "Blue" and "blue"`: func() { w.options.Green = "blue" },
	} {
		before := w.options
		spoil()
		if _, err := trafficmanager.New(w.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		w.options = before
	}
	if _, err := w.Switch(t.Context(), "red", 1); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("a switch to red: %v", err)
	}
	if w.azure.Inject(9, arm.Read, arm.InternalError); w.check() == nil {
		t.Error("a preflight without an answer finds nothing wrong")
	}
}

func (w *env) check() error { _, err := w.Preflight(w.t.Context()); return err }
