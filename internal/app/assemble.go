package app

import (
	"strings"

	"bluegreen/internal/config"
	"bluegreen/internal/engine"
)

// Adapters act for one app.
type Adapters struct {
	Registry  engine.Registry
	Workloads engine.Workloads
	Gateway   engine.Gateway
	Prober    engine.Prober
}

// Assemble makes an app from its configuration and its adapters. It asks for the adapters
// only when the configuration can be used. An error of theirs, a line for each problem,
// keeps this app from being served and no other.
func Assemble(a config.App, adapters func(config.App) (Adapters, error)) engine.App {
	built := engine.App{
		Name: a.Name, Policy: a.Policy(), Repository: a.Repository(), Fingerprint: a.Fingerprint(),
		Checks: a.Checks(), Confirm: a.Confirms(), Job: a.Verify.Job, Problems: a.Sentences(),
	}
	if len(built.Problems) > 0 {
		return built
	}
	with, err := adapters(a)
	if err != nil {
		built.Problems = strings.Split(err.Error(), "\n")
		return built
	}
	built.Registry, built.Workloads, built.Gateway, built.Prober = with.Registry, with.Workloads, with.Gateway, with.Prober
	if _, runs := built.Workloads.(engine.JobRunner); built.Job != "" && !runs {
		built.Problems = []string{"verify.job: Jobs cannot be run here, and a check that is left out must not count as passed"}
	}
	return built
}
