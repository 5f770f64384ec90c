package lab

import (
	"bytes"
	"fmt"
	"text/template"
	"time"

	"bluegreen/internal/config"
)

// configuration is the lab's bluegreen.yaml.
var configuration = template.Must(template.New("bluegreen.yaml").Parse(`apps:
  - name: {{.App}}
    image: {registry: "{{.Registry}}", repository: {{.Repository}}, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:lab", namespace: blue,  deployment: {{.App}}, {{.Blue}}}
      green: {cluster: "context:lab", namespace: green, deployment: {{.App}}, {{.Green}}}
    gateway: { {{.Gateway}} }
    verify: {http: [{url: "{{.Preview}}{color}/smoke", contains: "\"{tag}\""}], timeout: 5s}
    confirm: {http: [{url: "{{.Users}}healthz", contains: "\"{color}\""}]}
    bake: {{.Bake}}
    probe: {every: 2s}
    retire: {after: {{.Retire}}}
    standby: {size: ready}
    alerts: [{rule: "podinfo-*", severity: "<=Sev2"}]
`))

type choices struct {
	App, Repository, Registry, Gateway, Blue, Green, Users, Preview string
	Bake, Retire                                                    time.Duration
}

func readConfig(c choices) (config.App, error) {
	var text bytes.Buffer
	if err := configuration.Execute(&text, c); err != nil {
		return config.App{}, fmt.Errorf("write the lab's configuration: %w", err)
	}
	all, err := config.Load(text.Bytes())
	if err != nil {
		return config.App{}, fmt.Errorf("read the lab's configuration: %w", err)
	}
	return all.Apps[0], nil
}
