package arm_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
)

func TestEveryFaultAffectsAWrite(t *testing.T) {
	for name, c := range map[string]struct {
		fault   arm.Fault
		status  int // 0: no answer
		code    string
		applied bool
	}{
		"unavailable":   {arm.Unavailable, 503, "ServiceUnavailable", false},
		"error":         {arm.InternalError, 500, "InternalServerError", false},
		"occupied":      {arm.Throttled, 429, "TooManyRequests", false},
		"forbidden":     {arm.LinkedDenied, 403, "LinkedAuthorizationFailed", false},
		"unsent":        {arm.ResetBefore, 0, "", false},
		"unheard":       {arm.ResetAfter, 0, "", true},
		"nothing wrong": {-1, 200, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
			w.p.Set(func(b *arm.ProfileBehaviour) { b.RetryAfter = 3 * time.Second })
			if c.fault >= 0 {
				w.p.Inject(1, arm.Write, c.fault)
			}
			resp, err := w.call("", http.MethodPut, "", changed(w.p, enable("green")))
			switch {
			case c.status == 0 && err == nil:
				t.Fatalf("it is answered with %d", resp.StatusCode)
			case c.code != "":
				w.refused(resp, err, c.status, c.code)
			case c.status == 200:
				w.send(resp, err)
			}
			if c.fault == arm.Throttled && resp.Header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
			}
			eventually(t, "the write came to its end", func() bool { return len(w.e.Requests()) == 1 })
			if got := endpointOf(w.p.Document(), "green")["endpointStatus"] == "Enabled"; got != c.applied {
				t.Errorf("applied is %v", got)
			}
			w.send(w.call("", http.MethodPut, "", changed(w.p, enable("green")))) // it is over after one
		})
	}
}

func TestFaultsAffectOnlyTheirKindOfCall(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.p.Inject(2, arm.Write, arm.Unavailable)
	w.send(w.call("", http.MethodGet, "", nil))
	w.refuses(503, "ServiceUnavailable", "", func() (*http.Response, error) {
		return w.call("", http.MethodPatch, "/AzureEndpoints/green", map[string]any{})
	})
	w.p.ClearFaults()
	w.send(w.call("", http.MethodPatch, "/AzureEndpoints/green", map[string]any{}))
	w.p.Set(func(b *arm.ProfileBehaviour) { b.Slow = 50 * time.Millisecond })
	start := time.Now()
	w.send(w.call("", http.MethodGet, "", nil))
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("a slow answer came after %s", took)
	}
}

func TestPermissionsOnAProfileAreEnforced(t *testing.T) {
	const (
		read, write = "Microsoft.Network/trafficManagerProfiles/read", "Microsoft.Network/trafficManagerProfiles/write"
		endpoint    = "Microsoft.Network/trafficManagerProfiles/azureEndpoints/write"
		address     = "Microsoft.Network/publicIPAddresses/read"
	)
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	may := func(allowed bool, method, path string, actions ...string) {
		t.Helper()
		w.e.Permit("", actions...)
		body := any(w.p.Document())
		if path != "" {
			body = map[string]any{"properties": map[string]any{"endpointStatus": "Enabled"}}
		}
		resp, err := w.call("", method, path, body)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.StatusCode < 300; got != allowed || !allowed && resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s %q with %v: status %d, want allowed %v", method, path, actions, resp.StatusCode, allowed)
		}
	}
	may(true, http.MethodGet, "", read)
	may(false, http.MethodGet, "", write, endpoint, address)
	may(true, http.MethodPut, "", write, address)
	may(false, http.MethodPut, "", read, address)
	may(false, http.MethodPut, "", write)
	may(false, http.MethodPatch, "", write)
	may(true, http.MethodPatch, "/AzureEndpoints/green", endpoint, address)
	may(false, http.MethodPatch, "/AzureEndpoints/green", endpoint)
	may(false, http.MethodPatch, "/AzureEndpoints/green", write, address)
	w.e.PermitAll("")
	w.e.Deny("", write)
	w.refuses(403, "AuthorizationFailed", write, func() (*http.Response, error) { return w.call("", http.MethodPut, "", w.p.Document()) })
}

func TestAnExternalEndpointNeedsNoRightOnAnAddress(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{Endpoints: []arm.Endpoint{{Name: "blue", Target: "127.11.0.1", External: true}}})
	w.e.Permit("", "Microsoft.Network/trafficManagerProfiles/write")
	w.send(w.call("", http.MethodPut, "", w.p.Document()))
}

func TestAWriteThatBreaksARuleIsRefusedAndChangesNothing(t *testing.T) {
	w := newProfileEnv(t, arm.Options{ProbeSecond: time.Hour}, arm.ProfileFixture{TTL: 10, Tolerated: 9})
	eventually(t, "the only probe is over", func() bool { return w.status("blue") == "Online" })
	in := func(section, key string, value any) func(map[string]any) {
		return func(doc map[string]any) {
			at := properties(doc)
			if section != "" {
				at = at[section].(map[string]any)
			}
			at[key] = value
		}
	}
	on := func(key string, value any) func(map[string]any) {
		return func(doc map[string]any) { endpointOf(doc, "green")[key] = value }
	}
	green := func(key string, value any) func(map[string]any) {
		return func(doc map[string]any) { properties(doc)["endpoints"].([]any)[1].(map[string]any)[key] = value }
	}
	for i, edit := range []func(map[string]any){
		on("priority", 1), on("priority", nil), on("priority", 0), on("priority", 1001), on("priority", 1.5),
		on("weight", 0), on("weight", 1001), on("endpointStatus", "On"), on("target", nil), on("targetResourceId", nil), on("alwaysServe", "Yes"),
		green("name", "blue"), green("name", "Blue"), green("name", ""), green("type", "Microsoft.Network/trafficManagerProfiles/otherEndpoints"), green("type", nil),
		in("", "trafficRoutingMethod", "Random"), in("", "trafficRoutingMethod", nil), in("", "profileStatus", "Paused"),
		in("dnsConfig", "ttl", -1), in("dnsConfig", "ttl", 1<<31), in("dnsConfig", "ttl", "ten"), in("dnsConfig", "ttl", nil),
		in("dnsConfig", "relativeName", "other"), in("dnsConfig", "relativeName", nil), in("", "dnsConfig", nil),
		in("monitorConfig", "protocol", "ICMP"), in("monitorConfig", "port", 0), in("monitorConfig", "port", 65536), in("monitorConfig", "path", "healthz"),
		in("monitorConfig", "protocol", "TCP"), // with a path
		in("monitorConfig", "intervalInSeconds", 20), in("monitorConfig", "timeoutInSeconds", 10), in("monitorConfig", "timeoutInSeconds", 4),
		in("monitorConfig", "toleratedNumberOfFailures", 10), in("monitorConfig", "expectedStatusCodeRanges", []any{map[string]any{"min": 300, "max": 200}}),
	} {
		before := w.p.Document()
		doc := changed(w.p, edit)
		if doc["name"] == nil || fmt.Sprint(doc) == fmt.Sprint(before) {
			t.Fatalf("edit %d changes nothing", i)
		}
		if in, out := endpointOf(doc, "green"), endpointOf(before, "green"); in != nil && in["target"] == nil && out["target"] != nil && in["targetResourceId"] != nil {
			in["targetResourceId"] = in["targetResourceId"].(string) + "-other" // a resource that does not exist
		}
		resp, err := w.call("", http.MethodPut, "", doc)
		w.refused(resp, err, http.StatusBadRequest, "BadRequest")
		if after := w.p.Document(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("edit %d is refused and yet the profile is %v", i, after)
		}
	}
	if n := len(w.p.Writes()); n != 1 {
		t.Errorf("%d writes were accepted", n-1)
	}
	if err := w.p.Rival(on("weight", 0)); err == nil {
		t.Error("the rules do not hold for a rival")
	}
	w.refuses(400, "InvalidRequestContent", "", func() (*http.Response, error) { return w.call("", http.MethodPut, "", "no object") })
}

func TestTheServiceSetsMissingFieldsOfAWrite(t *testing.T) {
	w := newProfileEnv(t, arm.Options{}, arm.ProfileFixture{})
	w.rival(func(doc map[string]any) {
		for _, name := range []string{"blue", "green"} {
			delete(endpointOf(doc, name), "priority")
			delete(endpointOf(doc, name), "weight")
			delete(endpointOf(doc, name), "target") // the public IP address knows it
		}
		for _, key := range []string{"intervalInSeconds", "timeoutInSeconds", "toleratedNumberOfFailures"} {
			delete(properties(doc)["monitorConfig"].(map[string]any), key)
		}
	})
	doc := w.p.Document()
	green, monitor := endpointOf(doc, "green"), properties(doc)["monitorConfig"].(map[string]any)
	got := fmt.Sprint(green["priority"], green["weight"], green["target"], monitor["intervalInSeconds"], monitor["timeoutInSeconds"], monitor["toleratedNumberOfFailures"])
	if want := fmt.Sprint("2", "1", greenName, "30", "10", "3"); got != want {
		t.Errorf("set are %s, want %s", got, want)
	}
}
