package openapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// document makes the OpenAPI document from the table of operations, that of commands, and the
// public types.
func document(t *testing.T) object {
	t.Helper()
	s := schemas{source: readSource(t, "../api", "../release", "../release/reason"), names: map[string]string{"api.Error": "Problem", "release.Color": "ColorName"}, all: object{}, responses: object{}}
	paths := object{}
	for _, o := range api.Operations {
		path := "/" + o.Path
		item, ok := paths[path].(object)
		if !ok {
			item = object{}
			if parameters := inPath(o.Path); len(parameters) > 0 {
				item["parameters"] = parameters
			}
			paths[path] = item
		}
		item[strings.ToLower(o.Method)] = s.operation(o)
	}
	s.of(reflect.TypeFor[api.Error]())
	var codes []string
	for _, k := range api.Kinds {
		codes = append(codes, k.Code)
	}
	s.all["Problem"].(object)["properties"].(object)["code"].(object)["enum"] = codes
	return object{
		"openapi": "3.1.1",
		"info": object{
			"title": "bluegreen", "version": "1",
			"summary":     "Event-driven blue/green releases of apps on AKS",
			"description": "Made from `api.Operations` and `release.Commands` by `go test ./internal/openapi -update`; do not edit. Errors are problem details (RFC 9457). `GET` changes nothing. Each operation is taken with `HEAD` too where it is taken with `GET`.",
			"license":     object{"name": "MIT", "identifier": "MIT"},
		},
		"servers": []any{
			server("", "With a function key"),
			server("/signed-in", "With a token"),
		},
		"security": keyOrToken,
		"tags": []any{
			object{"name": "look", "description": "What only reads. Opened by a key of the function `look`, or by a token."},
			object{"name": "act", "description": "Commands to an app. Opened by a key of the function `act`, or by a token. " + "A command needs a new `" + api.KeyHeader + "`; repeating it with the same key is safe, and reports how far it is."},
			object{"name": "alerts", "description": "Alerts of Azure Monitor."},
		},
		"paths": paths,
		"components": object{
			"schemas":   s.all,
			"responses": s.responses,
			"parameters": object{"key": object{
				"name": api.KeyHeader, "in": "header", "required": true, "example": "deploy-2.4.1", "schema": object{"type": "string", "pattern": api.Patterns["key"]},
				"description": "new for each command, and the same when it is repeated",
			}},
			"securitySchemes": object{
				"key":        object{"type": "apiKey", "in": "header", "name": "x-functions-key", "description": "A key of the function, or a host key."},
				"keyInQuery": object{"type": "apiKey", "in": "query", "name": "code", "description": "The same key. It may be written to logs on the way."},
				"token":      object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An Entra token for the app registration, below `/api/signed-in`. The rights are those of its app roles."},
			},
			"examples": s.examples(t),
		},
	}
}

var (
	keyOrToken = []any{object{"key": []any{}}, object{"keyInQuery": []any{}}, object{"token": []any{}}}
	keyAlone   = keyOrToken[:2]
	tokenAlone = keyOrToken[2:]
)

func server(below, about string) object {
	return object{
		"url": "https://{app}.azurewebsites.net/api" + below, "description": about,
		"variables": object{"app": object{"default": "NAME", "description": "the name of the Functions app"}},
	}
}

// inPath are the parameters of a path.
func inPath(path string) (all []any) {
	for part := range strings.SplitSeq(path, "/") {
		name := strings.Trim(part, "{}")
		if name == part {
			continue
		}
		p := object{"name": name, "in": "path", "required": true}
		switch name {
		case "app":
			p["description"], p["schema"], p["example"] = "the name of the app", object{"type": "string"}, "shop"
		case "key":
			p["description"], p["schema"], p["example"] = "the idempotency key of the command", object{"type": "string", "pattern": api.Patterns["key"]}, "deploy-2.4.1"
		}
		all = append(all, p)
	}
	return all
}

func (s schemas) operation(o api.Operation) object {
	verb, isCommand := release.VerbOf(o.Command)
	op := object{"operationId": o.ID, "summary": o.Does, "tags": []any{o.Function}, "responses": s.answers(o)}
	if strings.HasPrefix(o.Function, "alert") {
		op["tags"], op["servers"] = []any{"alerts"}, []any{server("", "")}
		op["security"] = keyAlone
		if o.Function == "alert-fired" {
			op["security"] = tokenAlone
		}
		op["requestBody"] = body(object{"type": "object", "description": "An alert in the common alert schema of Azure Monitor.", "required": []string{"schemaId", "data"}}, "Alert")
	}
	if o.Path == "" { // which the route of the function signed-in does not take
		op["servers"], op["security"] = []any{server("", "")}, keyAlone
	}
	var parameters []any
	for _, p := range o.Query {
		parameters = append(parameters, query(p))
	}
	if isCommand && o.Method == http.MethodGet {
		for _, f := range verb.Takes {
			parameters = append(parameters, object{"name": f.Name, "in": "query", "required": f.Required, "description": f.Help, "schema": s.kind(f), "example": fieldExample(f)})
		}
	}
	if isCommand && o.Method == http.MethodPost {
		parameters = append(parameters, object{"$ref": "#/components/parameters/key"})
		op["description"] = fmt.Sprintf("Needs the right %s%s. Refused for: %s.", access.Needs(release.Commanded{Command: o.Command}, true), more(verb), refusals(verb))
		op["requestBody"] = s.command(verb)
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	return op
}

// more says when a command needs the right admin.
func more(v release.Verb) string {
	force := slices.ContainsFunc(v.Takes, func(f release.Field) bool { return f.Name == "force" })
	switch {
	case v.Widens:
		return ""
	case v.Command == release.DeployImage:
		return ", and admin for an image that no push could have released"
	case force:
		return ", and admin with `force`"
	}
	return ""
}

func refusals(v release.Verb) string {
	var names []string
	for _, r := range v.Refusals {
		names = append(names, "`"+string(r)+"`")
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func query(p api.Parameter) object {
	schema := object{"type": "string"}
	if len(p.Values) > 0 {
		schema["enum"] = p.Values
	}
	if p.Numbers != [3]int{} {
		schema = object{"type": "integer", "minimum": p.Numbers[0], "maximum": p.Numbers[1], "default": p.Numbers[2]}
	}
	return object{"name": p.Name, "in": "query", "description": p.Help, "schema": schema}
}

// kind is the schema of a field of a command.
func (s schemas) kind(f release.Field) object {
	switch f.Kind {
	case "flag":
		return object{"type": "boolean"}
	case "color":
		return s.of(reflect.TypeFor[release.Color]())
	}
	return object{"type": "string", "pattern": api.Patterns[f.Kind]}
}

// command is the body of a command.
func (s schemas) command(v release.Verb) object {
	properties := object{
		"why":  object{"type": "string", "maxLength": 1000, "description": "why, for the history"},
		"by":   object{"type": "string", "maxLength": 200, "description": "who asks, for the history, where no token proves it"},
		"wait": object{"description": "what the answer waits for, at most 200 s: `switched`, that traffic has moved, or `completed` or `true`, that the bake has ended; the decision alone without it", "enum": []any{true, false, string(api.WaitSwitched), string(api.WaitCompleted)}},
	}
	schema := object{"type": "object", "properties": properties, "additionalProperties": false}
	example := object{"why": "as agreed in the morning"}
	var required []string
	for _, f := range v.Takes {
		p := s.kind(f)
		p["description"] = f.Help
		properties[f.Name] = p
		if f.Required {
			required = append(required, f.Name)
			example[f.Name] = fieldExample(f)
		}
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	return object{"required": true, "content": object{"application/json": object{"schema": schema, "example": example}}}
}

func fieldExample(f release.Field) any {
	switch f.Kind {
	case "flag":
		return false
	case "color":
		return "green"
	case "duration":
		return "30m"
	}
	return "2.4.1"
}

func body(schema object, example string) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema, "examples": exampleOf(example)}}}
}

func exampleOf(name string) object {
	return object{name: object{"$ref": "#/components/examples/" + name}}
}

// share keeps a response for all operations that are answered so.
func (s schemas) share(name string, response object) object {
	s.responses[name] = response
	return object{"$ref": "#/components/responses/" + name}
}

// answers are the responses of an operation, with its problems.
func (s schemas) answers(o api.Operation) object {
	all := object{}
	for _, status := range slices.Sorted(maps.Keys(o.Answers)) {
		t := reflect.TypeOf(o.Answers[status])
		media := object{"schema": s.of(t)}
		if t.Kind() == reflect.Struct {
			media["examples"] = exampleOf(t.Name())
		}
		content := object{"application/json": media}
		if o.Plain {
			content["text/plain"] = object{"schema": object{"type": "string"}}
		}
		name := fmt.Sprintf("%s-%d", o.ID, status)
		if o.Command != "" {
			name = fmt.Sprintf("%s-%d", t.Name(), status)
		}
		all[strconv.Itoa(status)] = s.share(name, object{"description": reached(o, status), "content": content})
	}
	for status, kinds := range problems(o) {
		var about, codes []string
		for _, k := range kinds {
			codes = append(codes, k.Code)
			about = append(about, fmt.Sprintf("`%s`: %s.", k.Code, k.Title))
		}
		answer := object{
			"description": strings.Join(about, " "),
			"content":     object{api.ProblemType: object{"schema": object{"$ref": "#/components/schemas/Problem"}, "examples": exampleOf("Problem")}},
		}
		switch status {
		case http.StatusUnauthorized:
			answer["description"] = answer["description"].(string) + " The host answers a missing or wrong key by itself, without a body."
		case http.StatusServiceUnavailable:
			answer["headers"] = object{"Retry-After": object{"description": "seconds", "schema": object{"type": "integer"}}}
		}
		all[strconv.Itoa(status)] = s.share(strings.Join(codes, "-"), answer)
	}
	return all
}

// reached says what a status means.
func reached(o api.Operation, status int) string {
	switch {
	case strings.HasPrefix(o.Function, "alert") && status == http.StatusOK:
		return "Known already, or ignored: the body says why."
	case status == http.StatusAccepted && o.Command == "":
		return "Accepted, and kept."
	case status == http.StatusAccepted:
		return "Accepted; what was waited for, at least the decision, is not reached yet."
	case o.Method == http.MethodPost:
		return "What was waited for is reached, at least the decision."
	}
	return "The answer."
}

// problems are the kinds of problems that an operation may be answered with, by status.
func problems(o api.Operation) map[int][]api.Kind {
	codes := append([]string{"internal", "identity"}, o.Problems...)
	if o.Function == "look" || o.Function == "act" {
		codes = append(codes, "unavailable")
	}
	if o.Function == "look" && o.Path != "" || o.Function == "act" {
		codes = append(codes, "right")
	}
	if strings.HasPrefix(o.Path, "apps/") {
		codes = append(codes, "app")
	}
	all := map[int][]api.Kind{}
	for _, k := range api.Kinds {
		if slices.Contains(codes, k.Code) {
			all[k.Status] = append(all[k.Status], k)
		}
	}
	return all
}
