package arm_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/google/go-cmp/cmp"
)

func TestAWriteIsUpdatingUntilItsOperationEndsAndChangesTheEtagTwice(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.HoldOperations()
	before := etag(w.g.Document())

	resp := w.send(w.repoint("pool-green", before))
	if resp.Header.Get("ETag") != "" || resp.Header.Get("Location") != "" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("a PUT answers with headers that the service does not send: %v", resp.Header)
	}
	async := resp.Header.Get("Azure-AsyncOperation")
	if len(async) < 3000 {
		t.Errorf("the operation URL has %d characters, want as many as the real one", len(async))
	}
	during := w.g.Document()
	if state(during) != "Updating" || etag(during) == before {
		t.Errorf("while the operation runs: state %s, etag changed %v", state(during), etag(during) != before)
	}
	everySub(during, func(section string, sub map[string]any) {
		if got := sub["properties"].(map[string]any)["provisioningState"]; got != "Updating" {
			t.Errorf("%s/%s is %v while the operation runs, want Updating", section, sub["name"], got)
		}
	})
	if _, body := w.ask("lst-https", "/"); body != "blue" {
		t.Errorf("requests meet %s before the operation has ended", body)
	}

	w.g.Release()
	p := w.poller(resp)
	if _, err := wait(t, p); err != nil {
		t.Fatal(err)
	}
	after := w.g.Document()
	if state(after) != "Succeeded" || etag(after) == etag(during) {
		t.Errorf("after the operation: state %s, etag changed %v", state(after), etag(after) != etag(during))
	}
	if _, body := w.ask("lst-https", "/"); body != "green" || w.g.RulePool("podinfo-https") != "pool-green" {
		t.Errorf("requests meet %s after the operation has ended", body)
	}
}

func everySub(doc map[string]any, visit func(section string, sub map[string]any)) {
	for section, v := range doc["properties"].(map[string]any) {
		list, _ := v.([]any)
		for _, s := range list {
			if s, ok := s.(map[string]any); ok && s["properties"] != nil {
				visit(section, s)
			}
		}
	}
}

func TestAWriteKeepsEveryKeyThatItSent(t *testing.T) {
	w := newEnv(t, arm.Options{})
	doc := w.g.Document()
	doc["properties"].(map[string]any)["somethingNew"] = map[string]any{"deep": []any{json.Number("1.50"), nil}}
	want := w.g.Document()
	want["properties"].(map[string]any)["somethingNew"] = map[string]any{"deep": []any{json.Number("1.50"), nil}}
	if _, err := wait(t, w.poller(w.send(w.do(http.MethodPut, "", "", doc)))); err != nil {
		t.Fatal(err)
	}
	got := w.g.Document()
	for _, d := range []map[string]any{got, want} {
		delete(d, "etag")
		everySub(d, func(_ string, sub map[string]any) { delete(sub, "etag") })
		for _, m := range d["properties"].(map[string]any)["urlPathMaps"].([]any) {
			for _, r := range m.(map[string]any)["properties"].(map[string]any)["pathRules"].([]any) {
				delete(r.(map[string]any), "etag")
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a write that changes nothing else changed (-want +got):\n%s", diff)
	}
}

func TestReverseReferencesFollowTheRules(t *testing.T) {
	w := newEnv(t, arm.Options{})
	if err := w.g.Rival(func(doc map[string]any) { point(doc, w.g.ID(), "podinfo-https", "pool-green") }); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	everySub(w.g.Document(), func(section string, sub map[string]any) {
		if section == "backendAddressPools" {
			got[sub["name"].(string)] = sub["properties"].(map[string]any)["requestRoutingRules"]
		}
	})
	want := map[string]any{"pool-blue": nil, "pool-green": []any{map[string]any{"id": w.g.ID() + "/requestRoutingRules/podinfo-https"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reverse references (-want +got):\n%s", diff)
	}
}

func TestAnInvalidWriteIsRefused(t *testing.T) {
	w := newEnv(t, arm.Options{})
	for code, spoil := range map[string]func(p map[string]any){
		"InvalidResourceReference": func(p map[string]any) {
			point(map[string]any{"properties": p}, w.g.ID(), "podinfo-https", "pool-red")
		},
		"ApplicationGatewayMustHaveAtleastOneResourceOfType": func(p map[string]any) { p["requestRoutingRules"] = []any{} },
		"SubscriptionNotRegisteredForFeature": func(p map[string]any) {
			p["loadDistributionPolicies"] = []any{map[string]any{"name": "canary"}}
		},
		"ApplicationGatewayWafConfigurationCannotBeChangedWithWafPolicy": func(p map[string]any) {
			p["webApplicationFirewallConfiguration"] = map[string]any{"enabled": true}
		},
	} {
		doc := w.g.Document()
		spoil(doc["properties"].(map[string]any))
		resp, err := w.do(http.MethodPut, "", "", doc)
		w.refused(resp, err, http.StatusBadRequest, code)
	}
	if w.g.RulePool("podinfo-https") != "pool-blue" || state(w.g.Document()) != "Succeeded" {
		t.Error("a refused write left traces")
	}
}

func TestASecondWriteSupersedesTheFirst(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.HoldOperations()
	first := w.poller(w.send(w.repoint("pool-green", "")))
	second := w.poller(w.send(w.repoint("pool-blue", "")))
	w.g.Release()

	_, err := wait(t, first)
	if err == nil {
		_, err = first.Result(t.Context())
	}
	var failed *azcore.ResponseError
	if !errors.As(err, &failed) || failed.ErrorCode != "Canceled" || failed.StatusCode != http.StatusOK {
		t.Fatalf("the first operation ended with %v, want Canceled", err)
	}
	body, _ := runtime.Payload(failed.RawResponse)
	if !strings.Contains(string(body), "CanceledAndSupersededDueToAnotherOperation") {
		t.Errorf("the first operation is %s", body)
	}
	if _, err := wait(t, second); err != nil {
		t.Errorf("the second operation: %v", err)
	}
	if len(w.g.Switches()) != 2 || w.g.RulePool("podinfo-https") != "pool-blue" {
		t.Errorf("switches: %+v, want the start and the second write only", w.g.Switches())
	}
}

func TestATagPatchSupersedesAWriteAndKeepsItsChange(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.HoldOperations()
	first := w.poller(w.send(w.repoint("pool-green", "")))
	resp := w.send(w.do(http.MethodPatch, "", "", map[string]any{"tags": map[string]string{"a": "b"}}))
	if resp.Header.Get("Azure-AsyncOperation") != "" {
		t.Error("a tag patch answers with an operation URL")
	}
	w.g.Release()
	if _, err := wait(t, first); err == nil || !strings.Contains(err.Error(), "Canceled") {
		t.Errorf("the write ended with %v, want Canceled", err)
	}
	if w.g.RulePool("podinfo-https") != "pool-green" {
		t.Error("the patch lost the change of the write that it superseded")
	}
}

func TestAWriteDuringAnotherCanGetRetryAfter(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.HoldOperations()
	w.send(w.repoint("pool-green", ""))
	w.g.Set(func(b *arm.Behaviour) { b.Second, b.RetryAfter = arm.RetryLater, 9*time.Second })
	resp, err := w.repoint("pool-blue", "")
	w.refused(resp, err, http.StatusTooManyRequests, "RetryableError", "RetryableErrorDueToAnotherOperation", "can be retried in 9 seconds")
	if resp.Header.Get("Retry-After") != "9" {
		t.Errorf("Retry-After is %q, want 9", resp.Header.Get("Retry-After"))
	}
	w.g.Set(func(b *arm.Behaviour) { b.Second = arm.Conflicts })
	resp, err = w.repoint("pool-blue", "")
	w.refused(resp, err, http.StatusConflict, "AnotherOperationInProgress", "To retrieve status of the operation use uri")
	if err := w.g.Rival(func(map[string]any) {}); err == nil {
		t.Error("a rival may write where others may not")
	}
	w.g.Release()
	if w.g.RulePool("podinfo-https") != "pool-green" {
		t.Error("the running operation did not survive the refused ones")
	}
}

func TestIfMatchIsHonouredOrIgnored(t *testing.T) {
	w := newEnv(t, arm.Options{})
	stale := etag(w.g.Document())
	if err := w.g.Rival(func(map[string]any) {}); err != nil {
		t.Fatal(err)
	}
	resp, err := w.repoint("pool-green", stale)
	w.refused(resp, err, http.StatusPreconditionFailed, "PreconditionFailed", "PreconditionFailedEtagMismatch", "in NRP data store")
	w.g.Set(func(b *arm.Behaviour) { b.IgnoreIfMatch = true })
	w.send(w.repoint("pool-green", stale))
}

func TestAResetAfterTheWriteLeavesItApplied(t *testing.T) {
	w := newEnv(t, arm.Options{})
	before := etag(w.g.Document())
	w.g.Inject(1, arm.Write, arm.ResetBefore)
	w.g.Inject(1, arm.Write, arm.ResetAfter)
	if _, err := w.repoint("pool-green", before); err == nil || etag(w.g.Document()) != before {
		t.Fatalf("a reset before the write: error %v, etag changed %v", err, etag(w.g.Document()) != before)
	}
	if _, err := w.repoint("pool-green", before); err == nil || etag(w.g.Document()) == before {
		t.Fatalf("a reset after the write: error %v, etag changed %v", err, etag(w.g.Document()) != before)
	}
	resp, err := w.repoint("pool-green", before)
	w.refused(resp, err, http.StatusPreconditionFailed, "PreconditionFailed")
	eventually(t, "the reset write in effect", func() bool { return w.g.RulePool("podinfo-https") == "pool-green" })
}

func TestFaultsAffectTheInjectedNumberOfCalls(t *testing.T) {
	w := newEnv(t, arm.Options{})
	for _, f := range []struct {
		fault  arm.Fault
		status int
		code   string
	}{
		{arm.Unavailable, 503, "ServiceUnavailable"}, {arm.InternalError, 500, "InternalServerError"},
		{arm.Throttled, 429, "TooManyRequests"}, {arm.LinkedDenied, 403, "LinkedAuthorizationFailed"},
	} {
		w.g.Inject(2, arm.Write, f.fault)
		for range 2 {
			resp, err := w.repoint("pool-green", "")
			w.refused(resp, err, f.status, f.code)
			if f.fault == arm.Throttled && resp.Header.Get("Retry-After") == "" {
				t.Error("throttling without Retry-After")
			}
		}
	}
	w.send(w.do(http.MethodGet, "", "", nil))
	w.g.Inject(5, arm.Write, arm.Unavailable)
	w.g.ClearFaults()
	w.send(w.repoint("pool-green", ""))
}

func TestEffectiveIsTheOldConfigurationUntilTheOperationEnds(t *testing.T) {
	w := newEnv(t, arm.Options{})
	names := func() bool {
		b, _ := json.Marshal(w.g.Effective()["properties"].(map[string]any)["requestRoutingRules"])
		return strings.Contains(string(b), "pool-green")
	}
	w.g.HoldOperations()
	w.send(w.repoint("pool-green", ""))
	if names() {
		t.Error("the new configuration is in effect before its operation has ended")
	}
	w.g.Release()
	if !names() {
		t.Error("the new configuration is not in effect after its operation has ended")
	}
}

func TestAnOperationCanFail(t *testing.T) {
	for _, reverts := range []bool{false, true} {
		w := newEnv(t, arm.Options{})
		w.g.Set(func(b *arm.Behaviour) { b.FailureReverts = reverts })
		w.g.Inject(1, arm.Write, arm.OperationFails)
		if _, err := wait(t, w.poller(w.send(w.repoint("pool-green", "")))); err == nil {
			t.Fatal("the operation ended well")
		}
		body, _ := json.Marshal(w.g.Document()["properties"].(map[string]any)["requestRoutingRules"])
		if strings.Contains(string(body), "pool-green") == reverts || state(w.g.Document()) != "Failed" {
			t.Errorf("reverts=%v: the gateway is %s, the operation %s", reverts, state(w.g.Document()), body)
		}
		if w.g.RulePool("podinfo-https") != "pool-blue" {
			t.Error("a failed operation moved requests")
		}
	}
}

func TestTheProvisioningStateMaySaySucceededTooEarly(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.HoldOperations()
	w.g.Set(func(b *arm.Behaviour) { b.EarlySucceeded = true })
	p := w.poller(w.send(w.repoint("pool-green", "")))
	if _, err := p.Poll(t.Context()); err != nil || p.Done() {
		t.Errorf("the operation: error %v, done %v; want it running", err, p.Done())
	}
	if state(w.g.Document()) != "Succeeded" || w.g.RulePool("podinfo-https") != "pool-blue" {
		t.Error("the gateway should be Succeeded while requests still go to the old pool")
	}
}

func TestAnOperationURLMustBeUsedAsItIsAndExpires(t *testing.T) {
	w := newEnv(t, arm.Options{})
	async := w.send(w.repoint("pool-green", "")).Header.Get("Azure-AsyncOperation")
	get := func(url string) int {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		token, _ := w.e.Credential("").GetToken(t.Context(), managementScope)
		req.Header.Set("Authorization", "Bearer "+token.Token)
		resp, err := w.e.HTTPClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if get(async) != http.StatusOK || get(async[:2048]) == http.StatusOK {
		t.Error("the operation URL should work whole and only whole")
	}
	w.g.ForgetOperations()
	if got := get(async); got != http.StatusNotFound {
		t.Errorf("an expired operation URL answers %d, want 404", got)
	}
}

func TestARivalRevertsAChangeThatItDidNotRead(t *testing.T) {
	w := newEnv(t, arm.Options{})
	old := w.g.Document()
	if _, err := wait(t, w.poller(w.send(w.repoint("pool-green", "")))); err != nil {
		t.Fatal(err)
	}
	if err := w.g.RivalPut(old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rival's stale configuration", func() bool { return w.g.RulePool("podinfo-https") == "pool-blue" })
}

func TestAStoppedGatewayClosesConnectionsUntilAWriteStartsIt(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.Stop()
	if resp, err := http.Get(w.g.ListenerURL("lst-https")); err == nil {
		t.Errorf("a stopped gateway answers %d", resp.StatusCode)
	}
	if got := w.g.Document()["properties"].(map[string]any)["operationalState"]; got != "Stopped" {
		t.Errorf("operationalState is %v", got)
	}
	if _, err := wait(t, w.poller(w.send(w.repoint("pool-green", "")))); err != nil {
		t.Fatal(err)
	}
	if _, body := w.ask("lst-https", "/"); body != "green" {
		t.Errorf("after the write requests meet %q", body)
	}
}

func TestTheTypedClientReadsWritesAndPolls(t *testing.T) {
	w := newEnv(t, arm.Options{})
	c, err := armnetwork.NewApplicationGatewaysClient("0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10", w.e.Credential(""), w.e.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), "RG-shop-prod", "AGW-shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got.Properties.RequestRoutingRules {
		if *r.Name == "podinfo-https" {
			r.Properties.BackendAddressPool.ID = to.Ptr(w.g.ID() + "/backendAddressPools/pool-green")
		}
	}
	p, err := c.BeginCreateOrUpdate(t.Context(), "rg-shop-prod", "agw-shop", got.ApplicationGateway, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Done() {
		t.Fatal("the operation was done at once")
	}
	for !p.Done() {
		if _, err := p.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Result(t.Context()); err != nil || w.g.RulePool("podinfo-https") != "pool-green" {
		t.Errorf("error %v, pool %s", err, w.g.RulePool("podinfo-https"))
	}
	// The SDK's model has no HTTP/3, and a missing field gets its default.
	for _, l := range w.g.Document()["properties"].(map[string]any)["httpListeners"].([]any) {
		if l.(map[string]any)["properties"].(map[string]any)["enableHttp3"] != false {
			t.Error("a typed write should lose enableHttp3")
		}
	}
}

func TestAMissingResourceIsNotFound(t *testing.T) {
	w := newEnv(t, arm.Options{})
	c := w.client("")
	resp, err := w.doAs(c, http.MethodGet, strings.Replace(w.g.ID(), "agw-shop", "agw-none", 1), "", nil)
	w.refused(resp, err, http.StatusNotFound, "ResourceNotFound", "agw-none", "rg-shop-prod")
	w.e.RemoveGateway(w.g.ID())
	resp, err = w.doAs(c, http.MethodGet, w.g.ID(), "", nil)
	w.refused(resp, err, http.StatusNotFound, "ResourceNotFound")
}

func TestRequestsAreLogged(t *testing.T) {
	w := newEnv(t, arm.Options{})
	tag := etag(w.g.Document())
	w.send(w.repoint("pool-green", tag))
	w.g.Inject(1, arm.Read, arm.ResetBefore)
	if _, err := w.do(http.MethodGet, "", "", nil); err == nil {
		t.Fatal("the read was answered")
	}
	log := w.e.Requests()
	if len(log) < 2 {
		t.Fatalf("%d requests are logged, want 2 or more", len(log))
	}
	first, last := log[0], log[len(log)-1]
	if first.Method != "PUT" || first.Path != w.g.ID() || first.IfMatch != tag || first.Status != 200 || len(first.Body) == 0 {
		t.Errorf("the write is logged as %s %s %s %d with %d bytes", first.Method, first.Path, first.IfMatch, first.Status, len(first.Body))
	}
	if last.Method != "GET" || last.Status != 0 {
		t.Errorf("the reset is logged as %s %d, want GET 0", last.Method, last.Status)
	}
}

func TestPollsCanFailAndAnswersCanBeSlow(t *testing.T) {
	w := newEnv(t, arm.Options{})
	p := w.poller(w.send(w.repoint("pool-green", "")))
	w.g.Inject(1, arm.Poll, arm.Unavailable)
	if _, err := p.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") {
		t.Errorf("the struck poll: %v", err)
	}
	if _, err := wait(t, p); err != nil {
		t.Errorf("the polls after it: %v", err)
	}
	w.g.Set(func(b *arm.Behaviour) { b.Slow = 50 * time.Millisecond })
	start := time.Now()
	w.send(w.do(http.MethodGet, "", "", nil))
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("a slow answer took %v", took)
	}
}

func TestStopAndStartAreOperations(t *testing.T) {
	w := newEnv(t, arm.Options{})
	for _, step := range []struct{ action, state string }{{"/stop", "Stopped"}, {"/start", "Running"}} {
		if _, err := wait(t, w.poller(w.send(w.do(http.MethodPost, step.action, "", nil)))); err != nil {
			t.Fatal(err)
		}
		if got := w.g.Document()["properties"].(map[string]any)["operationalState"]; got != step.state {
			t.Errorf("after %s the gateway is %v", step.action, got)
		}
	}
	if _, body := w.ask("lst-https", "/"); body != "blue" {
		t.Errorf("the started gateway answers %q", body)
	}
}
