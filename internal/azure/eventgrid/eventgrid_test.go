package eventgrid_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/azure/eventgrid"
	"bluegreen/internal/emulator/arm"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
	"bluegreen/internal/release/reason"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"
	"github.com/google/go-cmp/cmp"
)

func topic(t *testing.T) (*arm.Emulator, *arm.Topic) {
	t.Helper()
	e, err := arm.Start(t.Context(), arm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	top, err := e.AddTopic()
	if err != nil {
		t.Fatal(err)
	}
	return e, top
}

func notifier(t *testing.T, e *arm.Emulator, top *arm.Topic, cred azcore.TokenCredential) *eventgrid.Notifier {
	t.Helper()
	n, err := eventgrid.New(top.URL(), cred, &azeventgrid.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: e.HTTPClient(), Retry: policy.RetryOptions{MaxRetries: -1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var messages = []engine.Message{
	{App: "shop", Fact: release.Fact{
		Number: 16, At: time.Date(2026, 9, 1, 9, 30, 0, 5e6, time.FixedZone("", 7200)), Kind: release.ReleaseSwitched, Reason: reason.Switched, Release: 3, Phase: release.Baking,
		Image: release.Image{Digest: "sha256:12", Tag: "6.1.0", PushedAt: time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC)}, Live: release.Green, By: release.Actor{Proven: "oid-7", Name: "ana@example.com", Route: "signed-in"}, Began: release.Actor{Claimed: "bo", Route: "act", Key: "1a2b3c4d"}, Text: "green is live",
	}},
	{App: "shop", Fact: release.Fact{Number: 17, At: time.Date(2026, 9, 1, 9, 31, 0, 0, time.UTC), Kind: release.DriftFound, Reason: reason.Drifted, Text: "the gateway was changed"}},
}

func TestAFactIsPublishedWithAllThatIsKnownOfIt(t *testing.T) {
	e, top := topic(t)
	for _, m := range messages {
		if err := notifier(t, e, top, e.Credential("")).Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := top.Events()
	want := []arm.Event{
		{SpecVersion: "1.0", ID: "shop-16", Source: "/bluegreen/shop", Type: "bluegreen.release-switched", Subject: "releases/3", Time: "2026-09-01T07:30:00.005Z",
			Data: json.RawMessage(`{"app":"shop","number":16,"at":"2026-09-01T09:30:00.005+02:00","kind":"release-switched","reason":"switched","release":3,"phase":"baking","image":{"digest":"sha256:12","tag":"6.1.0","pushedAt":"2026-09-01T07:00:00Z"},"live":"green","by":"ana@example.com","actor":{"proven":"oid-7","name":"ana@example.com","route":"signed-in"},"began":{"claimed":"bo","route":"act","key":"1a2b3c4d"},"text":"green is live"}`)},
		{SpecVersion: "1.0", ID: "shop-17", Source: "/bluegreen/shop", Type: "bluegreen.drift-found", Subject: "shop", Time: "2026-09-01T09:31:00Z",
			Data: json.RawMessage(`{"app":"shop","number":17,"at":"2026-09-01T09:31:00Z","kind":"drift-found","reason":"drifted","text":"the gateway was changed"}`)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFactKeepsItsIdentityHoweverOftenItIsSent(t *testing.T) {
	e, top := topic(t)
	for range 3 { // by different processes
		if err := notifier(t, e, top, e.Credential("")).Notify(t.Context(), messages[0]); err != nil {
			t.Fatal(err)
		}
	}
	events := top.Events()
	if len(events) != 3 || !cmp.Equal(events[0], events[1]) || !cmp.Equal(events[0], events[2]) {
		t.Errorf("%+v", events)
	}
}

func TestATopicThatTakesNothingIsAnError(t *testing.T) {
	e, top := topic(t)
	n := notifier(t, e, top, e.Credential(""))
	for _, state := range []arm.TopicState{arm.TopicUnavailable, arm.TopicRefuses, arm.TopicHangs} {
		if err := top.Set(state); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := n.Notify(ctx, messages[0])
		cancel()
		if err == nil || errors.Is(err, engine.ErrDenied) {
			t.Errorf("state %d: %v", state, err)
		}
	}
	if err := top.Set(arm.TopicUp); err != nil {
		t.Fatal(err)
	}
	if len(top.Events()) != 0 {
		t.Errorf("took %v", top.Events())
	}
	if err := n.Notify(t.Context(), messages[0]); err != nil || len(top.Events()) != 1 {
		t.Errorf("when it is back: %v, %d events", err, len(top.Events()))
	}
}

type stranger struct{}

func (stranger) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "made-up", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestAMissingRightNamesTheRole(t *testing.T) {
	e, top := topic(t)
	err := notifier(t, e, top, stranger{}).Notify(t.Context(), messages[0])
	if !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "the identity needs the role EventGrid Data Sender on the topic") {
		t.Errorf("%v", err)
	}
}
