package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Doctor answers GET doctor, about what all apps share, and GET apps/{app}/doctor: every check
// of what is needed, made just now, by reading only.
type Doctor struct {
	App    string    `json:"app,omitempty"`
	At     time.Time `json:"at"`
	Checks []Check   `json:"checks"`
	// LastTick is when the clock last ticked, in the answer of GET doctor.
	LastTick time.Time `json:"lastTick,omitzero"`
}

// CheckState says how a check ended.
type CheckState string

const (
	CheckOK      CheckState = "ok"
	CheckWarning CheckState = "warning" // it works, and may not be as was meant
	CheckProblem CheckState = "problem"
	CheckUnknown CheckState = "unknown" // it could not be made, and counts as neither
)

// Check is one check, or one of several problems that it found.
type Check struct {
	Name   string     `json:"name"`             // such as "gateway rights"
	Target string     `json:"target,omitempty"` // what it looked at
	State  CheckState `json:"state"`
	Reason string     `json:"reason,omitempty"` // none where it is ok
	Fix    string     `json:"fix,omitempty"`    // the command, permission or setting that corrects it
}

// Doctor makes the checks of an app, or, with "", of what all apps share.
func (c *Client) Doctor(ctx context.Context, app string) (Doctor, error) {
	path := "doctor"
	if app != "" {
		path = "apps/" + url.PathEscape(app) + "/doctor"
	}
	var d Doctor
	err := c.call(ctx, http.MethodGet, path, "", nil, &d)
	return d, err
}
