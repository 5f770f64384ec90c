package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

var (
	keyForm       = regexp.MustCompile(api.Patterns["key"])
	tagForm       = regexp.MustCompile(api.Patterns["tag"])
	referenceForm = regexp.MustCompile(api.Patterns["reference"])
	digestForm    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// mostWhy is how long a reason may be, in characters.
const mostWhy = 1000

// change accepts a command once for each idempotency key, and answers with its decision or, for a
// caller that waits, its outcome.
func (c *console) change(r *call) (answer, error) {
	key, err := c.admit(r)
	if err != nil {
		return answer{}, err
	}
	asked, err := decode(r)
	if err != nil {
		return answer{}, err
	}
	r.who.Claimed = asked.By
	command := commanded(r, asked)
	if err := c.mayAct(r, command, true); err != nil {
		return answer{}, err
	}
	if problems := c.Engine.ConfigProblems(r.app); len(problems) > 0 {
		return answer{}, notServed(r.app, problems)
	}
	r.id = "command|" + key
	entry, err := c.accept(r, asked, command, key)
	if err != nil {
		return answer{}, err
	}
	return c.follow(r, asked, entry)
}

// admit checks what a changing request must carry, and returns its idempotency key.
func (c *console) admit(r *call) (string, error) {
	if err := c.origins.Check(r.Request); err != nil {
		return "", problem(http.StatusForbidden, "origin", "the request comes from a web page of another site: call the API from a shell, a script or the command line")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return "", problem(http.StatusUnsupportedMediaType, "content-type", "send Content-Type: application/json, and a JSON object as the body")
	}
	key := r.Header.Get(api.KeyHeader)
	if key == "" {
		return "", invalid(api.KeyHeader, "the header is missing: send one that is new for each thing you ask for, and the same when you repeat it")
	}
	if !keyForm.MatchString(key) {
		return "", invalid(api.KeyHeader, "must be 1 to 128 letters, digits and . _ : ~ -")
	}
	return key, nil
}

// decode reads the body strictly: what is not understood is refused, not ignored.
func decode(r *call) (api.Request, error) {
	data, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, api.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return api.Request{}, problem(http.StatusRequestEntityTooLarge, "too-large", "the body has more than %d bytes", api.MaxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return api.Request{}, problem(http.StatusRequestTimeout, "body", "the body did not arrive in time")
	case err != nil:
		return api.Request{}, invalid("", "the body cannot be read: %v", err)
	case len(bytes.TrimSpace(data)) == 0:
		return api.Request{}, invalid("", "the body is empty: send a JSON object, at least {}, with its Content-Length (a chunked body may be lost on the way)")
	}
	asked, err := Decode(data, r.command)
	if err != nil {
		return api.Request{}, err
	}
	if text := r.URL.Query().Get("wait"); text != "" {
		if yes, err := strconv.ParseBool(text); err == nil {
			text = strconv.FormatBool(yes)
		} else {
			text = strconv.Quote(text)
		}
		if err := json.Unmarshal([]byte(text), &asked.Wait); err != nil || !asked.Wait.Valid() {
			return api.Request{}, unknownWait(text)
		}
	}
	return asked, nil
}

func unknownWait(text string) error {
	return invalid("wait", "%s is not known: give true, false, %s or %s", cut(text, 40), api.WaitSwitched, api.WaitCompleted)
}

// fieldsOf are the fields of a command's body besides why, by and wait.
func fieldsOf(v release.Verb) []string {
	var names []string
	for _, f := range v.Takes {
		names = append(names, f.Name)
	}
	return names
}

// Decode reads the body of a command's request. Its errors are of type *api.Error.
func Decode(data []byte, command release.Command) (api.Request, error) {
	var r api.Request
	verb, _ := release.VerbOf(command)
	known := append(fieldsOf(verb), "why", "by", "wait")
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil || given == nil {
		return r, unreadable(err)
	}
	for _, field := range sorted(given) {
		if !slices.Contains(known, field) {
			return api.Request{}, invalid(cut(field, 60), "%s has no such field; it has %s", command, strings.Join(known, ", "))
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return api.Request{}, unreadable(err)
	}
	if err := check(r, verb, given); err != nil {
		return api.Request{}, err
	}
	return r, nil
}

func sorted(given map[string]json.RawMessage) []string {
	var names []string
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func unreadable(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		kind := "text in quotes"
		if wrong.Type.Kind() == reflect.Bool {
			kind = "true or false"
		}
		return invalid(wrong.Field, "is a %s, should be %s", wrong.Value, kind)
	}
	if err == nil || wrong != nil {
		return invalid("", "the body is not a JSON object such as {\"why\": \"…\"}")
	}
	return invalid("", "the body is not JSON: %v", err)
}

func check(r api.Request, verb release.Verb, given map[string]json.RawMessage) error {
	if err := legible("why", r.Why, mostWhy); err != nil {
		return err
	}
	if err := legible("by", r.By, mostName); err != nil {
		return err
	}
	if !r.Wait.Valid() {
		return unknownWait(strconv.Quote(string(r.Wait)))
	}
	for _, f := range verb.Takes {
		var text string
		_ = json.Unmarshal(given[f.Name], &text) // stays empty for a flag, and for a field that is not given
		if text == "" {
			if f.Required {
				return invalid(f.Name, "is missing: give a %s (%s)", f.Kind, f.Help)
			}
			continue
		}
		if err := checkKind(f, text); err != nil {
			return err
		}
	}
	return nil
}

func checkKind(f release.Field, text string) error {
	shown := cut(text, 160)
	switch f.Kind {
	case "image":
		if !referenceForm.MatchString(text) {
			return invalid(f.Name, "%q is no tag, no digest sha256:… with 64 hexadecimal digits, and no beginning of one with 4 or more; registry and repository come from the configuration", shown)
		}
	case "tag":
		if !tagForm.MatchString(text) {
			return invalid(f.Name, "%q is not a tag: letters, digits and . _ -, at most 128", shown)
		}
	case "reference":
		if !referenceForm.MatchString(text) {
			return invalid(f.Name, "%q is no tag, no digest sha256:…, and no beginning of a digest with 4 hexadecimal digits or more", shown)
		}
	case "color":
		if release.Color(text).Other() == "" {
			return invalid(f.Name, "%q is neither blue nor green", cut(text, 40))
		}
	case "duration":
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			return invalid(f.Name, "%q is not a duration such as 30m or 1h30m", cut(text, 40))
		}
	}
	return nil
}

// accept hands a command to the engine, unless its key was used before: then it must have
// been by the same person for the same, and a tag still means what it meant then.
func (c *console) accept(r *call, asked api.Request, command release.Commanded, key string) (engine.Entry, error) {
	before, err := c.Engine.Accepted(r.Context(), r.app, r.id)
	if err == nil {
		return before, same(before, asked, r)
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return engine.Entry{}, err
	}
	if r.command == release.DeployImage {
		if command.Image, err = c.resolve(r, asked.Image); err != nil {
			return engine.Entry{}, err
		}
		if err := c.mayDeploy(r, command); err != nil {
			return engine.Entry{}, err
		}
	}
	entry, err := c.Engine.Command(r.Context(), r.app, command, key)
	if err != nil {
		return engine.Entry{}, err
	}
	return entry, same(entry, asked, r) // another request with this key may have been quicker
}

// mayAct refuses a command that the caller has no right to give.
func (c *console) mayAct(r *call, command release.Commanded, pushed bool) error {
	do := fmt.Sprintf("%s %s", command.Command, r.app)
	switch {
	case command.Force:
		do += " with force"
	case !pushed:
		do += " with an image that no push could have released"
	}
	return c.may(r, r.app, do, access.Needs(command, pushed))
}

// mayDeploy refuses an image that the caller has no right to deploy.
func (c *console) mayDeploy(r *call, command release.Commanded) error {
	pushed, err := c.pushed(r, command.Image)
	if err != nil {
		return err
	}
	return c.mayAct(r, command, pushed)
}

// pushed reports whether a push could have released an image, or has.
func (c *console) pushed(r *call, i release.Image) (bool, error) {
	if c.Admits != nil && i.Tag != "" && c.Admits(r.app, i.Tag) {
		return true, nil
	}
	v, err := c.Engine.View(r.Context(), r.app)
	return v.State.Knows(i.Digest), err
}

// commanded is the command that a request asks for; its image is not resolved yet.
func commanded(r *call, asked api.Request) release.Commanded {
	c := release.Commanded{Command: r.command, By: r.who.Actor, Why: asked.Why, Digest: asked.Digest, Tag: asked.Tag, Force: asked.Force, For: duration(asked.For)}
	if r.command == release.Rollback {
		c.Digest = asked.To
	} else {
		c.To = release.Color(asked.To)
	}
	return c
}

func notServed(app string, problems []string) *api.Error {
	e := problem(http.StatusConflict, "not-served", "%s is not served because of its configuration; fix it and deploy again: %s", app, strings.Join(problems, "; "))
	e.Errors = problems
	return e
}

// same compares a request with the one that its key was used for. Another caller who
// chose the same key by chance gets an error: nothing was done for that request.
func same(e engine.Entry, asked api.Request, r *call) error {
	was, ok := e.Event.(release.Commanded)
	if !ok {
		return fmt.Errorf("the entry %s of this key is no command", e.ID)
	}
	now := commanded(r, asked)
	now.Why, now.Image = was.Why, was.Image
	if was == now && (asked.Image == "" || meant(asked.Image, was.Image)) {
		return nil
	}
	return &api.Error{
		Status: http.StatusConflict, Code: "key-reused", Field: api.KeyHeader,
		Message: fmt.Sprintf("this key was used at %s for another request (%s, by %s): use a new one", e.At.UTC().Format("15:04:05 UTC on 2 Jan"), was.Command, was.By),
	}
}

// duration is a field that was checked; 0 when it was not given.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}
