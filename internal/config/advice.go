package config

import "fmt"

// Advice is what an app does without, in sentences for who writes the file: it works, and is
// watched less than it could be.
func (a App) Advice() (list []Problem) {
	advise := func(format string, args ...any) {
		list = append(list, Problem{a.File, a.Line, a.Column, a.Name, fmt.Sprintf(format, args...)})
	}
	if len(a.Alerts) == 0 {
		advise("has no alerts: no Azure Monitor alert returns its traffic")
	}
	if len(a.Confirm.HTTP) == 0 && len(a.Alerts) == 0 { // with alerts there is a warning
		advise("has no confirm checks: a switch is not confirmed at the public address, which the bake does not ask either")
	}
	if len(a.Verify.HTTP) == 0 && a.Verify.Job == "" {
		advise("has no verify checks: a version gets traffic when its pods are ready")
	}
	return list
}
