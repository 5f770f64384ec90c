package host

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// environment has the environment variables of host and handler.
type environment map[string]string

func newEnvironment(settings []string) environment {
	env := environment{}
	for _, pair := range append(os.Environ(), settings...) {
		if k, v, ok := strings.Cut(pair, "="); ok {
			env[k] = v
		}
	}
	return env
}

var percent = regexp.MustCompile(`%([^%]+)%`)

// expand replaces %NAME%; an unset name stays.
func (e environment) expand(s string) string {
	return percent.ReplaceAllStringFunc(s, func(name string) string {
		if v, ok := e[strings.Trim(name, "%")]; ok {
			return v
		}
		return name
	})
}

// settings are host.json's, with the app settings' overrides.
type settings struct {
	executable       string
	workingDirectory string
	arguments        []string
	stderrIsErrors   bool
	forward, proxy   bool
	port             int // 0: any
	initTimeout      time.Duration
	functionTimeout  time.Duration // 0: none
	routePrefix      string
	bundle           bool
	queues           queueSettings
	levels           map[string]slog.Level // by category, "" for the default
}

type queueSettings struct {
	batchSize, newBatchThreshold, maxDequeueCount int
	maxPollingInterval, visibilityTimeout         time.Duration
	base64                                        bool
}

// load reads the folder: host.json and the functions.
func load(root string, env environment) (settings, []*function, error) {
	s, err := loadSettings(root, env)
	if err != nil {
		return s, nil, fmt.Errorf("host.json: %w", err)
	}
	functions, err := loadFunctions(root, env, s)
	return s, functions, err
}

func loadSettings(root string, env environment) (settings, error) {
	data, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil {
		return settings{}, err
	}
	var doc map[string]any
	if err := decodeJSON(data, &doc); err != nil {
		return settings{}, fmt.Errorf("read: %w", err)
	}
	r := reader{values: map[string]string{}}
	r.flatten("", doc)
	for k, v := range env {
		if key, ok := strings.CutPrefix(strings.ToLower(k), "azurefunctionsjobhost__"); ok {
			r.values[strings.ReplaceAll(key, "__", ":")] = v
		}
	}
	if r.values["version"] != "2.0" {
		r.fail("version", `must be "2.0"`)
	}
	s := settings{
		forward:         r.flag("customHandler:enableForwardingHttpRequest", false),
		proxy:           r.flag("customHandler:enableProxyingHttpRequest", false),
		port:            r.number("customHandler:port", 0, 0, 65535),
		initTimeout:     r.span("customHandler:initializationTimeout", 30*time.Second, time.Millisecond),
		functionTimeout: r.functionTimeout(),
		routePrefix:     strings.Trim(r.text("extensions:http:routePrefix", "api"), "/"),
		bundle:          r.text("extensionBundle:id", "") == "Microsoft.Azure.Functions.ExtensionBundle" && r.text("extensionBundle:version", "") != "",
		queues:          r.queues(),
		levels:          r.levels(),
	}
	r.description(&s, root, env)
	r.refusals()
	return s, errors.Join(r.errs...)
}

// reader reads host.json as .NET configuration does: a flat list of keys that are joined
// by colons and compared without case, each of which an app setting can override.
type reader struct {
	values map[string]string
	errs   []error
}

func (r *reader) flatten(key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			r.flatten(strings.TrimPrefix(key+":"+strings.ToLower(k), ":"), item)
		}
	case []any:
		for i, item := range v {
			r.flatten(key+":"+strconv.Itoa(i), item)
		}
	case nil:
	default:
		r.values[key] = fmt.Sprint(v)
	}
}

func (r *reader) fail(key, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (r *reader) text(key, otherwise string) string {
	if v, ok := r.values[strings.ToLower(key)]; ok {
		return v
	}
	return otherwise
}

func (r *reader) flag(key string, otherwise bool) bool {
	v, err := strconv.ParseBool(strings.ToLower(r.text(key, strconv.FormatBool(otherwise))))
	if err != nil {
		r.fail(key, "must be true or false")
	}
	return v
}

func (r *reader) number(key string, otherwise, least, most int) int {
	v, err := strconv.Atoi(r.text(key, strconv.Itoa(otherwise)))
	if err != nil || v < least || v > most {
		r.fail(key, "must be a whole number from %d to %d", least, most)
	}
	return v
}

func (r *reader) span(key string, otherwise, least time.Duration) time.Duration {
	text, ok := r.values[strings.ToLower(key)]
	if !ok {
		return otherwise
	}
	d, err := timeSpan(text)
	if err != nil || d < least {
		r.fail(key, "%q must be a time span such as 00:00:30, at least %v", text, least)
	}
	return d
}

func (r *reader) functionTimeout() time.Duration {
	if r.text("functionTimeout", "") == "-1" {
		return 0
	}
	return r.span("functionTimeout", 30*time.Minute, time.Second)
}

func (r *reader) queues() queueSettings {
	const at = "extensions:queues:"
	size := r.number(at+"batchSize", 16, 1, 32)
	encoding := strings.ToLower(r.text(at+"messageEncoding", "base64"))
	if encoding != "base64" && encoding != "none" {
		r.fail(at+"messageEncoding", "must be base64 or none")
	}
	return queueSettings{
		batchSize:          size,
		newBatchThreshold:  r.number(at+"newBatchThreshold", size/2*runtime.NumCPU(), 0, 1000),
		maxDequeueCount:    r.number(at+"maxDequeueCount", 5, 1, 1_000_000),
		maxPollingInterval: r.span(at+"maxPollingInterval", time.Minute, minPolling),
		visibilityTimeout:  r.span(at+"visibilityTimeout", 0, 0),
		base64:             encoding == "base64",
	}
}

func (r *reader) levels() map[string]slog.Level {
	names := map[string]slog.Level{"trace": slog.LevelDebug, "debug": slog.LevelDebug, "information": slog.LevelInfo,
		"warning": slog.LevelWarn, "error": slog.LevelError, "critical": slog.LevelError, "none": slog.LevelError + 100}
	levels := map[string]slog.Level{"": slog.LevelInfo}
	for key, text := range r.values {
		category, ok := strings.CutPrefix(key, "logging:loglevel:")
		if !ok {
			continue
		}
		level, ok := names[strings.ToLower(text)]
		if !ok {
			r.fail(key, "%q is not a log level", text)
		}
		if category == "default" {
			category = ""
		}
		levels[category] = level
	}
	return levels
}

// description finds the executable as the host does: under the app's folder when it is
// there, on PATH otherwise, and never under the working directory.
func (r *reader) description(s *settings, root string, env environment) {
	const at = "customHandler:description:"
	path := env.expand(r.text(at+"defaultExecutablePath", ""))
	if path == "" {
		r.fail(at+"defaultExecutablePath", "is required")
		return
	}
	if below := filepath.Join(root, path); !filepath.IsAbs(path) && isFile(below) {
		path = below
	}
	s.executable = path
	s.workingDirectory = r.text(at+"workingDirectory", "")
	if !filepath.IsAbs(s.workingDirectory) {
		s.workingDirectory = filepath.Join(root, s.workingDirectory)
	}
	s.stderrIsErrors = r.flag(at+"useStdErrorStreamForErrorsOnly", true)
	for i := 0; ; i++ {
		arg, ok := r.values[strings.ToLower(at)+"arguments:"+strconv.Itoa(i)]
		if !ok {
			return
		}
		// Arguments are joined by a space and not quoted: one that holds a space becomes two.
		s.arguments = append(s.arguments, strings.Fields(arg)...)
	}
}

// refusals are settings that fail on a real host together with function.json files, or that
// this emulator does not support.
func (r *reader) refusals() {
	for key := range r.values {
		switch {
		case strings.HasPrefix(key, "customhandler:http:routes:"):
			r.fail("customHandler.http.routes", "cannot be used together with function.json files")
		case strings.HasPrefix(key, "httpworker:"):
			r.fail("httpWorker", "is the old name of customHandler")
		case key == "configurationprofile" && r.values[key] != "" && r.values[key] != "default":
			r.fail("configurationProfile", "%q does not work with function.json files", r.values[key])
		case strings.HasPrefix(key, "customhandler:description:defaultworkerpath"), strings.HasPrefix(key, "customhandler:description:worker"):
			r.fail(key, "is not supported by this emulator")
		}
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

var spanForm = regexp.MustCompile(`^(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$`)

// timeSpan parses .NET's [d.]hh:mm[:ss[.fffffff]].
func timeSpan(text string) (time.Duration, error) {
	m := spanForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a time span", text)
	}
	var n [5]time.Duration
	for i, digits := range m[1:5] {
		v, _ := strconv.Atoi("0" + digits)
		n[i] = time.Duration(v)
	}
	fraction, _ := strconv.Atoi((m[5] + "0000000")[:7])
	if n[1] > 23 || n[2] > 59 || n[3] > 59 {
		return 0, fmt.Errorf("%q is not a time span", text)
	}
	return n[0]*24*time.Hour + n[1]*time.Hour + n[2]*time.Minute + n[3]*time.Second + time.Duration(fraction)*100, nil
}
