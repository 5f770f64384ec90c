// Package push decodes the push events of Azure Container Registry. One release makes a registry
// raise several events (each tag, the children of a multi-arch image, signatures, replicas), so
// most events are dropped, each with its reason.
package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// Push is an image that a registry received under a tag.
type Push struct {
	Event string // the id of the event
	// Registry is the login server, lower case and without a region or the port of HTTPS. Where
	// the event has only the registry's name it is the usual one of that name.
	Registry   string
	RegistryID string // resource id, as the event writes it: Azure compares ids without case
	Repository string
	Image      release.Image
	Location   string // region of the replica that raised the event
	MediaType  string
}

// Dropped is the error of an event that can never lead to a release. Reason is a sentence.
type Dropped struct{ Reason string }

func (d *Dropped) Error() string { return d.Reason }

func dropped(format string, args ...any) error {
	return &Dropped{Reason: fmt.Sprintf(format, args...)}
}

// maxEvent is the size limit of Event Grid for one event.
const maxEvent = 1 << 20

// The media types of container images.
const (
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	legacyChart    = "application/vnd.acr.helm.chart"
)

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	// attached is how signatures, attestations and other referrers are tagged (cosign's
	// convention and the OCI referrers tag schema).
	attached     = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\..*)?$`)
	registryName = regexp.MustCompile(`(?i)/providers/Microsoft\.ContainerRegistry/registries/([a-z0-9-]{1,63})(/|$)`)
	hostForm     = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)
	// connected is how a connected registry is named, in an id below that of its parent.
	connected = regexp.MustCompile(`(?i)/connectedRegistries/([^/]+)`)
	// regional is the endpoint of a registry in one region.
	regional = regexp.MustCompile(`^([a-z0-9-]+)\.[a-z0-9]+\.geo(\.azurecr\.[a-z]+)$`)
	// hashed is a login server whose name ends with the hash of a domain name label's scope:
	// the registry's own name has letters and digits only.
	hashed = regexp.MustCompile(`^([a-z0-9]+)-[a-z0-9]+(\.azurecr\.[a-z]+)$`)
)

// event holds the fields of both schemas. encoding/json ignores the case of keys, in which
// the sources of events differ.
type event struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Source    string `json:"source"`
	EventType string `json:"eventType"`
	Type      string `json:"type"`
	EventTime string `json:"eventTime"`
	Time      string `json:"time"`
	Data      *data  `json:"data"`
}

type data struct {
	Timestamp string `json:"timestamp"`
	Action    string `json:"action"`
	Location  string `json:"location"`
	Target    struct {
		MediaType  string `json:"mediaType"`
		Digest     string `json:"digest"`
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
	} `json:"target"`
	Request struct {
		Host string `json:"host"`
	} `json:"request"`
	ConnectedRegistry struct {
		Name string `json:"name"`
	} `json:"connectedRegistry"`
}

// Decode reads one ImagePushed event in the Event Grid schema or as a CloudEvent 1.0,
// alone or as the only element of a list. The error is a *Dropped. The caller decides
// whether repository and tag are those of an app.
func Decode(payload []byte) (Push, error) {
	e, err := parse(payload)
	if err != nil {
		return Push{}, err
	}
	if err := e.isPush(); err != nil {
		return Push{}, err
	}
	if name := e.connectedRegistry(); name != "" {
		return Push{}, dropped("the image was pushed to the connected registry %s: it is found in the cloud's registry once it has arrived there", quote(name))
	}
	if err := e.Data.admissible(); err != nil {
		return Push{}, err
	}
	p := Push{
		Event: e.ID, RegistryID: e.Topic + e.Source, Location: e.Data.Location,
		Repository: e.Data.Target.Repository, MediaType: e.Data.Target.MediaType,
		Image: release.Image{Digest: e.Data.Target.Digest, Tag: e.Data.Target.Tag},
	}
	if p.Registry = e.loginServer(); p.Registry == "" {
		return Push{}, dropped("the event names no registry, neither in data.request.host nor in its topic or source")
	}
	if p.Image.PushedAt = instant(e.Data.Timestamp, e.EventTime, e.Time); p.Image.PushedAt.IsZero() {
		return Push{}, dropped("the event has no time that can be read (data.timestamp, eventTime, time), so that the age of the image is unknown")
	}
	return p, nil
}

func parse(payload []byte) (event, error) {
	var e event
	if len(payload) > maxEvent {
		return e, dropped("the event has %d bytes, Event Grid sends at most %d", len(payload), maxEvent)
	}
	payload = bytes.TrimSpace(payload)
	if bytes.HasPrefix(payload, []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(payload, &list); err != nil {
			return e, dropped("the event is not JSON: %v", err)
		}
		if len(list) != 1 {
			return e, dropped("the payload is a list of %d events: one at a time is read", len(list))
		}
		payload = bytes.TrimSpace(list[0])
	}
	err := json.Unmarshal(payload, &e)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return e, dropped("the event's %s is %s: that is not an event of a container registry", wrong.Field, kind(wrong.Value))
	case errors.As(err, &wrong):
		return e, dropped("the event is %s, not a JSON object", kind(wrong.Value))
	case err != nil:
		return e, dropped("the event is not JSON: %v", err)
	case !bytes.HasPrefix(payload, []byte("{")):
		return e, dropped("the event is null, not a JSON object")
	}
	return e, nil
}

func kind(value string) string {
	word, _, _ := strings.Cut(value, " ") // the decoder adds the literal of some numbers
	switch word {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + word
}

// isPush refuses every event that is not of a push. Older registries leave out the prefix
// of the type.
func (e event) isPush() error {
	typ := e.EventType
	if typ == "" {
		typ = e.Type
	}
	last := strings.ToLower(typ[strings.LastIndex(typ, ".")+1:])
	switch {
	case typ == "":
		return dropped("the event has neither an eventType nor a type: it is no event of Event Grid")
	case last == "imagedeleted":
		return dropped("an image was deleted, which releases nothing")
	case last == "chartpushed" || last == "chartdeleted":
		return dropped("the event is about a Helm chart, not an image")
	case last != "imagepushed":
		return dropped("the event's type is %s, not Microsoft.ContainerRegistry.ImagePushed", quote(typ))
	case e.Data == nil:
		return dropped("the event has no data")
	case e.Data.Action == "":
		return dropped("the event has no data.action")
	case !strings.EqualFold(e.Data.Action, "push"):
		return dropped("the event's action is %s, not push", quote(e.Data.Action))
	}
	return nil
}

// admissible refuses every push that is not of a tagged image.
func (d data) admissible() error {
	t := d.Target
	known := false
	for _, m := range []string{DockerManifest, DockerList, OCIManifest, OCIIndex} {
		known = known || strings.EqualFold(t.MediaType, m)
	}
	switch {
	case t.Repository == "":
		return dropped("the event has no data.target.repository")
	case strings.EqualFold(t.MediaType, legacyChart):
		return dropped("%s is a Helm chart, not an image", quote(t.Repository+":"+t.Tag))
	case t.Digest == "":
		return dropped("the event has no data.target.digest: the image that %s named is unknown without it", quote(t.Repository+":"+t.Tag))
	case !digestForm.MatchString(t.Digest):
		return dropped("the digest %s is not sha256: and 64 hexadecimal digits", quote(t.Digest))
	case t.Tag == "":
		return dropped("%s was pushed without a tag: a part of a multi-arch image, or what belongs to another image", quote(t.Repository+"@"+t.Digest))
	case attached.MatchString(t.Tag):
		return dropped("%s is a signature or attestation of an image, not an image", quote(t.Repository+":"+t.Tag))
	case !tagForm.MatchString(t.Tag):
		return dropped("%s is not a tag", quote(t.Tag))
	case t.MediaType == "":
		return dropped("the event has no data.target.mediaType")
	case !known:
		return dropped("the media type %s is not that of a container image", quote(t.MediaType))
	}
	return nil
}

// quote shows text of unknown origin on one line of bounded length.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 150 {
		text = string(runes[:150]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// connectedRegistry is "" for an event of the cloud's registry.
func (e event) connectedRegistry() string {
	if name := e.Data.ConnectedRegistry.Name; name != "" {
		return name
	}
	if found := connected.FindStringSubmatch(e.Topic + e.Source); found != nil {
		return found[1]
	}
	return ""
}

// From reports whether the push is one to the registry with a login server, in any of its
// writings. A name without the hash of the login server is that of the same registry: events
// come from one registry alone, and some of them have only its name. Where the event's source
// names a registry of Azure too, it must be the same.
func (p Push) From(loginServer string) bool {
	a, b := p.Registry, canonical(loginServer)
	if found := registryName.FindStringSubmatch(p.RegistryID); found != nil && Hosted(b) {
		if name, _, _ := strings.Cut(unhashed(b), "."); !strings.EqualFold(found[1], name) {
			return false
		}
	}
	return a == b || unhashed(a) == b || a == unhashed(b)
}

// canonical is a login server without a region and without the port of HTTPS.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	return regional.ReplaceAllString(host, "$1$2")
}

func unhashed(host string) string { return hashed.ReplaceAllString(host, "$1$2") }

// loginServer is canonical; "" when the event names none.
func (e event) loginServer() string {
	if host := strings.ToLower(e.Data.Request.Host); hostForm.MatchString(host) {
		return canonical(host)
	}
	for _, id := range []string{e.Topic, e.Source} {
		if found := registryName.FindStringSubmatch(id); found != nil {
			return strings.ToLower(found[1]) + ".azurecr.io"
		}
	}
	return ""
}

// instant returns the first text that is a time, in UTC. The Functions host rewrites texts
// that look like a date, and may lose the zone, which is then UTC.
func instant(texts ...string) time.Time {
	for _, text := range texts {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			// Years outside this range could not be saved as JSON, and no registry is that old.
			if at, err := time.Parse(layout, text); err == nil && at.Year() >= 2000 && at.Year() < 9999 {
				return at.UTC()
			}
		}
	}
	return time.Time{}
}

var azure = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9]+\.geo)?\.azurecr\.(io|cn|us)(:443)?$`)

// Hosted reports whether a login server is that of an Azure Container Registry, in one of the
// clouds of Azure.
func Hosted(server string) bool { return azure.MatchString(strings.ToLower(server)) }
