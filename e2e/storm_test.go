package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/queue"
	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
	"bluegreen/internal/record"
	"bluegreen/internal/release"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

const (
	stormApps     = 500
	stormDistinct = 5_000
	stormEvents   = 2 * stormDistinct // each push is delivered twice
	stormAtOnce   = 32
	stormCounted  = 1_000 // events of the separate run in which storage requests are counted
)

// BenchmarkEventStorm sends pushes with duplicates for many apps through the Functions
// host to one handler, beside a bare loop that inserts the same rows into the same Azurite,
// as many at once, and beside one that also puts the message on the queue that each new
// event needs. The messages are left to other instances.
func BenchmarkEventStorm(b *testing.B) {
	for range b.N {
		newStorm(b, "AzureWebJobs.release-step.Disabled=true").measure()
	}
}

type storm struct {
	*env
	b      *testing.B
	pushes [][]byte
	ids    []string // of the entries of the pushes
	client *http.Client
}

func newStorm(b *testing.B, setting string) *storm {
	s := &storm{env: newEnv(b), b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: stormAtOnce}}}
	b.Cleanup(s.client.CloseIdleConnections)
	var text strings.Builder
	text.WriteString("apps:\n")
	for i := range stormApps {
		fmt.Fprintf(&text, `  - name: app-%03[1]d
    image: {registry: %[2]q, repository: team/app-%03[1]d, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:nowhere", namespace: ns-%[1]d, deployment: blue,  selector: {color: blue}}
      green: {cluster: "context:nowhere", namespace: ns-%[1]d, deployment: green, selector: {color: green}}
    gateway: {service: live}
`, i, s.registry.Host())
	}
	s.settings = []string{setting}
	s.serve(text.String(), 1)
	for n := range stormDistinct {
		s.raises(n, fmt.Sprintf("1.0.%d", n))
	}
	return s
}

// raises pushes an image for an app, and keeps its event.
func (s *storm) raises(n int, tag string) {
	s.b.Helper()
	app := fmt.Sprintf("app-%03d", n%stormApps)
	image := release.Image{Digest: s.push("team/"+app, tag), Tag: tag}
	event := s.raised[len(s.raised)-1]
	s.pushes = append(s.pushes, slices.Concat([]byte("["), event, []byte("]")))
	s.ids = append(s.ids, "push|"+engine.PushIdentity(s.registry.Host()+"/team/"+app, image, s.eventIDs[image.Digest+tag]))
}

// measure does the bare loops, then sends the storm: its workers would go on beside them.
func (s *storm) measure() {
	b := s.b
	order := stormOrder(stormEvents, stormDistinct)
	pid := s.hosts[0].PID()
	s.insertAll(order[:stormDistinct], "warmup", true)
	barely := s.insertAll(order, "bare", false)
	waking := s.insertAll(order, "barewaking", true)
	s.deliverAll([]int{0}) // the first event makes the table and the queue
	before := resident(b, pid)
	took, answers := s.deliverAll(order)
	after := resident(b, pid)
	again, _ := s.deliverAll(order) // nothing of it is new
	b.Logf("once more, all duplicates: %s; resident %.0f MB", again.Round(time.Millisecond), resident(b, pid))
	slices.Sort(answers)
	b.ReportMetric(stormEvents/took.Seconds(), "ours/s")
	b.ReportMetric(stormEvents/barely.Seconds(), "bare/s")
	b.ReportMetric(barely.Seconds()/took.Seconds(), "ratio")
	b.ReportMetric(waking.Seconds()/took.Seconds(), "ratio-with-messages")
	b.ReportMetric(answers[len(answers)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(answers[len(answers)*99/100].Seconds()*1000, "p99-ms")
	b.ReportMetric(before, "before-MB")
	b.ReportMetric(after, "after-MB")
	b.ReportMetric(resident(b, pid), "end-MB")
	b.ReportMetric(s.requestsPerEvent(), "storage-requests/event")
	b.ReportMetric(0, "ns/op")
	s.allKept()
}

// stormOrder is each of the pushes several times, shuffled.
func stormOrder(events, distinct int) []int {
	order := rand.Perm(events)
	for i := range order {
		order[i] %= distinct
	}
	return order
}

// together does something for each of the numbers, so many at once.
func together(order []int, do func(n int) error) (time.Duration, error) {
	next := make(chan int)
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	began := time.Now()
	for range stormAtOnce {
		group.Go(func() {
			for n := range next {
				if err := do(n); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	for _, n := range order {
		next <- n
	}
	close(next)
	group.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		return took, *err
	}
	return took, nil
}

// deliverAll sends events as Event Grid does and returns how long each answer took.
func (s *storm) deliverAll(order []int) (time.Duration, []time.Duration) {
	s.b.Helper()
	at := s.hosts[len(s.hosts)-1].EventGridURL("image-pushed")
	var mu sync.Mutex
	var answers []time.Duration
	took, err := together(order, func(n int) error {
		began := time.Now()
		req, err := http.NewRequestWithContext(s.b.Context(), http.MethodPost, at, bytes.NewReader(s.pushes[n]))
		if err != nil {
			return err
		}
		req.Header.Set("aeg-event-type", "Notification")
		resp, err := s.client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("event %d: %s %s", n, resp.Status, text)
		}
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, time.Since(began))
		return nil
	})
	if err != nil {
		s.b.Fatal(err)
	}
	return took, answers
}

// clients are those of a table and a queue of this name.
func (s *storm) clients(name string) (*aztables.Client, *azqueue.QueueClient) {
	s.b.Helper()
	keeping := policy.ClientOptions{Transport: s.client}
	service, err := aztables.NewServiceClientFromConnectionString(s.azurite.ConnectionString(), &aztables.ClientOptions{ClientOptions: keeping})
	if err != nil {
		s.b.Fatal(err)
	}
	queues, err := azqueue.NewServiceClientFromConnectionString(s.azurite.ConnectionString(), &azqueue.ClientOptions{ClientOptions: keeping})
	if err != nil {
		s.b.Fatal(err)
	}
	return service.NewClient(name), queues.NewQueueClient(name)
}

// insertAll writes the same two rows for each event as the handler does, in one
// transaction, with the SDKs alone; a duplicate is refused. With messages, it also puts one
// on a queue for each event that is new, as an accepted event does.
func (s *storm) insertAll(order []int, name string, messages bool) time.Duration {
	s.b.Helper()
	table, messageQueue := s.clients(name)
	_, err := table.CreateTable(s.b.Context(), nil)
	_, more := messageQueue.Create(s.b.Context(), nil)
	if err := errors.Join(err, more); err != nil {
		s.b.Fatal(err)
	}
	took, err := together(order, func(n int) error {
		_, err := table.SubmitTransaction(s.b.Context(), rowsOf(n), nil)
		switch {
		case err != nil && strings.Contains(err.Error(), string(aztables.EntityAlreadyExists)):
			return nil
		case err == nil && messages:
			_, err = messageQueue.EnqueueMessage(s.b.Context(), queue.Message(fmt.Sprintf("app-%03d", n%stormApps)), nil)
		}
		return err
	})
	if err != nil {
		s.b.Fatal(err)
	}
	return took
}

// BenchmarkIntake compares accepting new events, each with its wake-up, with a bare loop that
// writes the same rows and puts the same message on a queue, as many at once, in turns.
func BenchmarkIntake(b *testing.B) {
	const rounds, each = 4, 2_000
	s := &storm{env: newEnv(b), b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: stormAtOnce}}}
	b.Cleanup(s.client.CloseIdleConnections)
	table, messages := s.clients("intake")
	var apps []engine.App
	for n := range stormApps {
		app, _ := pushEntry(n)
		apps = append(apps, engine.App{Name: app})
	}
	e := engine.New(engine.Options{Store: tables.New(table), Wakeups: queue.New(messages), Apps: apps})
	for range b.N {
		var bare, ours time.Duration
		for round := range rounds {
			order := rand.Perm(each)
			for i := range order {
				order[i] += round * each
			}
			bare += s.insertAll(order, fmt.Sprintf("bare%d", round), true)
			took, err := together(order, func(n int) error {
				app, entry := pushEntry(n)
				_, err := e.Accept(b.Context(), app, entry)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			if round > 0 { // the first makes tables and connections
				ours += took
			} else {
				bare = 0
			}
		}
		b.ReportMetric((rounds-1)*each/bare.Seconds(), "bare/s")
		b.ReportMetric((rounds-1)*each/ours.Seconds(), "ours/s")
		b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
	}
	b.ReportMetric(0, "ns/op")
}

func pushEntry(n int) (app string, e engine.Entry) {
	app = fmt.Sprintf("app-%03d", n%stormApps)
	image := release.Image{Digest: fmt.Sprintf("sha256:%064x", n), Tag: fmt.Sprintf("1.0.%d", n), PushedAt: time.Date(2026, 11, 24, 9, 12, 43, 0, time.UTC)}
	return app, engine.PushEntry(engine.PushIdentity("127.0.0.1:40000/team/"+app, image, image.Tag), image, time.Now())
}

// rowsOf are the rows that an accepted push is kept in.
func rowsOf(n int) []aztables.TransactionAction {
	app, entry := pushEntry(n)
	encoded, err := record.EncodeEntry(entry)
	if err != nil {
		panic(err) // texts and times always encode
	}
	data := string(encoded)
	id := strings.ReplaceAll(entry.ID, "/", "~2F")
	at := entry.At.UTC().Format("2006-01-02T15:04:05.000000000Z")
	remembered := jsonOf(map[string]any{"PartitionKey": app, "RowKey": "event|" + id, "Data00": data, "Stamp": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "At": at, "Decided": false})
	waiting := jsonOf(map[string]any{"PartitionKey": app, "RowKey": "inbox|" + at + "|" + id, "Data00": data})
	return []aztables.TransactionAction{
		{ActionType: aztables.TransactionTypeAdd, Entity: []byte(remembered)},
		{ActionType: aztables.TransactionTypeInsertReplace, Entity: []byte(waiting)},
	}
}

// requestsPerEvent starts one more host, whose handler uses the storage through a counting
// proxy, and sends new events to it, each twice.
func (s *storm) requestsPerEvent() float64 {
	s.b.Helper()
	var count atomic.Int64
	through := func(service string) string {
		to, err := url.Parse(service)
		if err != nil {
			s.b.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			count.Add(1)
		}}
		server := httptest.NewServer(proxy)
		s.b.Cleanup(server.Close)
		return server.URL + to.Path
	}
	text := strings.NewReplacer(s.azurite.QueueURL(), through(s.azurite.QueueURL()), s.azurite.TableURL(), through(s.azurite.TableURL())).Replace(s.azurite.ConnectionString())
	s.settings = append(s.settings, "AzureWebJobsStorage="+text, "AzureWebJobs.release-step.Disabled=true", "AzureWebJobs.clock-tick.Disabled=true")
	h := s.host(s.dir + "/bluegreen.yaml")
	s.hosts = append(s.hosts, h)
	if err := h.Ready(s.b.Context()); err != nil {
		s.b.Fatal(err)
	}
	for n := range stormCounted / 2 {
		s.raises(n, fmt.Sprintf("2.0.%d", n))
	}
	order := stormOrder(stormCounted, stormCounted/2)
	for i := range order {
		order[i] += stormDistinct
	}
	count.Store(0)
	s.deliverAll(order)
	return float64(count.Load()) / stormCounted
}

// allKept fails the benchmark when a push that was answered is not kept.
func (s *storm) allKept() {
	s.b.Helper()
	store := s.store()
	if _, err := together(stormOrder(stormDistinct, stormDistinct), func(n int) error {
		_, err := store.Accepted(s.b.Context(), fmt.Sprintf("app-%03d", n%stormApps), s.ids[n])
		return err
	}); err != nil {
		s.b.Errorf("a push was lost: %v", err)
	}
}
