package infra_test

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestEachHTTPFunctionHasItsLevelAndItsMethods: a key opens one function, and what needs none
// asks for a sign-in, or, for the pages, checks a key of the others itself.
func TestEachHTTPFunctionHasItsLevelAndItsMethods(t *testing.T) {
	want := map[string]string{
		"alerts":      "function [post] alerts",
		"look":        "function [get head] {*path}",
		"act":         "function [post] apps/{app}/{command}",
		"signed-in":   `anonymous [get head post] signed-in/{*path:regex(^[a-z0-9\x2f-]+$)}`,
		"ui":          "anonymous [get head post] ui/{*path}",
		"alert-fired": "anonymous [post] alert-fired",
	}
	files, err := filepath.Glob(root + "/*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		b := bindings(t, name)[0]
		if b["type"] != "httpTrigger" {
			continue
		}
		if got := fmt.Sprintf("%s %v %s", b["authLevel"], b["methods"], b["route"]); got != want[name] {
			t.Errorf("%s: %s, expected %q", name, got, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
