package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bluegreen/internal/emulator/host"
)

const root = "../../.." // of the repository

func TestTheAppThatIsDeployedIsOneThatTheHostAccepts(t *testing.T) {
	if err := host.Check(root, nil); err != nil {
		t.Error(err)
	}
}

func TestRefusedConfigurationsHaveAnErrorMessage(t *testing.T) {
	timer := func(schedule string) string { return timerOf(schedule, "")["tick"] }
	tests := []struct {
		name, function, text string
		setting, want        string
	}{
		{"name", "9lives", eventFunction, "", "function 9lives: its folder's name"},
		{"reserved name", "host", eventFunction, "", `not "host"`},
		{"two triggers", "f", `{"bindings":[{"type":"timerTrigger","name":"a","direction":"in"},{"type":"queueTrigger","name":"b","direction":"in"}]}`, "", "more than one trigger"},
		{"no trigger", "f", `{"bindings":[{"type":"http","name":"res","direction":"out"}]}`, "", "there is no trigger"},
		{"binding name", "f", strings.Replace(eventFunction, `"event"`, `"my-event"`, 1), "", `binding name "my-event"`},
		{"name twice", "f", `{"bindings":[{"type":"httpTrigger","name":"a","direction":"in"},{"type":"http","name":"A","direction":"out"}]}`, "", "used twice"},
		{"unknown type", "f", `{"bindings":[{"type":"blobTrigger","name":"a","direction":"in"}]}`, "", `type "blobTrigger"`},
		{"wrong direction", "f", `{"bindings":[{"type":"queueTrigger","name":"a","direction":"out"}]}`, "", "direction"},
		{"no JSON", "f", `{`, "", "read function.json"},
		{"queue name", "f", strings.Replace(queueFunction, "Work-Items", "a_b", 1), "", `queueName "a_b"`},
		{"time span", "f", timer("00:05:00"), "", "App Service plans only"},
		{"odd schedule", "f", timer("0 0 0 31 2 *"), "", "never occurs"},
		{"reserved route", "f", httpBinding("function", "", "administrators"), "", "must not begin with admin"},
		{"unknown level", "f", httpBinding("user", "", "x"), "", "authLevel"},
		{"unknown constraint", "f", httpBinding("function", "", "{n:odd}"), "", `constraint "odd"`},
		{"catch-all in front", "f", httpBinding("function", "", "{*all}/x"), "", "last segment"},
		{"same route", "on-http", httpBinding("function", "", "things/{ID}"), "", ""},
		{"version", "", "", "version=3.0", "version: must be"},
		{"no executable", "", "", "customHandler__description__defaultExecutablePath=", "defaultExecutablePath: is required"},
		{"batch size", "", "", "extensions__queues__batchSize=33", "from 1 to 32"},
		{"polling", "", "", "extensions__queues__maxPollingInterval=00:00:00.05", "at least 100ms"},
		{"encoding", "", "", "extensions__queues__messageEncoding=utf8", "base64 or none"},
		{"timeout", "", "", "functionTimeout=5 minutes", "time span"},
		{"no bundle", "", "", "extensionBundle__id=", "needs extensionBundle"},
		{"HTTP profile", "", "", "configurationProfile=web-app-custom-handler", "configurationProfile"},
		{"log level", "", "", "logging__logLevel__default=Loud", "not a log level"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			functions := with(queueApp, map[string]string{"on-http": httpFunction})
			if test.function != "" {
				functions[test.function] = test.text
			}
			err := host.Check(folder(t, functions), []string{"AzureFunctionsJobHost__" + test.setting})
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTwoFunctionsCannotShareRouteAndMethod(t *testing.T) {
	functions := map[string]string{"a": httpBinding("function", `"get","post"`, "x/{id}"), "b": httpBinding("function", `"post"`, "X/{ID}")}
	if err := host.Check(folder(t, functions), nil); err == nil || !strings.Contains(err.Error(), "conflicts with that of function a") {
		t.Errorf("got %v", err)
	}
	functions["b"] = httpBinding("function", `"put"`, "x/{id}")
	if err := host.Check(folder(t, functions), nil); err != nil {
		t.Error(err)
	}
}

func TestAFunctionFolderHoldsOnlyItsFunction(t *testing.T) {
	dir := folder(t, queueApp)
	write(t, filepath.Join(dir, "drain-queue", "run.sh"), "")
	if err := host.Check(dir, nil); err == nil || !strings.Contains(err.Error(), "nothing else") {
		t.Errorf("got %v", err)
	}
}

func TestAHandlerWithoutItsRunBitIsRefused(t *testing.T) {
	dir := folder(t, queueApp)
	write(t, filepath.Join(dir, "handler"), "#!/bin/sh")
	_, err := host.Start(t.Context(), host.Options{Root: dir, Queues: host.NewMemory(), Env: []string{"AzureFunctionsJobHost__customHandler__description__defaultExecutablePath=handler"}})
	if err == nil || !strings.Contains(err.Error(), "run bit") {
		t.Errorf("got %v", err)
	}
}

func TestAQueueNeedsItsConnectionSetting(t *testing.T) {
	_, err := host.Start(t.Context(), host.Options{Root: folder(t, queueApp), Env: []string{"AzureWebJobsStorage="}})
	if err == nil || !strings.Contains(err.Error(), "connection AzureWebJobsStorage") {
		t.Errorf("got %v", err)
	}
}

func TestAPackageIsUnpackedWithItsModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.zip")
	pack(t, path, map[string]os.FileMode{"handler": 0o755, "f/function.json": 0o644})
	dir := t.TempDir()
	if err := host.Unpack(path, dir); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"handler": 0o755, "f/function.json": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	pack(t, path, map[string]os.FileMode{"../out": 0o644})
	if err := host.Unpack(path, t.TempDir()); err == nil {
		t.Error("a name that leads out of the folder was unpacked")
	}
}
