package app

import (
	"slices"
	"strings"
	"time"

	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/probe"
)

// Adapters act for one app.
type Adapters struct {
	Registry  engine.Registry
	Workloads engine.Workloads
	Gateway   engine.Gateway
	Prober    *probe.Prober
	// Signatures is nil where signatures cannot be verified.
	Signatures engine.Signatures
	// Unusable is why what the configuration names cannot be used for new releases.
	Unusable []string
}

// jobs is the extra ability of workloads to run a Kubernetes Job as a check, from the
// template of a CronJob.
type jobs interface {
	JobCheck(cronJob string, within time.Duration) engine.Check
}

// Assemble makes an app from its configuration and its adapters. It asks for the adapters
// only when the configuration can be used. An error of theirs, a line for each problem,
// keeps this app from being served and no other.
func Assemble(a config.App, adapters func(config.App) (Adapters, error)) engine.App {
	built := engine.App{
		Name: a.Name, Policy: a.Policy(), Repository: a.Repository(), Fingerprint: a.Fingerprint(), Problems: a.Sentences(), Held: a.Held,
	}
	if len(built.Problems) > 0 {
		return built
	}
	with, err := adapters(a)
	if err != nil {
		built.Problems = strings.Split(err.Error(), "\n")
		return built
	}
	for _, warning := range a.Warnings {
		built.Warnings = append(built.Warnings, warning.String())
	}
	built.Unusable = with.Unusable
	built.Registry, built.Workloads, built.Gateway = with.Registry, with.Workloads, with.Gateway
	if a.Image.Verify.Asked() {
		if with.Signatures == nil {
			built.Problems = []string{"image.verify: signatures cannot be verified here, and a check that is left out must not count as passed"}
			return built
		}
		built.Before = append(built.Before, engine.Signed{Signatures: with.Signatures})
	}
	if a.Verify.Job != "" {
		runner, ok := with.Workloads.(jobs)
		if !ok {
			built.Problems = []string{"verify.job: Jobs cannot be run here, and a check that is left out must not count as passed"}
			return built
		}
		built.Before = append(built.Before, runner.JobCheck(a.Verify.Job, a.Verify.Timeout))
	}
	built.Before = append(built.Before, requests(with.Prober, a.Verify.HTTP)...)
	built.Before = append(built.Before, engine.GatewayHealth{Gateway: with.Gateway})
	built.During = requests(with.Prober, a.Behavior.Confirm.HTTP)
	for _, check := range slices.Concat(built.Before, built.During) {
		if c, ok := check.(*probe.Check); ok && len(c.Problems()) > 0 {
			built.Fingerprint = a.Fingerprint() + " without settings" // for a new preflight, which says so
		}
	}
	return built
}

// requests lists each check as often as it is to pass in a row.
func requests(p *probe.Prober, from []config.HTTPCheck) []engine.Check {
	var list []engine.Check
	for _, c := range from {
		check := p.Check(probe.Request{URL: c.URL, Headers: c.Headers, Expect: c.Expect, Contains: c.Contains, Timeout: c.Timeout})
		for range max(1, c.Times) {
			list = append(list, check)
		}
	}
	return list
}
