package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/functions"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
)

const digest = "sha256:9f2c6e0d3b1a47585c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3"

func push(repository, tag string, at time.Time) json.RawMessage {
	return fmt.Appendf(nil, `{"id":"e1","topic":"/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shopacr",
"eventType":"Microsoft.ContainerRegistry.ImagePushed","eventTime":%[1]q,"data":{"timestamp":%[1]q,"action":"push","location":"westeurope",
"target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%[2]q,"repository":%[3]q,"tag":%[4]q},"request":{"host":"ShopACR.azurecr.io"}}}`,
		at.Format(time.RFC3339Nano), digest, repository, tag)
}

func TestAPushReachesEveryAppThatIsReleasedFromItsRepository(t *testing.T) {
	w := newEnv(t, changes{})
	send := func(repository, tag string, want ...string) {
		t.Helper()
		lines, err := w.intake.ImagePushed(t.Context(), push(repository, tag, w.now()))
		if diff := cmp.Diff(want, lines); err != nil || diff != "" {
			t.Errorf("error %v %s", err, diff)
		}
	}
	send("Team/Shop", "1.2.3", "shop: accepted: 1.2.3 (9f2c6e0d3b1a)", "shop-eu: accepted: 1.2.3 (9f2c6e0d3b1a)")
	send("team/shop", "1.2.3", "shop: known already: 1.2.3 (9f2c6e0d3b1a)", "shop-eu: known already: 1.2.3 (9f2c6e0d3b1a)")
	send("team/shop", "0.9.0", `shop: dropped: its tag policy "semver:>=1" does not admit 0.9.0 (9f2c6e0d3b1a); bluegreen deploy shop --image 0.9.0 releases it, image.tags in the configuration says which tags are released by themselves`,
		`shop-eu: dropped: its tag policy "semver:>=1" does not admit 0.9.0 (9f2c6e0d3b1a); bluegreen deploy shop-eu --image 0.9.0 releases it, image.tags in the configuration says which tags are released by themselves`)
	send("team/other", "1.0.0", `dropped: no app is released from "shopacr.azurecr.io/team/other"; the configuration names shopacr.azurecr.io/team/broken, shopacr.azurecr.io/team/carts, shopacr.azurecr.io/team/orders, shopacr.azurecr.io/team/shop, shopacr.azurecr.io/team/tools`)
	for app, want := range map[string]int{"shop": 1, "shop-eu": 1, "tools": 0} {
		if got := len(w.inbox(app)); got != want {
			t.Errorf("%s has %d pushes, want %d", app, got, want)
		}
	}
}

func TestAPushByARegionalEndpointIsOneToTheRegistry(t *testing.T) {
	w := newEnv(t, changes{})
	event := bytes.Replace(push("team/shop", "1.2.3", w.now()), []byte("ShopACR.azurecr.io"), []byte("shopacr.westeurope.geo.azurecr.io:443"), 1)
	lines, err := w.intake.ImagePushed(t.Context(), event)
	if want := []string{"shop: accepted: 1.2.3 (9f2c6e0d3b1a)", "shop-eu: accepted: 1.2.3 (9f2c6e0d3b1a)"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, error %v", lines, err)
	}
}

func TestAPushForAnAppThatCannotBeServedIsKept(t *testing.T) {
	w := newEnv(t, changes{})
	lines, err := w.intake.ImagePushed(t.Context(), push("team/broken", "1", w.now()))
	if err != nil || len(lines) != 1 || len(w.inbox("broken")) != 1 || !strings.Contains(lines[0], "broken: accepted: 1 (9f2c6e0d3b1a); it waits until the configuration of the app is fixed: line ") {
		t.Errorf("%q, error %v", lines, err)
	}
}

func TestAPushThatOneAppCouldNotKeepComesAgainForThatApp(t *testing.T) {
	var accepts atomic.Int32
	w := newEnv(t, changes{hook: func(call string, after bool) error {
		if call == "accept" && !after && accepts.Add(1) == 1 {
			return errors.New("the storage is away")
		}
		return nil
	}})
	event := push("team/shop", "1.2.3", w.now())
	if _, err := w.intake.ImagePushed(t.Context(), event); err == nil || !strings.Contains(err.Error(), "the storage is away") {
		t.Fatalf("error %v", err)
	}
	if kept := len(w.inbox("shop")) + len(w.inbox("shop-eu")); kept != 1 {
		t.Fatalf("%d apps have it, want the one whose storage answered", kept)
	}
	lines, err := w.intake.ImagePushed(t.Context(), event)
	if err != nil || len(w.inbox("shop")) != 1 || len(w.inbox("shop-eu")) != 1 || !strings.Contains(strings.Join(lines, "\n"), "known already") {
		t.Errorf("when it came again: %q, error %v", lines, err)
	}
}

// charts is a registry in which everything is a chart.
type charts struct{}

func (charts) Resolve(context.Context, string) (release.Image, error) {
	return release.Image{}, fmt.Errorf("it is a Helm chart: %w", engine.ErrNotAnImage)
}
func (charts) Newest(context.Context, int) ([]release.Image, error) { return nil, nil }

func TestAChartThatLooksLikeAnImageIsDropped(t *testing.T) {
	w := newEnv(t, changes{registry: charts{}})
	lines, err := w.intake.ImagePushed(t.Context(), push("team/tools", "1", w.now()))
	if want := []string{"tools: dropped: it is a Helm chart: not a container image; push a container image under a tag of its own"}; err != nil || !slices.Equal(lines, want) || len(w.inbox("tools")) != 0 {
		t.Errorf("%q, error %v", lines, err)
	}
}

func TestBadInputIsDroppedAndNeverComesAgain(t *testing.T) {
	w := newEnv(t, changes{})
	good := string(push("team/shop", "1.2.3", w.now()))
	tests := []struct {
		name    string
		run     functions.Trigger
		payload string
		want    string
	}{
		{"malformed event", w.intake.ImagePushed, `{"id":`, "dropped: the event is not JSON: unexpected end of JSON input"},
		{"text in place of an event", w.intake.ImagePushed, `"hello"`, "dropped: the event is a string, not a JSON object"},
		{"wrong schema", w.intake.ImagePushed, `{"schemaId":"azureMonitorCommonAlertSchema","data":{}}`, "dropped: the event has neither an eventType nor a type: it is no event of Event Grid"},
		{"tag with no digest", w.intake.ImagePushed, strings.Replace(good, digest, "", 1), `dropped: the event has no data.target.digest: the image that "team/shop:1.2.3" named is unknown without it`},
		{"signature", w.intake.ImagePushed, strings.Replace(good, `"1.2.3"`, `"sha256-`+digest[7:]+`.sig"`, 1), `dropped: "team/shop:sha256-` + digest[7:] + `.sig" is a signature or attestation of an image, not an image`},
		{"2 MiB", w.intake.ImagePushed, good + strings.Repeat(" ", 2<<20), fmt.Sprintf("dropped: the event has %d bytes, Event Grid sends at most 1048576", len(good)+2<<20)},
		{"queue message that is no text", w.intake.ReleaseStep, `{"app":"shop"}`, "dropped: the queue message is not a string: json: cannot unmarshal object into Go value of type string"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, err := test.run(t.Context(), json.RawMessage(test.payload))
			if err != nil || !slices.Equal(lines, []string{test.want}) {
				t.Errorf("error %v\ngot  %q\nwant %q", err, lines, test.want)
			}
		})
	}
	for _, text := range []string{`"hello"`, `""`, `"{\"app\":1}"`, `"<xml/>"`} {
		lines, err := w.intake.ReleaseStep(t.Context(), json.RawMessage(text))
		if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], "dropped: ") {
			t.Errorf("queue text %s: %q, error %v", text, lines, err)
		}
	}
	if n := len(w.inbox("shop")); n != 0 {
		t.Errorf("%d events were kept", n)
	}
	if !strings.Contains(w.log.String(), "push dropped") || !strings.Contains(w.log.String(), "queue message dropped") {
		t.Errorf("the drops are not in the log:\n%s", w.log)
	}
}

func TestTheClockWakesWaitingApps(t *testing.T) {
	w := newEnv(t, changes{})
	if _, err := w.intake.ImagePushed(t.Context(), push("team/shop", "1.2.3", w.now())); err != nil {
		t.Fatal(err)
	}
	for { // all wake-ups get lost
		if _, ok := w.wakeups.Due(w.now().Add(time.Hour)); !ok {
			break
		}
	}
	if _, err := w.intake.ClockTick(t.Context(), json.RawMessage(`{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":true}`)); err != nil {
		t.Fatal(err)
	}
	woken := map[string]bool{}
	for {
		wake, ok := w.wakeups.Due(w.now().Add(time.Hour))
		if !ok {
			break
		}
		woken[wake.App] = true
	}
	if !woken["shop"] || !woken["shop-eu"] || woken["broken"] {
		t.Errorf("woken: %v", woken)
	}
}
