// Package lab is what `make run` shows: the Functions app as a process of its own behind the
// stand-in host, an Application Gateway or Traffic Manager emulated at its wire with a data
// plane, a registry, demo instances of two apps, users who keep asking, and a monitor that fires
// an alert when they get errors. Clusters and storage are fakes, which outlive the process.
package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"bluegreen"
	"bluegreen/internal/api"
	"bluegreen/internal/azure/queue"
	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/emulator/host"
	"bluegreen/internal/emulator/registry"
	"bluegreen/internal/fake"
	"bluegreen/internal/lab/parts"
	"bluegreen/internal/pages"
	"bluegreen/internal/release"
)

// The apps of the lab. Shop releases what is pushed by itself; pay waits for an operator.
const (
	Shop = "shop"
	Pay  = "pay"
)

const (
	first    = "1.0.0" // live on blue from the start
	replicas = 3
)

// Options say how fast the lab is.
type Options struct {
	Bake   time.Duration // default 20 s
	Retire time.Duration // from the end of a release, default 20 s
	Users  int           // requests a second to each app, default 20
	// Gateway is what moves the traffic of shop, one of Gateways, default AppGateway.
	Gateway string
	// Port is where commands are taken, on loopback; the Functions app is at the next one. Free
	// ports by default.
	Port int
	Log  *slog.Logger // of the app and the host
}

// Lab is a running lab.
type Lab struct {
	Options
	dir      string // what is deployed: host.json, the functions, bluegreen.yaml
	sites    []*site
	azure    *arm.Emulator
	registry *registry.Registry
	events   *registry.Sender
	host     *host.Host
	alerts   *actiongroup.Group
	up       atomic.Bool // commands can be carried out
	notes    notes
	closers  []func()
}

// Start brings the lab up. It runs until ctx ends; Close then waits for the rest.
func Start(ctx context.Context, o Options) (*Lab, error) {
	o.Bake, o.Retire = cmp.Or(o.Bake, 20*time.Second), cmp.Or(o.Retire, 20*time.Second)
	o.Users = cmp.Or(o.Users, 20)
	o.Gateway = cmp.Or(o.Gateway, AppGateway)
	if !slices.Contains(Gateways, o.Gateway) {
		return nil, fmt.Errorf("the lab has no gateway %q: %s", o.Gateway, strings.Join(Gateways, " or "))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lab{Options: o}
	for _, step := range []func(context.Context) error{
		l.startControl, l.startAzure, l.startRegistry, l.startSites, l.startApp, l.startUsers,
	} {
		if err := step(ctx); err != nil {
			l.Close()
			if errors.Is(err, syscall.EADDRINUSE) {
				err = fmt.Errorf("%w (another lab may be running: --port gives this one other ports)", err)
			}
			return nil, fmt.Errorf("start the lab: %w", err)
		}
	}
	l.up.Store(true)
	return l, nil
}

// Close ends everything, the last started first.
func (l *Lab) Close() {
	for _, end := range slices.Backward(l.closers) {
		end()
	}
	l.closers = nil
}

func (l *Lab) onClose(end func()) { l.closers = append(l.closers, end) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lab) startAzure(ctx context.Context) (err error) {
	if l.azure, err = arm.Start(ctx, arm.Options{}); err != nil {
		return err
	}
	l.onClose(l.azure.Close)
	return nil
}

func (l *Lab) startRegistry(context.Context) (err error) {
	l.registry, err = registry.Start(registry.Options{Raise: func(event []byte) {
		if l.events != nil {
			l.events.Send(event)
		}
	}})
	if err != nil {
		return err
	}
	l.onClose(func() { l.registry.Close() })
	return nil
}

// startSites brings the apps up. What is live from the start is in the registry before
// events are delivered: it was pushed long ago.
func (l *Lab) startSites(ctx context.Context) error {
	for _, name := range []string{Shop, Pay} {
		kind := AppGateway
		if name == Shop {
			kind = l.Gateway
		}
		s, err := l.startSite(kind, name)
		if err != nil {
			return err
		}
		l.sites = append(l.sites, s)
		digest, err := l.registry.Push(ctx, s.repository(), first)
		if err != nil {
			return err
		}
		s.cluster.Tag(first, digest)
		s.cluster.Seed(release.Blue, release.Image{Tag: first, Digest: digest}, replicas)
	}
	return nil
}

// startApp deploys the app into a folder and starts the host on it, which runs this program
// as the handler; see Handle.
func (l *Lab) startApp(ctx context.Context) error {
	var err error
	if l.dir, err = os.MkdirTemp("", "bluegreen-lab-"); err != nil {
		return err
	}
	l.onClose(func() { os.RemoveAll(l.dir) })
	if err := l.deploy(); err != nil {
		return err
	}
	memory := host.NewMemory()
	lent := parts.Parts{
		Store: fake.NewStore(nil), Credential: l.azure.Credential(""), Workloads: map[string]parts.Workloads{},
		Wakeups: memory.Wakeups("release-steps", func(app string, _ time.Time) string { return queue.Message(app) }),
	}
	for _, s := range l.sites {
		lent.Workloads[s.name] = s.cluster
	}
	end, err := parts.Serve(filepath.Join(l.dir, socketFile), lent)
	if err != nil {
		return err
	}
	l.onClose(end)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l.host, err = host.Start(ctx, host.Options{
		Root: l.dir, Queues: memory, Log: l.Log, Addr: l.address(1), Times: host.Times{Strikes: time.Nanosecond},
		Keys: host.Keys{Functions: map[string]string{"look": Key, "act": Key}},
		Env: []string{
			"AzureFunctionsJobHost__customHandler__description__defaultExecutablePath=" + self,
			handlerSetting + "=yes", "AZURE_RESOURCE_MANAGER_ENDPOINT=" + l.azure.URL(), "BLUEGREEN_DNS=" + l.azure.DNS(),
		},
	})
	if err != nil {
		return err
	}
	l.onClose(l.host.Close)
	l.events = registry.NewSender(registry.SenderOptions{URL: l.host.EventGridURL("image-pushed"), Scale: 10})
	l.onClose(l.events.Close)
	l.alerts = actiongroup.New(actiongroup.Options{URL: l.host.URL() + "/api/alerts?code=" + l.host.KeyOf("alerts"), Scale: 10})
	return l.host.Ready(ctx)
}

// The clock of the lab ticks faster, since people wait for it.
const (
	everyMinute       = `"0 * * * * *"`
	everyThreeSeconds = `"*/3 * * * * *"`
)

// deploy writes what the host and the handler read.
func (l *Lab) deploy() error {
	configuration, err := l.configuration()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, configFile), configuration, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, trustFile), l.azure.CAPEM(), 0o600); err != nil {
		return err
	}
	return fs.WalkDir(bluegreen.Functions, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(bluegreen.Functions, path)
		if err != nil {
			return err
		}
		data = bytes.Replace(data, []byte(everyMinute), []byte(everyThreeSeconds), 1)
		to := filepath.Join(l.dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
}

// address is where the n-th server of the lab listens.
func (l *Lab) address(n int) string {
	port := 0
	if l.Port != 0 {
		port = l.Port + n
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// site is the app of a name; nil when there is none.
func (l *Lab) site(name string) *site {
	for _, s := range l.sites {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Address is where users ask an app.
func (l *Lab) Address(app string) string { return l.site(app).front.address }

// URL is where the Functions app is.
func (l *Lab) URL() string { return l.host.URL() }

// Pages is where the pages of the app are.
func (l *Lab) Pages() string { return l.host.URL() + pages.Base }

// Key opens the API: it is set for both of its functions, as for a person.
const Key = "lab"

// Client calls the API of the app.
func (l *Lab) Client() *api.Client {
	return &api.Client{Base: l.host.URL(), Key: Key, HTTP: &http.Client{}}
}

func (l *Lab) startUsers(ctx context.Context) error {
	for _, s := range l.sites {
		s.users = newCrowd(s.front.address, s.front.users)
		ctx, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { s.users.run(ctx, l.Options.Users); close(done) }()
		go l.monitor(ctx, s)
		l.onClose(func() { stop(); <-done })
	}
	return nil
}
