package api

import "bluegreen/internal/release"

// AlertAnswer answers an alert. The log of the action group shows it.
type AlertAnswer struct {
	// Result is "accepted", "known already", "ignored: " and why, or "not kept: " and why.
	Result string `json:"result"`
	// Alert is the id of the alert, Rule its alert rule.
	Alert string       `json:"alert,omitempty"`
	Rule  string       `json:"rule,omitempty"`
	Apps  []AlertOfApp `json:"apps,omitempty"`
	// Others is set where more apps watch the rule than are named, and the alert is not about them.
	Others bool `json:"others,omitempty"`
}

// AlertOfApp is what became of an alert for one app.
type AlertOfApp struct {
	App    string `json:"app"`
	Result string `json:"result"`
	// Color is the color that the alert is about; About says why there is none.
	Color release.Color `json:"color,omitempty"`
	About string        `json:"about,omitempty"`
	// Decision is none as long as the app has not decided.
	Decision *Decision `json:"decision,omitempty"`
	Note     string    `json:"note,omitempty"`
}
