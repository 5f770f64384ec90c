package appgateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"

	"github.com/google/go-cmp/cmp"
)

func TestNoRequestIsLostInASwitchUnderLoad(t *testing.T) {
	w := newEnv(t, shapes["paths"])
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	url := w.azure.ListenerURL("lst-podinfo") + w.shape.path
	var sent atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for range 10 {
		users.Go(func() {
			for every := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-every.C { // 200 a second together
				sent.Add(1)
				resp, err := client.Get(url)
				if err != nil {
					t.Errorf("a request failed: %v", err)
					continue
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || string(body) != "blue" && string(body) != "green" {
					t.Errorf("a request was answered %d %q, error %v", resp.StatusCode, body, err)
				}
			}
		})
	}
	for _, to := range []release.Color{release.Green, release.Blue, release.Green} {
		before := sent.Load()
		w.done(to)
		if got := w.ask(); got != to {
			t.Errorf("after the switch to %s requests are answered by %s", to, got)
		}
		for sent.Load() < before+100 {
			time.Sleep(time.Millisecond)
		}
	}
	w.azure.HoldOperations()
	op, err := w.Switch(t.Context(), release.Blue, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.rival(release.Green) // takes its place
	if op = w.follow(op); !op.Lost {
		t.Errorf("the operation is %+v", op)
	}
	says(t, op.Detail, "took this one's place", "superseded by operation")
	w.azure.Release()
	w.done(release.Blue)
	stop()
	users.Wait()
	t.Logf("%d requests", sent.Load())
}

func TestAWriteIsSentOnceWithTheEtagOfItsOwnRead(t *testing.T) {
	for fault, kind := range map[arm.Fault]error{
		arm.Unavailable: engine.ErrBusy, arm.Throttled: engine.ErrBusy, arm.InternalError: nil,
		arm.ResetBefore: nil, arm.ResetAfter: nil, arm.LinkedDenied: engine.ErrDenied,
	} {
		w := newEnv(t, shapes["basic"])
		etag := w.azure.Document()["etag"]
		w.azure.Inject(9, arm.Write, fault)
		op, err := w.Switch(t.Context(), release.Green, 1)
		if err == nil {
			t.Fatalf("fault %d: %+v", fault, op)
		}
		for _, sentinel := range []error{engine.ErrBusy, engine.ErrDenied} {
			if errors.Is(err, sentinel) != (sentinel == kind) {
				t.Errorf("fault %d is sorted as %v", fault, err)
			}
		}
		writes := w.writes()
		if len(writes) != 1 || writes[0].IfMatch != etag {
			t.Errorf("fault %d: %d writes, want one with the etag %s", fault, len(writes), etag)
		}
	}
}

func (w *env) writes() (found []arm.Request) {
	for _, r := range w.arm.Requests() {
		if r.Method == http.MethodPut {
			found = append(found, r)
		}
	}
	return found
}

func TestARefusalQuotesTheService(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.azure.HoldOperations()
	w.rival(release.Blue)
	w.azure.Set(func(b *arm.Behaviour) { b.Second, b.RetryAfter = arm.RetryLater, 9*time.Second })
	_, err := w.Switch(t.Context(), release.Green, 1)
	says(t, err.Error(), "RetryableErrorDueToAnotherOperation", "can be retried in 9 seconds", "wait 9 s")
	w.azure.Set(func(b *arm.Behaviour) { b.Second = arm.Conflicts })
	_, err = w.Switch(t.Context(), release.Green, 1)
	says(t, err.Error(), "AnotherOperationInProgress")
	if len(err.Error()) > 1000 {
		t.Errorf("an error has %d bytes: the signed URL has no place in it", len(err.Error()))
	}
}

func TestAMissingRightIsReportedWithTheRoleThatGrantsIt(t *testing.T) {
	for action, parts := range map[string][]string{
		"Microsoft.Network/applicationGateways/read":                     {"applicationGateways/read", "agw-shop", "Network Contributor"},
		"Microsoft.Network/applicationGateways/write":                    {"applicationGateways/write", "agw-shop", "Network Contributor"},
		"Microsoft.Network/virtualNetworks/subnets/join/action":          {"subnets/join/action", "snet-agw"},
		"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action": {"assign/action", "id-agw", "Managed Identity Operator"},
	} {
		w := newEnv(t, shapes["basic"])
		w.arm.Deny("", action)
		w.denied(parts...)
	}
}

func TestAnOperationWhoseRightIsMissingIsDeniedNotLost(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.arm.Deny("", "Microsoft.Network/locations/operations/read")
	_, err = w.Poll(t.Context(), op.Token)
	if !errors.Is(err, engine.ErrDenied) {
		t.Fatalf("polled without the right: %v", err)
	}
	says(t, err.Error(), "Microsoft.Network/locations/operations/read", "subscription")
}

func TestAPollThatGoesWrongMayPass(t *testing.T) {
	for _, fault := range []arm.Fault{arm.Unavailable, arm.InternalError, arm.Throttled, arm.ResetBefore, arm.ResetAfter} {
		w := newEnv(t, shapes["basic"])
		op, err := w.Switch(t.Context(), release.Green, 1)
		if err != nil {
			t.Fatal(err)
		}
		w.azure.Inject(3, arm.Poll, fault)
		polled, err := w.Poll(t.Context(), op.Token)
		reset := fault == arm.ResetBefore || fault == arm.ResetAfter // net/http may have asked again by itself
		if err == nil && !reset || polled.Lost || errors.Is(err, engine.ErrBusy) || errors.Is(err, engine.ErrDenied) {
			t.Errorf("fault %d: lost %v, error %v", fault, polled.Lost, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("fault %d: an error has %d bytes: the signed URL has no place in it", fault, len(err.Error()))
		}
		w.azure.ClearFaults()
		if op = w.follow(op); !op.Done {
			t.Errorf("fault %d: afterwards %+v", fault, op)
		}
	}
}

func TestAnOperationThatAzureForgotIsLost(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(op.Token, "127.0.0.1") || !strings.HasPrefix(op.Token, "/subscriptions/") {
		t.Errorf("the token names a host: %.80s", op.Token)
	}
	if cut, err := w.Poll(t.Context(), op.Token[:len(op.Token)-5]); err != nil || !cut.Lost {
		t.Errorf("a token that was cut off: %+v, error %v", cut, err)
	}
	w.azure.ForgetOperations()
	if op, err = w.Poll(t.Context(), op.Token); err != nil || !op.Lost {
		t.Fatalf("%+v, error %v", op, err)
	}
	says(t, op.Detail, "does not know")
}

func TestAFailedOperationIsReportedWithItsReason(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.azure.Inject(1, arm.Write, arm.OperationFails)
	op, err := w.Switch(t.Context(), release.Green, 1)
	if err != nil {
		t.Fatal(err)
	}
	says(t, w.follow(op).Detail, "failed", "InternalServerError")
}

func TestNothingIsWrittenWhenTheReadTookTooLong(t *testing.T) {
	w := newEnv(t, shapes["basic"])
	w.azure.Set(func(b *arm.Behaviour) { b.Slow = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if op, err := w.Switch(ctx, release.Green, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%+v, error %v", op, err)
	}
	for len(w.arm.Requests()) == 0 { // the read is noted when its answer was due
		time.Sleep(time.Millisecond)
	}
	if writes := w.writes(); len(writes) != 0 {
		t.Errorf("%d writes were sent after the deadline", len(writes))
	}
}

func TestASwitchOfTheSettingsMovesBothReferencesAndNothingElse(t *testing.T) {
	w := newEnv(t, shapes["settings"])
	want := w.azure.Document()
	w.point(want, release.Green)
	w.done(release.Green)
	if got := w.ask(); got != release.Green {
		t.Errorf("requests are answered by %s", got)
	}
	if diff := cmp.Diff(bare(want), bare(w.azure.Document())); diff != "" {
		t.Errorf("the gateway is not as it should be (-want +got):\n%s", diff)
	}
}

// bare is a gateway without the fields that the service derives at each write.
func bare(doc map[string]any) map[string]any {
	walk(doc, func(o map[string]any) {
		for _, key := range []string{"etag", "requestRoutingRules", "pathRules", "urlPathMaps"} {
			if l, isList := o[key].([]any); key == "etag" || isList && len(l) > 0 && l[0].(map[string]any)["properties"] == nil {
				delete(o, key)
			}
		}
	})
	return doc
}

func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, e := range v {
			walk(e, visit)
		}
	case []any:
		for _, e := range v {
			walk(e, visit)
		}
	}
}

func TestAReadingNamesEachReferenceThatDisagrees(t *testing.T) {
	w := newEnv(t, shapes["paths"])
	if err := w.azure.Rival(func(doc map[string]any) {
		for _, m := range list(doc["properties"], "urlPathMaps") {
			w.lead(m["properties"], "defaultBackendAddressPool", "", "pool-green")
		}
	}); err != nil {
		t.Fatal(err)
	}
	r, err := w.Live(t.Context())
	if err != nil || r.Live != "" {
		t.Fatalf("%+v, error %v", r, err)
	}
	says(t, r.Detail, "path map map-podinfo points at pool pool-green", "path rule api points at pool pool-blue")
	if strings.Contains(r.Detail, "static") {
		t.Errorf("%q speaks of a reference that is not the app's", r.Detail)
	}
	w.azure.Release()
	w.done(release.Green) // an operator's command brings them together
	if r, err := w.Live(t.Context()); err != nil || r.Live != release.Green {
		t.Errorf("%+v, error %v", r, err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := newEnv(t, shapes["basic"]).options
	for name, spoil := range map[string]func(*appgateway.Options){
		"is not a resource id":           func(o *appgateway.Options) { o.ID = "/subscriptions/s/resourceGroups/g" },
		"no routing rule":                func(o *appgateway.Options) { o.Rules = nil },
		"a backend pool each":            func(o *appgateway.Options) { o.Green.Pool = "POOL-BLUE" },
		"only one color has backend HTT": func(o *appgateway.Options) { o.Green.Settings = "set" },
	} {
		o := good
		spoil(&o)
		if _, err := appgateway.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			says(t, err.Error(), name)
		}
	}
}
