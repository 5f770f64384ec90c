package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/app"
	"bluegreen/internal/config"
	"bluegreen/internal/engine"
	"bluegreen/internal/fake"
	"bluegreen/internal/probe"
	"bluegreen/internal/release"
)

// one is the app of file with more lines below it.
func one(t *testing.T, lines string) config.App {
	t.Helper()
	loaded, err := config.Load([]byte(file + lines))
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Apps[0]
}

// onFakes are adapters for one app.
func onFakes(config.App) (app.Adapters, error) {
	wait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return app.Adapters{
		Workloads: fake.NewCluster(time.Now, wait, nil),
		Gateway:   fake.NewGateway(release.Blue, time.Second, time.Now, nil),
		Prober:    probe.New(nil, nil),
	}, nil
}

func TestAProblemOfOneAppKeepsItFromBeingServed(t *testing.T) {
	fails := func(config.App) (app.Adapters, error) {
		return app.Adapters{}, errors.Join(errors.New("no cluster a"), errors.New("no gateway"))
	}
	for name, c := range map[string]struct {
		lines    string
		adapters func(config.App) (app.Adapters, error)
		problems []string
	}{
		"nothing":                     {"", onFakes, nil},
		"a configuration":             {"    bake: long\n", nil, []string{"bake"}},
		"its adapters":                {"", fails, []string{"no cluster a", "no gateway"}},
		"a check that cannot be made": {"    verify: {job: smoke}\n", onFakes, []string{"verify.job"}},
	} {
		built := app.Assemble(one(t, c.lines), c.adapters)
		if len(built.Problems) != len(c.problems) || built.Name != "shop" {
			t.Fatalf("%s: %s has the problems %q", name, built.Name, built.Problems)
		}
		for i, problem := range c.problems {
			if !strings.Contains(built.Problems[i], problem) {
				t.Errorf("%s: %q, expected %q", name, built.Problems[i], problem)
			}
		}
	}
}

// runner is a cluster that runs Jobs.
type runner struct{ *fake.Cluster }

type job struct{ name string }

func (runner) JobCheck(name string, _ time.Duration) engine.Check { return job{name} }

func (job) Run(context.Context, engine.Subject) engine.Result {
	return engine.Result{Verdict: release.Passed}
}

func TestAnAppMakesTheChecksOfItsConfiguration(t *testing.T) {
	built := app.Assemble(one(t, `    verify:  {http: [{url: "https://preview.example.com/", times: 3}], job: smoke}
    confirm: {http: [{url: "https://shop.example.com/", contains: "{color}"}]}
    bake: 7m
`), func(a config.App) (app.Adapters, error) {
		with, err := onFakes(a)
		with.Workloads = runner{with.Workloads.(*fake.Cluster)}
		return with, err
	})
	if len(built.Problems) > 0 {
		t.Fatal(built.Problems)
	}
	if b := built.Before; len(b) != 5 || b[0] != (job{"smoke"}) || b[1] != b[3] || b[4] != (engine.GatewayHealth{Gateway: built.Gateway}) || len(built.During) != 1 {
		t.Errorf("before the switch %+v, during the bake %+v", built.Before, built.During)
	}
	if built.Policy.Bake != 7*time.Minute || built.Repository != "shopacr.azurecr.io/team/shop" || built.Fingerprint == "" {
		t.Errorf("%+v", built)
	}
}

func TestASettingThatIsMissingKeepsReleasesFromStarting(t *testing.T) {
	settings := map[string]string{"CHECK_KEY": "@Microsoft.KeyVault(VaultName=kv;SecretName=key)"}
	build := func() engine.App {
		a := one(t, `    confirm: {http: [{url: "https://shop.example.com/", headers: {X-Key: "{setting:CHECK_KEY}"}}]}`+"\n")
		return app.Assemble(a, func(a config.App) (app.Adapters, error) {
			with, err := onFakes(a)
			with.Prober = probe.New(nil, func(name string) string { return settings[name] })
			return with, err
		})
	}
	without := build()
	e := engine.New(engine.Options{Store: fake.NewStore(nil), Wakeups: fake.NewWakeups(nil), Apps: []engine.App{without}, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err := e.Step(t.Context(), "shop", time.Second); err != nil {
		t.Fatal(err)
	}
	v, err := e.View(t.Context(), "shop")
	if err != nil || v.State.Known || !strings.Contains(v.State.Trouble.Why, "the Key Vault reference in the app setting CHECK_KEY is not resolved") {
		t.Errorf("known %v, trouble %q, %v", v.State.Known, v.State.Trouble.Why, err)
	}
	if len(without.Problems) > 0 { // a return of traffic does not need the check
		t.Errorf("the app is not served: %q", without.Problems)
	}
	settings["CHECK_KEY"] = "secret"
	if with := build(); with.Fingerprint == without.Fingerprint {
		t.Error("the preflight is not made again once the setting is there")
	}
}

// signatures knows nobody's.
type signatures struct{}

func (*signatures) Verify(context.Context, string) (string, error) { return "", engine.Unverified{} }

func TestSignaturesAreTheFirstCheckOrTheAppIsNotServed(t *testing.T) {
	a := one(t, "    verify: {http: [{url: \"http://127.0.0.1:1/\"}]}\n")
	a.Image.Verify.Cosign = []config.CosignSigner{{Key: "{setting:CHECK_KEY}"}}
	if built := app.Assemble(a, onFakes); len(built.Problems) != 1 || !strings.HasPrefix(built.Problems[0], "image.verify: signatures cannot be verified here") {
		t.Errorf("without: %q", built.Problems)
	}
	verifies := &signatures{}
	built := app.Assemble(a, func(a config.App) (app.Adapters, error) {
		with, err := onFakes(a)
		with.Signatures, with.Unusable = verifies, []string{"a setting is not set"}
		return with, err
	})
	if len(built.Problems) > 0 || !built.Policy.Signed || len(built.Before) != 3 || built.Before[0] != (engine.Signed{Signatures: verifies}) || len(built.Unusable) != 1 {
		t.Errorf("%q, signed %v: %v; unusable %q", built.Problems, built.Policy.Signed, built.Before, built.Unusable)
	}
}
