package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is a client that keeps asking the data plane, as users do, and remembers every answer.
type load struct {
	url    string
	client *http.Client
	mu     sync.Mutex
	seen   []answer
	stop   context.CancelFunc
	done   sync.WaitGroup
}

type answer struct {
	at      time.Time
	color   string
	version string
	failed  string // "" for a good answer
}

// startLoad sends perSecond requests a second until the test ends or Stop is called.
func startLoad(t *testing.T, url string, perSecond int) *load {
	l := newLoad(url, &http.Transport{MaxIdleConnsPerHost: 64})
	l.start(t, perSecond)
	return l
}

// served waits until an address answers, which is before any user comes.
func served(t *testing.T, url string) {
	t.Helper()
	l := newLoad(url, &http.Transport{})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if l.ask(); l.last().color != "" {
			return
		}
	}
	t.Fatalf("%s is not served: %s", url, l.failures())
}

func newLoad(url string, transport *http.Transport) *load {
	return &load{url: url, client: &http.Client{Timeout: 10 * time.Second, Transport: transport}}
}

func (l *load) start(t *testing.T, perSecond int) {
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	t.Cleanup(l.Stop)
	l.done.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.done.Go(l.ask)
			}
		}
	})
}

func (l *load) ask() {
	a := answer{at: time.Now()}
	resp, err := l.client.Get(l.url)
	if err != nil {
		a.failed = err.Error()
	} else {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		a.color, a.version = resp.Header.Get("X-Color"), resp.Header.Get("X-Version")
		if resp.StatusCode != http.StatusOK {
			a.failed = fmt.Sprintf("%d from %s", resp.StatusCode, a.color)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, a)
}

// Stop ends the load and waits for the answers that are still out.
func (l *load) Stop() {
	l.stop()
	l.done.Wait()
	l.client.CloseIdleConnections()
}

// answers returns the answers so far, in the order of the requests.
func (l *load) answers() []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := slices.Clone(l.seen)
	slices.SortFunc(seen, func(a, b answer) int { return a.at.Compare(b.at) })
	return seen
}

// failures returns the failed answers, each once with its count.
func (l *load) failures() string {
	count := map[string]int{}
	for _, a := range l.answers() {
		if a.failed != "" {
			count[a.failed]++
		}
	}
	var lines []string
	for what, n := range count {
		lines = append(lines, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// colors returns the colors that answered, in order, without repetitions.
func (l *load) colors() []string {
	var colors []string
	for _, a := range l.answers() {
		if a.failed == "" {
			colors = append(colors, a.color)
		}
	}
	return slices.Compact(colors)
}

// last returns the newest good answer.
func (l *load) last() answer {
	seen := l.answers()
	for _, a := range slices.Backward(seen) {
		if a.failed == "" {
			return a
		}
	}
	return answer{}
}
