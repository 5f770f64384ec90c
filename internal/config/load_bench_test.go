package config_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"bluegreen/internal/config"
)

const manyApps = 10_000

// alike is one line of an app.
func alike(n int) string {
	return fmt.Sprintf("  - {name: shop-%05d, template: web, parameters: {team: team-%d}}\n", n, n%50)
}

// writtenOut is the app of alike without a template.
func writtenOut(n int) string {
	return fmt.Sprintf(`  - name: shop-%05[1]d
    image: {registry: shopacr.azurecr.io, repository: team-%[2]d/shop-%05[1]d, tags: "semver:>=1"}
    colors:
      blue:  {cluster: "context:a", namespace: shop-%05[1]d, deployment: blue, selector: {color: blue, app: shop-%05[1]d}}
      green: {cluster: "context:a", namespace: shop-%05[1]d, deployment: green, selector: {color: green, app: shop-%05[1]d}}
    gateway: {service: shop-%05[1]d}
    bake: 10m
    confirm: {http: [{url: "https://shop-%05[1]d.example.com/healthz", contains: ok}, {url: "https://example.com/"}]}
    alerts: [{rule: "shop-%05[1]d-*"}, {rule: "all", severity: "<=Sev1"}]
`, n, n%50)
}

// inFiles spreads apps over files.
func inFiles(first string, files int, app func(int) string) []config.File {
	list := []config.File{{Text: first}}
	for f := range files {
		var text strings.Builder
		text.WriteString("apps:\n")
		for n := f * manyApps / files; n < (f+1)*manyApps/files; n++ {
			text.WriteString(app(n))
		}
		list = append(list, config.File{Name: fmt.Sprintf("bluegreen.d/%05d.yaml", f), Text: text.String()})
	}
	return list
}

// BenchmarkLoad reads 10,000 apps, and compares that with what the YAML library alone takes for the
// same bytes.
func BenchmarkLoad(b *testing.B) {
	var one strings.Builder
	one.WriteString(web + "apps:\n")
	for n := range manyApps {
		one.WriteString(alike(n))
	}
	for _, c := range []struct {
		name  string
		files []config.File
	}{
		{"template/1 file", []config.File{{Text: one.String()}}},
		{"template/100 files", inFiles(web, 100, alike)},
		{"template/10000 files", inFiles(web, 10_000, alike)},
		{"written out/20 files", inFiles("defaults: {}\n", 20, writtenOut)},
	} {
		b.Run(c.name, func(b *testing.B) {
			bytes := 0
			for _, f := range c.files {
				bytes += len(f.Text)
			}
			b.SetBytes(int64(bytes))
			var loading, decoding time.Duration
			var kept *config.Config
			for b.Loop() {
				began := time.Now()
				for _, f := range c.files {
					var n yaml.Node
					if err := yaml.Unmarshal([]byte(f.Text), &n); err != nil {
						b.Fatal(err)
					}
				}
				decoded := time.Now()
				loaded, err := config.LoadFiles(c.files)
				loading, decoding = loading+time.Since(decoded), decoding+decoded.Sub(began)
				if err != nil || len(loaded.Apps) != manyApps || len(loaded.Apps[manyApps-1].Problems) > 0 {
					b.Fatal(err)
				}
				kept = loaded
			}
			b.ReportMetric(float64(loading.Milliseconds())/float64(b.N), "load-ms")
			b.ReportMetric(float64(loading)/float64(decoding), "load/yaml")
			b.ReportMetric(held(kept), "held-MB")
			b.ReportMetric(0, "ns/op") // of both
		})
	}
}

// held is what a configuration keeps of the heap, in MB.
func held(c *config.Config) float64 {
	var with, without runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&with)
	runtime.KeepAlive(c)
	*c = config.Config{}
	runtime.GC()
	runtime.ReadMemStats(&without)
	return float64(with.HeapAlloc-without.HeapAlloc) / 1e6
}
