package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	eventGridTrigger = "eventGridTrigger"
	queueTrigger     = "queueTrigger"
	timerTrigger     = "timerTrigger"
	httpTrigger      = "httpTrigger"
)

// function is one folder with a function.json.
type function struct {
	name     string
	trigger  binding
	outputs  []binding
	disabled bool
	// relayed functions may be proxied or forwarded: they have one input, an HTTP trigger,
	// and one output, an HTTP response. All others get the default POST.
	relayed  bool
	route    route
	schedule *schedule
}

// binding is an entry of function.json.
type binding struct {
	Type, Name, Direction, DataType string
	QueueName, Connection           string
	Schedule                        string
	UseMonitor                      *bool
	RunOnStartup                    bool
	AuthLevel                       string
	Methods                         []string
	Route                           *string
	Cardinality                     string
}

var (
	functionName = regexp.MustCompile(`(?i)^[a-z][a-z0-9_\-]{0,127}$`)
	bindingName  = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9]{0,127}|\$return)$`)
	queueName    = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
)

func loadFunctions(root string, env environment, s settings) ([]*function, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var functions []*function
	var errs []error
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(root, e.Name(), "function.json"))
		if !e.IsDir() || errors.Is(err, os.ErrNotExist) {
			continue
		}
		f := &function{name: e.Name(), disabled: env.disabled(e.Name())}
		if err == nil {
			err = f.load(data, filepath.Join(root, e.Name()), env, s)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("function %s: %w", e.Name(), err))
		}
		functions = append(functions, f)
	}
	if len(functions) == 0 {
		errs = append(errs, errors.New("there is no function: the host would not even start the handler"))
	}
	errs = append(errs, conflicts(functions)...)
	slices.SortStableFunc(functions, func(a, b *function) int { return a.route.compare(b.route) })
	return functions, errors.Join(errs...)
}

func (e environment) disabled(name string) bool {
	for _, key := range []string{"AzureWebJobs." + name + ".Disabled", "AzureWebJobs__" + name + "__Disabled"} {
		if v := strings.ToLower(e[key]); v == "true" || v == "1" {
			return true
		}
	}
	return false
}

func (f *function) load(data []byte, dir string, env environment, s settings) error {
	var doc struct {
		Bindings []binding
		Retry    any
	}
	if err := decodeJSON(data, &doc); err != nil {
		return fmt.Errorf("read function.json: %w", err)
	}
	if !functionName.MatchString(f.name) || strings.EqualFold(f.name, "host") {
		return errors.New("its folder's name is not one that the host accepts: letters, digits, - and _, a letter first, not \"host\"")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		return errors.New("its folder must hold function.json and nothing else: the host takes other files for scripts")
	}
	if doc.Retry != nil {
		return errors.New("retry policies are not supported by this emulator")
	}
	return f.bind(doc.Bindings, env, s)
}

// bind takes the bindings over and applies the host's rules to them.
func (f *function) bind(bindings []binding, env environment, s settings) error {
	names := map[string]bool{}
	inputs := 0
	for _, b := range bindings {
		if !bindingName.MatchString(b.Name) || names[strings.ToLower(b.Name)] {
			return fmt.Errorf("binding name %q is invalid or used twice", b.Name)
		}
		names[strings.ToLower(b.Name)] = true
		switch {
		case strings.HasSuffix(b.Type, "Trigger") && f.trigger.Type != "":
			return errors.New("it has more than one trigger")
		case strings.HasSuffix(b.Type, "Trigger") && strings.EqualFold(b.Direction, "in"):
			f.trigger = b
			inputs++
		case strings.EqualFold(b.Direction, "out") && (b.Type == "http" || b.Type == "queue"):
			f.outputs = append(f.outputs, b)
		default:
			return fmt.Errorf("binding %s: type %q with direction %q is wrong, or not supported by this emulator", b.Name, b.Type, b.Direction)
		}
	}
	f.relayed = f.trigger.Type == httpTrigger && inputs == 1 && len(f.outputs) == 1 && f.outputs[0].Type == "http"
	if err := f.prepare(env, s); err != nil {
		return fmt.Errorf("binding %s: %w", f.trigger.Name, err)
	}
	return nil
}

func (f *function) prepare(env environment, s settings) error {
	needsBundle := f.trigger.Type == queueTrigger || f.trigger.Type == eventGridTrigger
	if needsBundle && !s.bundle {
		return fmt.Errorf("type %s is not registered: host.json needs extensionBundle", f.trigger.Type)
	}
	switch f.trigger.Type {
	case "":
		return errors.New("there is no trigger")
	case httpTrigger:
		return f.prepareHTTP(s)
	case timerTrigger:
		var err error
		f.schedule, err = newSchedule(env.expand(f.trigger.Schedule))
		return err
	case queueTrigger:
		return f.prepareQueue(env)
	case eventGridTrigger:
		if f.trigger.Cardinality != "" && f.trigger.Cardinality != "one" {
			return errors.New("cardinality many is not supported by this emulator")
		}
		return nil
	}
	return fmt.Errorf("type %q is not supported by this emulator", f.trigger.Type)
}

func (f *function) prepareQueue(env environment) error {
	f.trigger.QueueName = strings.ToLower(env.expand(f.trigger.QueueName))
	if n := f.trigger.QueueName; len(n) < 3 || len(n) > 63 || !queueName.MatchString(n) {
		return fmt.Errorf("queueName %q must be 3 to 63 lower-case letters, digits and single dashes", n)
	}
	if f.trigger.Connection == "" {
		f.trigger.Connection = "AzureWebJobsStorage"
	}
	return nil
}

func (f *function) prepareHTTP(s settings) error {
	switch level := strings.ToLower(f.trigger.AuthLevel); level {
	case "":
		f.trigger.AuthLevel = "function"
	case "function", "anonymous", "admin":
		f.trigger.AuthLevel = level
	default:
		return fmt.Errorf("authLevel %q must be anonymous, function or admin", level)
	}
	template := f.name
	if f.trigger.Route != nil {
		template = strings.Trim(*f.trigger.Route, "/")
	}
	if lower := strings.ToLower(template); strings.HasPrefix(lower, "admin") || strings.HasPrefix(lower, "runtime") {
		return fmt.Errorf("route %q conflicts with the host's own routes: it must not begin with admin or runtime", template)
	}
	var err error
	f.route, err = parseRoute(strings.Trim(s.routePrefix+"/"+template, "/"))
	return err
}

// accepts reports whether the function allows the method.
func (f *function) accepts(method string) bool {
	return len(f.trigger.Methods) == 0 || slices.ContainsFunc(f.trigger.Methods, func(m string) bool { return strings.EqualFold(m, method) })
}

// conflicts finds functions with the same route and method.
func conflicts(functions []*function) []error {
	var errs []error
	for i, f := range functions {
		for _, g := range functions[:i] {
			if f.route.segments == nil || !strings.EqualFold(f.route.template, g.route.template) {
				continue
			}
			overlap := len(f.trigger.Methods) == 0 || len(g.trigger.Methods) == 0 || slices.ContainsFunc(f.trigger.Methods, g.accepts)
			if overlap {
				errs = append(errs, fmt.Errorf("function %s: its route %q conflicts with that of function %s", f.name, f.route.template, g.name))
			}
		}
	}
	return errs
}
