package push_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/push"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
)

const (
	topic  = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop-prod/providers/Microsoft.ContainerRegistry/registries/shopacr"
	digest = "sha256:9f2c6e0d3b1a47585c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3"
)

const gridEvent = `{
  "id": "831e1650-001e-001b-66ab-eeb76e069631",
  "topic": "` + topic + `",
  "subject": "team/checkout:1.14.2",
  "eventType": "Microsoft.ContainerRegistry.ImagePushed",
  "eventTime": "2026-09-01T09:12:44.1938271Z",
  "data": {
    "id": "7c2c3a52-5a0e-4f15-9d5c-1f7c7c1c0a11",
    "timestamp": "2026-09-01T09:12:43.871234567Z",
    "action": "push",
    "location": "westeurope",
    "target": {
      "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
      "size": 1573,
      "digest": "` + digest + `",
      "length": 1573,
      "repository": "team/checkout",
      "tag": "1.14.2"
    },
    "request": {"id": "f2b1c9d0", "host": "shopacr.azurecr.io", "method": "PUT", "useragent": "docker/27.3.1"}
  },
  "dataVersion": "2.0",
  "metadataVersion": "1"
}`

// cloudEvent is the same push as a CloudEvent, with the casing of the SDK's recordings.
var cloudEvent = strings.NewReplacer(
	`"topic": "`+topic+`"`, `"specversion": "1.0", "source": "`+strings.ToUpper(topic[:len(topic)-len("shopacr")])+`shopacr"`,
	`"eventType"`, `"type"`, `"eventTime"`, `"time"`,
	`"dataVersion": "2.0",`, ``, `"metadataVersion": "1"`, `"datacontenttype": "application/json"`,
).Replace(gridEvent)

func change(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(gridEvent) }

func TestAPushReadsTheSameInBothSchemas(t *testing.T) {
	want := push.Push{
		Event: "831e1650-001e-001b-66ab-eeb76e069631", Registry: "shopacr.azurecr.io", RegistryID: topic,
		Repository: "team/checkout", Location: "westeurope", MediaType: "application/vnd.docker.distribution.manifest.v2+json",
		Image: release.Image{Digest: digest, Tag: "1.14.2", PushedAt: time.Date(2026, 9, 1, 9, 12, 43, 871234567, time.UTC)},
	}
	for name, text := range map[string]string{
		"Event Grid": gridEvent, "list of one": "[" + gridEvent + "]", "CloudEvents": cloudEvent,
		"keys in other case": change(`"eventType"`, `"EventType"`, `"target"`, `"Target"`, `"mediaType"`, `"mediatype"`),
		"old type":           change("Microsoft.ContainerRegistry.ImagePushed", "imagePushed"),
		"offset":             change("2026-09-01T09:12:43.871234567Z", "2026-09-01T02:12:43.871234567-07:00"),
		"no zone":            change("2026-09-01T09:12:43.871234567Z", "2026-09-01T09:12:43.871234567"),
		"no host":            change(`"host": "shopacr.azurecr.io",`, ``),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := push.Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if name == "CloudEvents" {
				if !strings.EqualFold(got.RegistryID, topic) {
					t.Errorf("registry id %q", got.RegistryID)
				}
				got.RegistryID = topic
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestARegistryIsRecognisedInEachOfItsWritings compares the host of events, or none, with the
// login server of a configuration.
func TestARegistryIsRecognisedInEachOfItsWritings(t *testing.T) {
	for _, test := range []struct {
		host, configured string
		same             bool
	}{
		{"shopacr.azurecr.io", "shopacr.azurecr.io", true},
		{"ShopACR.azurecr.io", "shopacr.azurecr.io", true},
		{"shopacr.azurecr.io:443", "shopacr.azurecr.io", true},
		{"shopacr.azurecr.io", "shopacr.azurecr.io:443", true},
		{"shopacr.westeurope.geo.azurecr.io", "shopacr.azurecr.io", true},
		{"shopacr.westeurope.geo.azurecr.io:443", "shopacr.azurecr.io", true},
		{"shopacr.azurecr.io", "shopacr.westeurope.geo.azurecr.io", true},
		{"shopacr-e5d1fcgph3d8c9cx.azurecr.io", "shopacr-e5d1fcgph3d8c9cx.azurecr.io", true},
		{"shopacr-e5d1fcgph3d8c9cx.westeurope.geo.azurecr.io", "shopacr-e5d1fcgph3d8c9cx.azurecr.io", true},
		{"", "shopacr.azurecr.io", true},
		{"", "shopacr-e5d1fcgph3d8c9cx.azurecr.io", true},
		{"shopacr-e5d1fcgph3d8c9cx.azurecr.io", "shopacr-a1b2c3d4e5f6g7h8.azurecr.io", false},
		{"shopacr.azurecr.io:5000", "shopacr.azurecr.io", false},
		{"shopacr.westeurope.data.azurecr.io", "shopacr.azurecr.io", false},
		{"other.azurecr.io", "shopacr.azurecr.io", false},
		{"other-shopacr.azurecr.io", "shopacr.azurecr.io", false},
		{"shopacr.azurecr.io.evil.example", "shopacr.azurecr.io", false},
		{"127.0.0.1:5000", "127.0.0.1:5000", true},
		{"127.0.0.1:5001", "127.0.0.1:5000", false},
	} {
		p, err := push.Decode([]byte(change(`"host": "shopacr.azurecr.io"`, `"host": "`+test.host+`"`)))
		if err != nil {
			t.Fatal(err)
		}
		if p.From(test.configured) != test.same {
			t.Errorf("an event of %q (%s), configured %q: the same %v, expected %v", test.host, p.Registry, test.configured, !test.same, test.same)
		}
	}
}

// TestAnEventOfAnotherSourceIsNotTheRegistrys: its host is only a text in the event's data.
func TestAnEventOfAnotherSourceIsNotTheRegistrys(t *testing.T) {
	for source, same := range map[string]bool{"registries/shopacr": true, "registries/SHOPACR": true, "registries/evil": false, "registries/shopacr2": false} {
		p, err := push.Decode([]byte(change("registries/shopacr", source)))
		if err != nil || p.From("shopacr.azurecr.io") != same || p.From("shopacr-h4x.azurecr.io") != same {
			t.Errorf("an event of %s is the registry's: %v, error %v", source, p.From("shopacr.azurecr.io"), err)
		}
	}
}

func TestAnUnreadableTimestampGivesWayToTheEventsOwnTime(t *testing.T) {
	p, err := push.Decode([]byte(change("2026-09-01T09:12:43.871234567Z", "yesterday")))
	if want := time.Date(2026, 9, 1, 9, 12, 44, 193827100, time.UTC); err != nil || !p.Image.PushedAt.Equal(want) {
		t.Errorf("pushed at %s, error %v", p.Image.PushedAt, err)
	}
}

func TestAnEventThatIsNoPushOfAnImageIsDroppedWithItsReason(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", ``, `the event is not JSON: unexpected end of JSON input`},
		{"malformed", `{"id":`, `the event is not JSON: unexpected end of JSON input`},
		{"malformed list", `[{"id":1}`, `the event is not JSON: unexpected end of JSON input`},
		{"no events", `[]`, `the payload is a list of 0 events: one at a time is read`},
		{"two events", `[{},{}]`, `the payload is a list of 2 events: one at a time is read`},
		{"null", `null`, `the event is null, not a JSON object`},
		{"text", `"hello"`, `the event is a string, not a JSON object`},
		{"number", `17`, `the event is a number, not a JSON object`},
		{"list in a list", `[[]]`, `the event is a list, not a JSON object`},
		{"no type", `{"data":{}}`, `the event has neither an eventType nor a type: it is no event of Event Grid`},
		{"other event", change("ImagePushed", "TaskRun"), `the event's type is "Microsoft.ContainerRegistry.TaskRun", not Microsoft.ContainerRegistry.ImagePushed`},
		{"blob event", change("Microsoft.ContainerRegistry.ImagePushed", "Microsoft.Storage.BlobCreated"), `the event's type is "Microsoft.Storage.BlobCreated", not Microsoft.ContainerRegistry.ImagePushed`},
		{"delete", change("ImagePushed", "ImageDeleted"), `an image was deleted, which releases nothing`},
		{"chart event", change("ImagePushed", "ChartPushed"), `the event is about a Helm chart, not an image`},
		{"no data", `{"eventType":"Microsoft.ContainerRegistry.ImagePushed"}`, `the event has no data`},
		{"data of another shape", change(`"target": {`, `"target": 3, "x": {`), `the event's data.target is a number: that is not an event of a container registry`},
		{"no action", change(`"action": "push",`, ``), `the event has no data.action`},
		{"quarantine", change(`"action": "push"`, `"action": "quarantine"`), `the event's action is "quarantine", not push`},
		{"no repository", change(`"repository": "team/checkout",`, ``), `the event has no data.target.repository`},
		{"legacy chart", change("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.acr.helm.chart"), `"team/checkout:1.14.2" is a Helm chart, not an image`},
		{"tag with no digest", change(`"digest": "`+digest+`",`, ``), `the event has no data.target.digest: the image that "team/checkout:1.14.2" named is unknown without it`},
		{"short digest", change(digest, "sha256:9f2c"), `the digest "sha256:9f2c" is not sha256: and 64 hexadecimal digits`},
		{"digest with more", change(digest, digest+"@evil"), `the digest "` + digest + `@evil" is not sha256: and 64 hexadecimal digits`},
		{"untagged child", change(`,
      "tag": "1.14.2"`, ``), `"team/checkout@` + digest + `" was pushed without a tag: a part of a multi-arch image, or what belongs to another image`},
		{"signature", change(`"tag": "1.14.2"`, `"tag": "sha256-`+digest[7:]+`.sig"`), `"team/checkout:sha256-` + digest[7:] + `.sig" is a signature or attestation of an image, not an image`},
		{"referrers tag", change(`"tag": "1.14.2"`, `"tag": "sha256-`+digest[7:]+`"`), `"team/checkout:sha256-` + digest[7:] + `" is a signature or attestation of an image, not an image`},
		{"no tag at all", change(`"tag": "1.14.2"`, `"tag": "a b\n"`), `"a b\n" is not a tag`},
		{"connected registry", change(`"useragent": "docker/27.3.1"}`, `"useragent": "docker/27.3.1"}, "connectedregistry": {"name": "edge1"}`), `the image was pushed to the connected registry "edge1": it is found in the cloud's registry once it has arrived there`},
		{"connected registry by its id", change(topic, topic+"/connectedRegistries/edge1"), `the image was pushed to the connected registry "edge1": it is found in the cloud's registry once it has arrived there`},
		{"no media type", change(`"mediaType": "application/vnd.docker.distribution.manifest.v2+json",`, ``), `the event has no data.target.mediaType`},
		{"media type", change("application/vnd.docker.distribution.manifest.v2+json", "application/json"), `the media type "application/json" is not that of a container image`},
		{"no registry", change(topic, "/nowhere", `"host": "shopacr.azurecr.io",`, ``), `the event names no registry, neither in data.request.host nor in its topic or source`},
		{"no time", change("2026-09-01T09:12:43.871234567Z", "0000-01-01T00:00:00+23:00", "2026-09-01T09:12:44.1938271Z", ""), `the event has no time that can be read (data.timestamp, eventTime, time), so that the age of the image is unknown`},
		{"1 MiB", gridEvent + strings.Repeat(" ", 1<<20), `the event has 1049540 bytes, Event Grid sends at most 1048576`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := push.Decode([]byte(test.text))
			var dropped *push.Dropped
			if !errors.As(err, &dropped) {
				t.Fatalf("read as %+v, error %v", p, err)
			}
			if dropped.Reason != test.want {
				t.Errorf("got  %s\nwant %s", dropped.Reason, test.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{gridEvent, "[" + gridEvent + "]", cloudEvent, `null`, `[null]`, `{"eventType":"ImagePushed","data":{"action":"push"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := push.Decode(payload)
		var dropped *push.Dropped
		if err != nil && (!errors.As(err, &dropped) || dropped.Reason == "" || len(dropped.Reason) > 2000) {
			t.Fatalf("not a drop with a reason: %v", err)
		}
		if err == nil && (p.Registry == "" || p.Repository == "" || len(p.Image.Digest) != 71 || p.Image.Tag == "" || p.Image.PushedAt.IsZero()) {
			t.Fatalf("admitted without an identity: %+v", p)
		}
	})
}
