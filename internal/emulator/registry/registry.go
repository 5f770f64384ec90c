// Package registry emulates Azure Container Registry and Event Grid: the in-process registry
// of go-containerregistry on a loopback port, with the sign-in and the tag listing of Azure,
// and an event for every pushed manifest. Sender delivers events as Event Grid does.
package registry

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Schema is the format of events.
type Schema string

// The schemas of Event Grid.
const (
	EventGrid   Schema = "EventGridSchema"
	CloudEvents Schema = "CloudEventSchemaV1_0"
)

// Options configures a registry. All have defaults.
type Options struct {
	// Raise receives the event of every pushed manifest, in order. It must not
	// call the registry.
	Raise  func(event []byte)
	Schema Schema // EventGrid by default
	// ResourceID is the registry's id in events.
	ResourceID string
	// Admit makes the registry private: it decides whether an Entra token may sign in.
	Admit func(entraToken string) bool
	// NoReferrers makes it a registry that does not list what refers to an image, as one with a
	// customer-managed key is: clients keep such a list under a tag.
	NoReferrers bool
	// Now is the clock of pushes.
	Now func() time.Time
}

// Registry is a running registry.
type Registry struct {
	o      Options
	host   string
	inner  http.Handler
	server *http.Server
	stored *storage
	push   string // the bearer token of the helpers that push
	secret string // prefix of this registry's refresh tokens

	mu      sync.Mutex
	repos   map[string]*repository
	issued  map[string]string // access token → scope
	refused bool
	broken  int
	asked   []string
}

type repository struct {
	tags      map[string]entry
	manifests map[string]entry
}

// entry is a tag or a manifest in the registry's own API.
type entry struct {
	Name           string    `json:"name,omitempty"`
	Digest         string    `json:"digest"`
	MediaType      string    `json:"mediaType,omitempty"`
	CreatedTime    time.Time `json:"createdTime"`
	LastUpdateTime time.Time `json:"lastUpdateTime"`
}

const defaultID = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-lab/providers/Microsoft.ContainerRegistry/registries/labacr"

// Start starts a registry on a free loopback port. Close stops it.
func Start(o Options) (*Registry, error) {
	if o.Raise == nil {
		o.Raise = func([]byte) {}
	}
	if o.Schema == "" {
		o.Schema = EventGrid
	}
	if o.ResourceID == "" {
		o.ResourceID = defaultID
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	r := &Registry{
		o: o, host: l.Addr().String(), push: rand.Text(), secret: rand.Text(),
		inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(!o.NoReferrers)),
		repos: map[string]*repository{}, issued: map[string]string{},
	}
	if r.stored, err = startStorage(r.inner); err != nil {
		l.Close()
		return nil, err
	}
	r.server = &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go r.server.Serve(l)
	return r, nil
}

// Host is the login server, 127.0.0.1 with its port.
func (r *Registry) Host() string { return r.host }

// Close stops the registry.
func (r *Registry) Close() error { return errors.Join(r.server.Close(), r.stored.server.Close()) }

// Deny refuses or allows pulls by all clients.
func (r *Registry) Deny(deny bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = deny
}

// Break makes the registry answer every request except pushes with a status; 0 ends this.
func (r *Registry) Break(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = status
}

// Revoke makes all access tokens invalid before their time.
func (r *Registry) Revoke() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.issued)
}

// Asked returns the requests so far, method and path, those of the pushing helpers aside.
func (r *Registry) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.asked...)
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Header.Get("Authorization") == "Bearer "+r.push {
		r.distribution(w, req)
		return
	}
	r.mu.Lock()
	r.asked = append(r.asked, req.Method+" "+req.URL.Path)
	broken := r.broken
	r.mu.Unlock()
	switch {
	case broken != 0:
		refuse(w, broken, "UNAVAILABLE", "the registry is broken on purpose")
	case req.URL.Path == "/oauth2/exchange":
		r.exchange(w, req)
	case req.URL.Path == "/oauth2/token":
		r.access(w, req)
	case !r.allowed(w, req):
	case strings.HasPrefix(req.URL.Path, "/acr/v1/"):
		r.catalog(w, req)
	case req.Method == http.MethodGet && blobPath.MatchString(req.URL.Path):
		r.stored.send(w, req)
	default:
		r.distribution(w, req)
	}
}

var manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)

// distribution is the registry itself. A pushed manifest is recorded and raises an event.
func (r *Registry) distribution(w http.ResponseWriter, req *http.Request) {
	if found := referrersPath.FindStringSubmatch(req.URL.Path); found != nil && !r.o.NoReferrers {
		r.referrers(w, req, found[1])
		return
	}
	found := manifestPath.FindStringSubmatch(req.URL.Path)
	if found == nil || req.Method != http.MethodPut {
		r.inner.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, 4<<20))
	if err != nil {
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	seen := &status{ResponseWriter: w}
	r.inner.ServeHTTP(seen, req)
	if seen.code == http.StatusCreated {
		sum := sha256.Sum256(body)
		r.pushed(found[1], found[2], req, "sha256:"+hex.EncodeToString(sum[:]), len(body))
	}
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (r *Registry) pushed(repo, ref string, req *http.Request, digest string, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.repos[repo]
	if known == nil {
		known = &repository{tags: map[string]entry{}, manifests: map[string]entry{}}
		r.repos[repo] = known
	}
	now := r.o.Now().UTC()
	e := entry{Digest: digest, MediaType: req.Header.Get("Content-Type"), CreatedTime: now, LastUpdateTime: now}
	if old, ok := known.manifests[digest]; ok {
		e.CreatedTime = old.CreatedTime
	}
	known.manifests[digest] = e
	tag := ""
	if !strings.HasPrefix(ref, "sha256:") {
		tag = ref
		named := entry{Name: tag, Digest: digest, CreatedTime: now, LastUpdateTime: now}
		if old, ok := known.tags[tag]; ok {
			named.CreatedTime = old.CreatedTime
		}
		known.tags[tag] = named
	}
	r.o.Raise(r.event(repo, tag, e, req, size)) // under the lock, so that events keep the order of pushes
}

// event is an ImagePushed event as Azure Container Registry writes it.
func (r *Registry) event(repo, tag string, e entry, req *http.Request, size int) []byte {
	target := map[string]any{"mediaType": e.MediaType, "size": size, "length": size, "digest": e.Digest, "repository": repo}
	subject := repo
	if tag != "" {
		target["tag"] = tag
		subject += ":" + tag
	}
	at := e.LastUpdateTime
	data := map[string]any{
		"id": guid(), "timestamp": at.Format(time.RFC3339Nano), "action": "push", "location": "westeurope", "target": target,
		"request": map[string]any{"id": guid(), "host": r.host, "method": req.Method, "useragent": req.UserAgent()},
	}
	event := map[string]any{"id": guid(), "subject": subject, "data": data}
	const typ = "Microsoft.ContainerRegistry.ImagePushed"
	when := at.Add(300 * time.Millisecond).Format(time.RFC3339Nano)
	if r.o.Schema == CloudEvents {
		event["specversion"], event["source"], event["type"], event["time"] = "1.0", r.o.ResourceID, typ, when
	} else {
		event["topic"], event["eventType"], event["eventTime"] = r.o.ResourceID, typ, when
		event["dataVersion"], event["metadataVersion"] = "2.0", "1"
	}
	text, err := json.Marshal(event)
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return text
}

func guid() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func refuse(w http.ResponseWriter, code int, name, message string) {
	send(w, code, map[string]any{"errors": []any{map[string]any{"code": name, "message": message, "detail": nil}}})
}

func send(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}
