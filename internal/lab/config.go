package lab

import (
	"bytes"
	"fmt"
	"text/template"

	"bluegreen/internal/config"
)

// configuration is the lab's bluegreen.yaml.
var configuration = template.Must(template.New("bluegreen.yaml").Parse(`defaults:
  bake: {{.Bake}}
  probe: {every: 2s}
  retire: {after: {{.Retire}}}
  standby: {size: ready}
apps:
{{- range .Sites}}
  - name: {{.Name}}
    image: {registry: "{{$.Registry}}", repository: {{.Repository}}, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:lab", namespace: {{.Name}}-blue,  deployment: {{.Name}}, {{index .Colors 0}}}
      green: {cluster: "context:lab", namespace: {{.Name}}-green, deployment: {{.Name}}, {{index .Colors 1}}}
    gateway: { {{.Gateway}} }
    verify: {http: [{url: "{{.Preview}}{color}/verify", contains: "\"{tag}\""}], timeout: 5s}
    confirm: {http: [{url: "{{.Users}}confirm", contains: "\"{color}\""}]}
    {{- if .Manual}}
    promotion: manual
    {{- end}}
    alerts: [{rule: "{{.Name}}-*", severity: "<=Sev2"}]
{{- end}}
`))

// configured is what the configuration says of one app.
type configured struct {
	Name, Repository, Gateway, Users, Preview string
	Colors                                    [2]string
	Manual                                    bool
}

// configuration writes bluegreen.yaml, which must have no mistake.
func (l *Lab) configuration() ([]byte, error) {
	var sites []configured
	for _, s := range l.sites {
		gateway, of := s.front.settings()
		sites = append(sites, configured{s.name, s.repository(), gateway, s.front.address, s.instances.preview, of, s.name == Pay})
	}
	var text bytes.Buffer
	err := configuration.Execute(&text, map[string]any{"Bake": l.Bake, "Retire": l.Retire, "Registry": l.registry.Host(), "Sites": sites})
	if err != nil {
		return nil, fmt.Errorf("write the lab's configuration: %w", err)
	}
	all, err := config.Load(text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read the lab's configuration: %w", err)
	}
	for _, a := range all.Apps {
		if len(a.Problems) > 0 {
			return nil, fmt.Errorf("read the lab's configuration: %v", a.Problems)
		}
	}
	return text.Bytes(), nil
}
