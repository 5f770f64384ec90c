package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/emulator/actiongroup"
	"bluegreen/internal/golden"
)

const simulated = `
apps:
  - name: shop
    image: {registry: shopacr.azurecr.io, repository: team/shop, tags: "semver:>=1"}
    colors:
      blue: {cluster: "context:a", namespace: shop, deployment: shop, backend: shop-blue}
      green: {cluster: "context:b", namespace: shop, deployment: shop, backend: shop-green}
    gateway: {applicationGateway: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/agw, rules: [shop]}
    alerts: [{rule: "shop-*", severity: "<=Sev2"}]
  - name: gated
    image: {registry: shopacr.azurecr.io, repository: team/gated, tags: "semver:>=1"}
    colors:
      blue: {cluster: "context:a", namespace: gated, deployment: blue, selector: {color: blue}}
      green: {cluster: "context:a", namespace: gated, deployment: green, selector: {color: green}}
    gateway: {service: gated}
    promotion: manual
`

// pushed is an event of the registry.
func pushed(repository, tag string) string {
	return fmt.Sprintf(`{"id": "1", "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shopacr",
"eventType": "Microsoft.ContainerRegistry.ImagePushed", "eventTime": "2026-11-24T11:00:00Z",
"data": {"id": "1", "timestamp": "2026-11-24T11:00:00Z", "action": "push", "target": {"mediaType": "application/vnd.oci.image.index.v1+json",
"digest": "%s", "repository": "%s", "tag": "%s"}, "request": {"host": "shopacr.azurecr.io"}}}`, digestOf(tag[:1]), repository, tag)
}

func TestRecordedEventsAreSimulated(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := write("bluegreen.yaml", simulated)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	alert := func(rule, severity, pool string) string {
		return string(actiongroup.Alert{ID: "/subscriptions/s/a", Rule: rule, Severity: severity, FiredAt: at}.Metric(pool, 57, 20))
	}
	s := &site{T: t, now: at, stdin: strings.Join([]string{
		pushed("team/shop", "0.9.0"), pushed("team/other", "1.0.0"), "[" + pushed("team/shop", "2.0.0") + "]", alert("shop-5xx", "Sev3", "shop-green"), alert("disk-full", "Sev1", "shop-green"),
		alert("shop-5xx", "Sev1", "shop-blue"), alert("shop-5xx", "Sev1", "shop-green"), pushed("team/shop", "2.0.0"), pushed("team/gated", "1.0.0"), `{"schemaId": "x"}`, `"hello"`,
	}, "\n")}
	r := s.run("simulate", "--config", config, "-")
	s.expects(r, 0)
	golden.Check(t, filepath.Join("testdata", "simulate.txt"), r.out)

	file := write("push.json", pushed("team/shop", "2.0.0"))
	var got []outcome
	if r := s.run("simulate", "--config", config, file, "-o", "json"); json.Unmarshal([]byte(r.out), &got) != nil || len(got) != 1 || got[0].App != "shop" || got[0].Kind != "release-started" {
		t.Errorf("%+v", r)
	}
	s.expects(s.run("simulate", "--config", config, write("bad.json", "{}\n{")), 1, "bad.json: event 2 is not JSON")
	s.expects(s.run("simulate", "--config", config, "missing.json"), 1, "read the events")
	s.expects(s.run("simulate", "--config", "missing.yaml", "-"), 1, "read the configuration")
}
