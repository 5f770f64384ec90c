package api

import (
	"context"
	"net/http"
	"net/url"

	"bluegreen/internal/release"
)

// Plan says what a command does if it is given now, in the order of time, and what it does
// not. Refused is why it would be refused, and then stands alone.
type Plan struct {
	Command release.Command `json:"command"`
	Refused string          `json:"refused,omitempty"`
	// Forbidden is why the caller has no right to give it, whatever the app is doing.
	Forbidden string   `json:"forbidden,omitempty"`
	Will      []string `json:"will,omitempty"`
	WillNot   []string `json:"willNot,omitempty"`
}

// Plans answers GET apps/{app}/plans: whether each command is possible now. What a command
// with a required field does depends on that field: its plan has Refused alone.
type Plans struct {
	App   string `json:"app"`
	Plans []Plan `json:"plans"`
}

// Plans returns which commands are possible.
func (c *Client) Plans(ctx context.Context, app string) (Plans, error) {
	var p Plans
	err := c.call(ctx, http.MethodGet, "apps/"+url.PathEscape(app)+"/plans", "", nil, &p)
	return p, err
}

// Plan returns the plan of a command with its fields, such as image or force.
func (c *Client) Plan(ctx context.Context, app string, command release.Command, fields url.Values) (Plan, error) {
	path := "apps/" + url.PathEscape(app) + "/" + string(command)
	if len(fields) > 0 {
		path += "?" + fields.Encode()
	}
	var p Plan
	err := c.call(ctx, http.MethodGet, path, "", nil, &p)
	return p, err
}

// Given returns the progress of a command that was given under an idempotency key.
func (c *Client) Given(ctx context.Context, app, key string) (Answer, error) {
	var a Answer
	err := c.call(ctx, http.MethodGet, "apps/"+url.PathEscape(app)+"/commands/"+url.PathEscape(key), "", nil, &a)
	return a, err
}

// Configuration answers GET apps/{app}/configuration: what is in effect, the defaults
// included. What may hold a secret is left out.
type Configuration struct {
	App      string    `json:"app"`
	Settings []Setting `json:"settings"`
}

// Setting is one key, such as colors.blue.cluster, and its value.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Configuration returns the configuration of an app in effect.
func (c *Client) Configuration(ctx context.Context, app string) (Configuration, error) {
	var a Configuration
	err := c.call(ctx, http.MethodGet, "apps/"+url.PathEscape(app)+"/configuration", "", nil, &a)
	return a, err
}

// through is the key of Through in a context.
type through struct{}

// Through marks the requests of a context as come through a function of this app that
// hands them on in the same process, which no header of a request can do.
func Through(ctx context.Context, function string) context.Context {
	return context.WithValue(ctx, through{}, function)
}

// Route returns the function that Through named; "" for requests that came from the host.
func Route(ctx context.Context) string {
	name, _ := ctx.Value(through{}).(string)
	return name
}
