// Package config reads bluegreen.yaml: the apps, the clusters of their colors, the gateways
// that move their traffic, and the rules of their releases. Every mistake is a Problem with its
// line; a mistake inside one app keeps only that app from being used. The structs and
// their tags are the one source of keys, defaults and limits: Load reads by them, and
// docs/bluegreen.schema.json is written from them.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/release"
)

// Config is one bluegreen.yaml with its other files. Its apps have different names.
type Config struct {
	Defaults  Behavior            `key:"defaults" doc:"Settings of every app that does not set its own. Maps are merged key by key, lists are replaced."`
	Templates map[string]Template `key:"templates" keys:"name" doc:"What apps share, by name: parameters, and any key of an app but name. Those of bluegreen.yaml are for all apps, those of a file of bluegreen.d for the apps in that file."`
	Notify    Notify              `key:"notify" doc:"Where outcomes of releases are sent."`
	Apps      []App               `key:"apps" least:"1" doc:"The apps that are released."`

	// Problems are the mistakes outside of apps: those of templates, and those that keep all of a
	// file of bluegreen.d from being used. Out are these files; their apps are not known.
	Problems []Problem
	Out      []string
}

// Unknown are the mistakes for which there may be apps that are not in Apps.
func (c *Config) Unknown() (list []string) {
	for _, p := range c.Problems {
		if slices.Contains(c.Out, p.File) {
			list = append(list, p.String())
		}
	}
	return list
}

// App is one app. It must not be used when it has Problems, and starts no release while Held.
type App struct {
	Name string `key:"name" is:"name" need:"yes" doc:"Name of the app, in the API too. Its state is kept under this name: renaming is starting afresh."`
	// What Template and Parameters come to is in the other fields. Parameters is nil once it is.
	Template   string            `key:"template" is:"name" json:"-" doc:"Name of the template that has what this app does not set itself. Maps are merged key by key, lists are replaced."`
	Parameters map[string]string `key:"parameters" keys:"parameter" is:"argument" json:"-" doc:"Values of the template's parameters, by name."`

	Image   Image   `key:"image" need:"yes" doc:"Which pushed images are released."`
	Colors  Colors  `key:"colors" need:"yes" doc:"The two production environments."`
	Gateway Gateway `key:"gateway" need:"yes" doc:"The gateway that moves the traffic: an Application Gateway, a Traffic Manager profile or a Kubernetes Service."`
	Behavior

	// File, Line and Column are where the app begins: File is "" for bluegreen.yaml, Line and
	// Column count from 1.
	File   string `json:"-"`
	Line   int
	Column int `json:"-"`
	// Problems are the mistakes that keep the app from being used.
	Problems []Problem
	// Warnings are what works and may not be meant.
	Warnings []Problem
	// Held are the mistakes of the present file, in sentences, where the app is that of an
	// earlier one: it goes on with what runs, and starts nothing new.
	Held []string

	tags *Tags // shared by the apps that have the same policy
}

// Image names a repository and which of its tags are released.
type Image struct {
	Registry   string `key:"registry" is:"registry" need:"yes" doc:"Login server of the registry, without a scheme."`
	Repository string `key:"repository" is:"repository" need:"yes" doc:"Repository in the registry, without tag or digest."`
	Tags       string `key:"tags" is:"tags" need:"yes" doc:"Which tags are released. 'semver:CONSTRAINT' admits full versions (1.2.3 or v1.2.3, not 1 or 1.2) and never an older one than was seen; a pre-release such as 2.0.0-rc.1 is admitted only by a constraint that names one itself, such as '>=2-0'. 'glob:PATTERN' knows * and ?, 'regex:EXPRESSION' must match the whole tag, anything else is the tag itself."`
	Verify     Trust  `key:"verify" doc:"Who must have signed an image before it gets traffic, by whatever command. Not required by default."`
}

// Colors are the two production environments of an app.
type Colors struct {
	Blue  Color `key:"blue" need:"yes" doc:"The blue environment."`
	Green Color `key:"green" need:"yes" doc:"The green environment."`
}

// Color is where one color runs and how the gateway refers to it.
type Color struct {
	Cluster     string            `key:"cluster" is:"cluster" need:"yes" doc:"Resource id of the AKS cluster, or context:NAME for a context of the kubeconfig that the setting BLUEGREEN_KUBECONFIG names."`
	Namespace   string            `key:"namespace" is:"label" need:"yes" doc:"Namespace of the Deployments."`
	Deployment  string            `key:"deployment" is:"object" doc:"The Deployment that is given the image."`
	Deployments []string          `key:"deployments" is:"object" least:"1" doc:"The Deployments that are released as one, instead of deployment; the same number and order in both colors."`
	Container   string            `key:"container" is:"label" doc:"The container that is given the image; the only one by default."`
	Backend     string            `key:"backend" is:"resource" doc:"With an Application Gateway: the backend pool of the color."`
	Settings    string            `key:"settings" is:"resource" doc:"With an Application Gateway: the backend HTTP settings of the color, where they differ by color."`
	Endpoint    string            `key:"endpoint" is:"resource" doc:"With Traffic Manager: the endpoint of the color, which leads to its own public gateway."`
	Selector    map[string]string `key:"selector" keys:"labelKey" is:"labelValue" least:"1" doc:"With a Service: the labels that the Service selects when the color is live."`
	Resources   []string          `key:"resources" is:"resourceID" least:"1" doc:"Ids of resources that serve only this color, such as its own Application Gateway: an alert about one of them is about this color. Its cluster counts without being named when the colors have different ones."`
}

// Gateway moves an app's traffic: exactly one of ApplicationGateway, TrafficManager
// and Service is set.
type Gateway struct {
	ApplicationGateway string   `key:"applicationGateway" is:"gateway" doc:"Resource id of the Application Gateway."`
	Rules              []string `key:"rules" is:"resource" least:"1" doc:"With an Application Gateway: the routing rules that belong to the app, with the path maps that they use."`
	TrafficManager     string   `key:"trafficManager" is:"profile" doc:"Resource id of the Traffic Manager profile, which routes by priority. The endpoint of the color without traffic is kept disabled."`
	Service            string   `key:"service" is:"label" doc:"The Kubernetes Service whose selector is switched, in the namespace that both colors share."`
}

// Behavior is how an app is released.
type Behavior struct {
	First          release.Color `key:"first" default:"blue" one:"blue,green" doc:"Color of the first release when nothing is live."`
	Verify         Verify        `key:"verify" doc:"Checks that the idle color must pass before it gets traffic."`
	Confirm        Confirm       `key:"confirm" doc:"Checks that the public address must pass: they confirm a switch and are repeated during the bake."`
	Promotion      Promotion     `key:"promotion" doc:"Whether a person lets releases go live."`
	Bake           time.Duration `key:"bake" default:"15m" least:"0s" most:"30d" doc:"How long a new live color is watched while the other stays as the rollback target."`
	RollbackWindow time.Duration `key:"rollbackWindow" default:"24h" least:"0s" most:"90d" doc:"From the switch; an alert later than that returns nothing."`
	RolloutTimeout time.Duration `key:"rolloutTimeout" default:"10m" least:"1s" most:"1d" doc:"How long a rollout may go without progress."`
	PullGrace      time.Duration `key:"pullGrace" default:"5m" least:"0s" most:"1d" doc:"How long an image may fail to be pulled: replication between registries lags."`
	SwitchTimeout  time.Duration `key:"switchTimeout" default:"10m" least:"1s" most:"1d" doc:"How long a switch may go without being confirmed before traffic is put back."`
	Probe          Probe         `key:"probe" doc:"How often the public address is probed during the bake, and how many failures start a rollback."`
	Capacity       Capacity      `key:"capacity" doc:"How much of what the live color needs must be ready. What it needs is the size that it had when all of its pods were last ready."`
	Retire         Retire        `key:"retire" doc:"For how long after a release the color that served before is left as it is."`
	Standby        Standby       `key:"standby" doc:"What the color without traffic is for after that: which version it runs, and at which size."`
	Failover       string        `key:"failover" default:"manual" one:"off,manual,alert" doc:"What moves traffic to the standby between releases, when nothing speaks against the version: manual, a command; alert, also an alert on the live color after the rollback window, where the standby was seen ready."`
	ReleaseTimeout time.Duration `key:"releaseTimeout" default:"24h" least:"1h" most:"90d" doc:"A release that is not live, and in which nothing happened for so long, starts over with the newest image. One that waits for a person is left alone."`
	Access         Access        `key:"access" doc:"Who of those who sign in may do what with the app: names of app roles of the app registration, or object ids of people and applications. Each right includes those before it. Function keys are not restricted by it: see BLUEGREEN_KEYS_MAY."`
	Force          string        `key:"force" default:"allowed" one:"allowed,forbidden" doc:"Whether a switch, rollback or failover may be forced. forbidden is for admins too."`
	Alerts         []Alert       `key:"alerts" doc:"The Azure Monitor alerts that return traffic."`
}

// Verify holds the checks that the idle color must pass before it gets traffic.
type Verify struct {
	HTTP    []HTTPCheck   `key:"http" doc:"HTTP checks, each must pass."`
	Job     string        `key:"job" is:"object" doc:"A CronJob, suspended as a rule, that is run once on the idle color and must succeed."`
	Timeout time.Duration `key:"timeout" default:"5m" least:"1s" most:"1d" doc:"How long the checks may take to pass."`
}

// Confirm holds the checks that the public address must pass.
type Confirm struct {
	HTTP []HTTPCheck `key:"http" doc:"HTTP checks through the public address, each must pass."`
}

// HTTPCheck is one HTTP request and the expected answer.
type HTTPCheck struct {
	URL      string            `key:"url" is:"url" need:"yes" doc:"URL of the GET request. {color}, {digest} and {tag} stand for those of the release; in the host only {color}. In the query {setting:CHECK_NAME} stands for an app setting, as in headers."`
	Expect   int               `key:"expect" default:"200" least:"100" most:"599" doc:"Status of the answer. Redirects are not followed."`
	Contains string            `key:"contains" is:"expected" doc:"Text that the answer must contain. {color}, {digest} and {tag} stand for those of the release."`
	Headers  map[string]string `key:"headers" keys:"header" is:"headerValue" doc:"Headers of the request. In values, {color} and {digest} stand for those of the release, and {setting:CHECK_NAME} for the value of an app setting, which can be a Key Vault reference; its name begins with CHECK_. A credential is not written here itself."`
	Times    int               `key:"times" default:"1" least:"1" most:"100" doc:"How often in a row it must pass."`
	Timeout  time.Duration     `key:"timeout" default:"5s" least:"1ms" most:"1m" doc:"How long an answer may take."`
}

// Promotion is automatic or needs an approval before the release goes live.
type Promotion struct {
	Mode     string        `key:"mode" default:"auto" one:"auto,manual" doc:"auto, or manual: each release waits for a person's promote."`
	Deadline time.Duration `key:"deadline" least:"1s" most:"90d" doc:"How long a release waits for a person; without it, for ever."`
	Default  string        `key:"default" default:"cancel" one:"cancel,promote" doc:"Action at the deadline."`
	Approver string        `key:"approver" default:"any" one:"any,other" doc:"any, or other: who has begun a release may not promote it. Both then have to be signed in, since a function key does not identify its user. A release of a pushed image has no starter."`
}

// Access says who of those who sign in may do what. A list that is not given is that of the
// app role bluegreen.viewer, bluegreen.operator or bluegreen.admin.
type Access struct {
	Viewers   []string `key:"viewers" is:"principal" least:"1" doc:"Who may read; the app role bluegreen.viewer by default."`
	Operators []string `key:"operators" is:"principal" least:"1" doc:"Who may give commands without force; the app role bluegreen.operator by default."`
	Admins    []string `key:"admins" is:"principal" least:"1" doc:"Who may give every command; the app role bluegreen.admin by default."`
}

// Probe sets how often the public address is probed during the bake, and how many failures
// start a rollback.
type Probe struct {
	Every  time.Duration `key:"every" default:"15s" least:"1s" most:"1h" doc:"Time from one probe to the next."`
	Misses int           `key:"misses" default:"3" least:"1" most:"100" doc:"Failed probes in a row that start a rollback."`
}

// Capacity says how much of what a color needs must be ready.
type Capacity struct {
	Switch   string `key:"switch" default:"100%" is:"percent" doc:"Before traffic moves to a color."`
	Live     string `key:"live" default:"75%" is:"percent" doc:"In the bake: less, at two looks in a row, returns traffic. The other color is not scaled down beside a live one that has less."`
	Rollback string `key:"rollback" default:"better" one:"better,full" doc:"better: traffic returns to a target that carries more than users have now; full: only when all pods of the target are ready."`
}

// Retire sets when the color without traffic becomes the standby.
type Retire struct {
	After time.Duration `key:"after" default:"30m" least:"0s" most:"90d" doc:"From the end of the release. A standby that is kept ready or at its minimum is brought back at once where a release that did not go well was deployed to it."`
}

// Standby is what the color without traffic is between releases.
type Standby struct {
	Version string `key:"version" default:"previous" one:"previous,same" doc:"previous: the version that served before; same: the live version, deployed there once the rollback window is over."`
	Size    string `key:"size" default:"zero" one:"ready,minimum,zero" doc:"ready: as many pods as the live color needs; minimum: one pod for each Deployment, or its autoscaler's minimum; zero: none."`
}

// Alert names Azure Monitor alerts that return traffic.
type Alert struct {
	Rule        string `key:"rule" is:"pattern" need:"yes" doc:"Name of the alert rule; * and ? are wildcards, case does not matter."`
	Severity    string `key:"severity" is:"severity" doc:"Sev0 (worst) to Sev4, alone or with an operator: '<=Sev2' is Sev0, Sev1 and Sev2. Any by default."`
	Corroborate bool   `key:"corroborate" doc:"Traffic returns only when a look at the live color agrees: a confirm check that fails, too few ready pods, or a gateway that sees the color as unhealthy. For rules that outsiders can make fire."`
}

// Repository is "registry/repository", the identity of the images of the app.
func (a App) Repository() string { return a.Image.Registry + "/" + a.Image.Repository }

// Color returns where a color runs.
func (a App) Color(c release.Color) Color {
	if c == release.Green {
		return a.Colors.Green
	}
	return a.Colors.Blue
}

// Names returns the color's Deployments in configured order.
func (c Color) Names() []string {
	if c.Deployment != "" {
		return []string{c.Deployment}
	}
	return c.Deployments
}

// percent reads a checked percentage such as 75%.
func percent(text string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(text, "%"))
	return n
}

// Backend returns the backend pool of a color; "" where the gateway is no Application Gateway.
func (a App) Backend(c release.Color) string { return a.Color(c).Backend }

// Policy returns the settings that the app's decisions depend on.
func (a App) Policy() release.Policy {
	return release.Policy{
		Newer: a.newer(), First: a.First,
		Manual: a.Promotion.Mode == "manual", Deadline: a.Promotion.Deadline, Default: a.Promotion.Default,
		OtherApproves: a.Promotion.Approver == "other", NoForce: a.Force == "forbidden",
		RolloutTimeout: a.RolloutTimeout, PullGrace: a.PullGrace, VerifyTimeout: a.Verify.Timeout, SwitchTimeout: a.SwitchTimeout,
		Bake: a.Bake, ProbeEvery: a.Probe.Every, ProbeMisses: a.Probe.Misses, RollbackWindow: a.RollbackWindow,
		Capacity:    release.Capacity{Switch: percent(a.Capacity.Switch), Live: percent(a.Capacity.Live), FullRollback: a.Capacity.Rollback == "full"},
		RetireAfter: a.Retire.After, Standby: release.StandbyPolicy{Same: a.Standby.Version == "same", Size: release.StandbySize(a.Standby.Size)},
		Failover: release.FailoverMode(a.Failover), Signed: a.Image.Verify.Asked(), ReleaseTimeout: a.ReleaseTimeout,
	}
}

// Fingerprint changes exactly when the app's configuration does, its place in the file aside.
func (a App) Fingerprint() string {
	a.Line, a.Problems, a.Warnings = 0, nil, nil
	data, _ := json.Marshal(a) // only strings, numbers, lists and maps of them: cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// Problem is one mistake: its place, its cause and the correction.
type Problem struct {
	File    string // "" for bluegreen.yaml
	Line    int    // from 1
	Column  int    // from 1
	Path    string // for instance apps[0].colors.blue.cluster
	Message string
}

// String is the whole problem in one line.
func (p Problem) String() string { return where(p.File, p.Line, p.Column) + ": " + p.Text() }

// where is a place in words.
func where(file string, line, column int) string {
	text := fmt.Sprintf("line %d, column %d", line, column)
	if file != "" {
		text += " of " + file
	}
	return text
}

// Text is the problem without its place.
func (p Problem) Text() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Problems are mistakes that keep the whole file from being used.
type Problems []Problem

// Error names each mistake on a line of its own.
func (p Problems) Error() string {
	return strings.Join(p.Sentences(), "\n")
}

// Sentences returns each mistake in one line.
func (p Problems) Sentences() (lines []string) {
	for _, problem := range p {
		lines = append(lines, problem.String())
	}
	return lines
}

// Sentences returns the app's problems as engine.App wants them.
func (a App) Sentences() []string { return Problems(a.Problems).Sentences() }
