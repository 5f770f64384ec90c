package config_test

import (
	"strings"
	"testing"
)

// TestAnAppWithAlertsAloneIsWarnedOf: one lost call, and nothing watches the release.
func TestAnAppWithAlertsAloneIsWarnedOf(t *testing.T) {
	const confirm = "confirm: {http: [{url: \"https://shop.example.com/\"}]}\n"
	for name, test := range map[string]struct {
		file string
		line int // of the warning; 0 for none
	}{
		"alerts alone":         {smallest(t) + "    alerts: [{rule: x}]\n", 18},
		"neither":              {smallest(t), 0},
		"both":                 {smallest(t) + "    alerts: [{rule: x}]\n    " + confirm, 0},
		"confirm of all":       {smallest(t) + "    alerts: [{rule: x}]\ndefaults: {" + strings.TrimSpace(confirm) + "}\n", 0},
		"alerts of all":        {smallest(t) + "defaults: {alerts: [{rule: x}]}\n", 2},
		"without any check":    {smallest(t) + "    alerts: [{rule: x}]\n    confirm: {http: []}\n", 18},
		"no alert of its own":  {smallest(t) + "    alerts: []\ndefaults: {alerts: [{rule: x}]}\n", 0},
		"a check before alone": {smallest(t) + "    alerts: [{rule: x}]\n    verify: {http: [{url: \"https://a\"}]}\n", 18},
	} {
		c := parsed(t, test.file)
		if len(c.Apps[0].Problems) > 0 {
			t.Fatalf("%s: %v", name, c.Apps[0].Problems)
		}
		warnings := c.Apps[0].Warnings
		if test.line == 0 && len(warnings) > 0 || test.line > 0 && (len(warnings) != 1 || warnings[0].Line != test.line || !strings.Contains(warnings[0].Text(), "add confirm checks")) {
			t.Errorf("%s: %v", name, warnings)
		}
	}
	with, without := parsed(t, smallest(t)+"    alerts: [{rule: x}]\n"), parsed(t, "# a line\n"+smallest(t)+"    alerts: [{rule: x}]\n")
	if with.Apps[0].Fingerprint() != without.Apps[0].Fingerprint() {
		t.Error("the line of a warning changes the fingerprint")
	}
}
