package api

import (
	"net/http"
	"slices"
	"strings"

	"bluegreen/internal/release"
)

// Operation is one request that the API takes. The router, the index and the OpenAPI document
// are made from these.
type Operation struct {
	ID     string
	Method string
	Path   string // below /api, with parameters in braces
	Does   string // one sentence without a full stop, in the imperative
	// Function is the function that takes the request, and whose key opens it: look, act or
	// alerts. What look and act take is taken with a token below signed-in too. alert-fired takes
	// tokens alone.
	Function string
	Query    []Parameter
	// Command is set where the body, or the query of a plan, has the fields of a command.
	Command release.Command
	Answers map[int]any // zero values of the bodies, by HTTP status
	Plain   bool        // text/plain is answered too, where the caller accepts it
	// Problems are the codes of the problems that are answered besides those of every operation.
	Problems []string
}

// Parameter is a parameter of the query.
type Parameter struct {
	Name    string
	Help    string
	Numbers [3]int   // least, most and default of a whole number
	Values  []string // that a text may be; any where there are none
}

// How long lists are: as a rule, and at most.
const (
	UsualApps, MostApps   = 100, 500
	UsualFacts, MostFacts = 50, 500
)

// Operations are all requests, in the order in which they are listed.
var Operations = slices.Concat(looks, ofCommands(), alerts)

var looks = []Operation{
	{ID: "index", Method: http.MethodGet, Function: "look", Path: "", Does: "List the requests that the API takes, and the apps", Answers: ok(Index{}), Plain: true},
	{ID: "openapi", Method: http.MethodGet, Function: "look", Path: "openapi", Does: "Read this document", Answers: ok(map[string]any(nil))},
	{ID: "problems", Method: http.MethodGet, Function: "look", Path: "problems", Does: "List the kinds of problems, to which the type of each problem leads", Answers: ok(Problems{}), Plain: true},
	{ID: "health", Method: http.MethodGet, Function: "look", Path: "health", Does: "Say what needs a person, and what keeps apps from being served", Answers: ok(Health{}), Plain: true, Query: []Parameter{
		{Name: "needs", Help: "with `false` what needs a person is left out, and no app is read", Values: []string{"true", "false"}},
	}},
	{ID: "doctor", Method: http.MethodGet, Function: "look", Path: "doctor", Does: "Make every check of what all apps share, by reading only", Answers: ok(Doctor{}), Plain: true},
	{
		ID: "apps", Method: http.MethodGet, Function: "look", Path: "apps", Does: "Read the state of all apps, in pages by name", Answers: ok(Apps{}), Plain: true, Problems: []string{"invalid"},
		Query: []Parameter{
			{Name: "limit", Help: "how many apps, at most", Numbers: [3]int{1, MostApps, UsualApps}},
			{Name: "after", Help: "the name that the names of the apps come after, in order; the link `next` has it"},
		},
	},
	{ID: "app", Method: http.MethodGet, Function: "look", Path: "apps/{app}", Does: "Read the state of an app", Answers: ok(App{}), Plain: true},
	{
		ID: "history", Method: http.MethodGet, Function: "look", Path: "apps/{app}/history", Does: "Read events and decisions with their reasons, the newest first", Answers: ok(History{}), Plain: true, Problems: []string{"invalid"},
		Query: []Parameter{
			{Name: "limit", Help: "how many facts, at most", Numbers: [3]int{1, MostFacts, UsualFacts}},
			{Name: "before", Help: "the number that the numbers of the facts are below; 0 begins with the newest", Numbers: [3]int{0, 1<<31 - 1, 0}},
		},
	},
	{ID: "configuration", Method: http.MethodGet, Function: "look", Path: "apps/{app}/configuration", Does: "Read the configuration in effect, without what may be secret", Answers: ok(Configuration{}), Plain: true},
	{ID: "plans", Method: http.MethodGet, Function: "look", Path: "apps/{app}/plans", Does: "Say which commands are possible now", Answers: ok(Plans{}), Plain: true},
	{ID: "app-doctor", Method: http.MethodGet, Function: "look", Path: "apps/{app}/doctor", Does: "Make every check of what an app needs, by reading only", Answers: ok(Doctor{}), Plain: true},
	{ID: "given", Method: http.MethodGet, Function: "look", Path: "apps/{app}/commands/{key}", Does: "Say how far the command is that was given under an idempotency key", Answers: ok(Answer{}), Plain: true, Problems: []string{"key", "refused", "failed"}},
}

var alerts = []Operation{
	{ID: "alerts", Method: http.MethodPost, Path: "alerts", Function: "alerts", Does: "Take an Azure Monitor alert in the common alert schema", Answers: taken, Problems: alertProblems},
	{ID: "alert-fired", Method: http.MethodPost, Path: "alert-fired", Function: "alert-fired", Does: "Take an alert through the secure webhook of an action group, with a token that has the app role ActionGroupsSecureWebhook", Answers: taken, Problems: append([]string{"role"}, alertProblems...)},
}

var (
	taken         = map[int]any{http.StatusOK: AlertAnswer{}, http.StatusAccepted: AlertAnswer{}}
	alertProblems = []string{"invalid", "body", "too-large", "not-kept", "configuration"}
)

func ok(body any) map[int]any { return map[int]any{http.StatusOK: body} }

// ofCommands are the plan of each command, and the command itself.
func ofCommands() (all []Operation) {
	for _, v := range release.Commands {
		path := "apps/{app}/" + string(v.Command)
		plan := Operation{
			ID: "plan-" + string(v.Command), Method: http.MethodGet, Function: "look", Path: path, Command: v.Command, Does: "Say what this would do now, without doing it: " + v.Does,
			Answers: ok(Plan{}), Plain: true,
		}
		do := Operation{
			ID: string(v.Command), Method: http.MethodPost, Function: "act", Path: path, Command: v.Command, Does: v.Does,
			Query:    []Parameter{{Name: "wait", Help: "as the field `wait` of the body", Values: []string{"true", "false", string(WaitSwitched), string(WaitCompleted)}}},
			Answers:  map[int]any{http.StatusOK: Answer{}, http.StatusAccepted: Answer{}},
			Plain:    true,
			Problems: []string{"invalid", "origin", "body", "refused", "failed", "key-reused", "not-served", "too-large", "content-type"},
		}
		if len(v.Takes) > 0 {
			plan.Problems = []string{"invalid"}
		}
		if v.Command == release.DeployImage {
			plan.Problems, do.Problems = append(plan.Problems, "image-not-found"), append(do.Problems, "image-not-found")
		}
		all = append(all, plan, do)
	}
	return all
}

// Fits reports whether the parts of a path are those of the operation.
func (o Operation) Fits(parts []string) bool {
	return slices.EqualFunc(strings.Split(o.Path, "/"), parts, func(want, got string) bool {
		return strings.HasPrefix(want, "{") || want == got
	})
}

// String is the operation as the index lists it.
func (o Operation) String() string {
	text, separator := strings.TrimSuffix(o.Method+" /api/"+o.Path, "/"), "?"
	for _, p := range o.Query {
		text += separator + p.Name + "="
		separator = "&"
	}
	return text
}

// Index answers GET of the API itself.
type Index struct {
	Name      string   `json:"name"`
	Endpoints []string `json:"endpoints"`
	Apps      []string `json:"apps"` // that the caller may read
	Post      string   `json:"post"` // what a command needs
	SignedIn  string   `json:"signedIn"`
}

// Patterns are the regular expressions that fields of a command match, by their kind.
var Patterns = map[string]string{
	"image":     tag + `|` + prefix,
	"reference": tag + `|` + prefix,
	"tag":       tag,
	"duration":  `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`,
	"key":       `^[A-Za-z0-9._:~-]{1,128}$`,
}

const (
	tag    = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`
	prefix = `^sha256:[0-9a-f]{4,64}$`
)
