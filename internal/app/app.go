// Package app puts the Functions app together from its parts, whatever adapters they
// use: the engine, the functions of the triggers, and the API with its pages.
package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"bluegreen/internal/access"
	"bluegreen/internal/api"
	"bluegreen/internal/config"
	"bluegreen/internal/console"
	"bluegreen/internal/engine"
	"bluegreen/internal/functions"
	"bluegreen/internal/intake"
	"bluegreen/internal/pages"
)

// Options are the parts of the app. Engine and Log are required.
type Options struct {
	Engine *engine.Engine
	Apps   []config.App
	// Problems are the mistakes of the configuration outside of apps, and Unknown those of them for
	// which there may be apps that are not in Apps.
	Problems []string
	Unknown  []string
	SignIn   bool         // App Service authentication is on
	Keys     access.Right // of the holder of a function key
	// Verify reports whether the Functions host takes a key, for reading or for commands; nil
	// where it cannot be asked.
	Verify func(ctx context.Context, key string, commands bool) (bool, error)
	Log    *slog.Logger
	// ObjectID returns that of the app's identity; "" where it is not known. It may be nil.
	ObjectID func(context.Context) string
}

// Handler answers the Functions host. The names of functions and bindings are those of
// the function.json files.
func Handler(o Options) http.Handler {
	in := intake.New(intake.Options{Engine: o.Engine, Apps: o.Apps, Problems: o.Problems, Unknown: o.Unknown, SignIn: o.SignIn, Log: o.Log, Now: time.Now})
	fired, alerts := in.AlertFired(), in.Alerts()
	operators := console.New(console.Options{
		Engine: o.Engine, Log: o.Log, SignIn: o.SignIn, Problems: o.Problems, Keys: o.Keys, Access: rules(o.Apps), Admits: admits(o.Apps),
		Configured: configured(o.Apps), ObjectID: o.ObjectID,
	})
	people := pages.New(pages.Options{API: operators, SignIn: o.SignIn, Verify: o.Verify, Log: o.Log})
	calls := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/alert-fired":
			fired.ServeHTTP(w, r)
		case "/api/alerts":
			alerts.ServeHTTP(w, r)
		default:
			if r.URL.Path == pages.Base || strings.HasPrefix(r.URL.Path, pages.Base+"/") {
				people.ServeHTTP(w, r)
				return
			}
			operators.ServeHTTP(w, r)
		}
	})
	return functions.Handler([]functions.Binding{
		{Name: "image-pushed", Data: "event", Run: in.ImagePushed},
		{Name: "release-step", Data: "message", Queue: true, Run: in.ReleaseStep},
		{Name: "clock-tick", Data: "tick", Run: in.ClockTick},
	}, calls, o.Log)
}

// rules are those of the configuration, and the default where it has none.
func rules(apps []config.App) map[string]access.Rules {
	all := map[string]access.Rules{}
	for _, a := range apps {
		own := access.Rules(a.Access)
		for _, list := range []struct{ own, otherwise *[]string }{
			{&own.Viewers, &access.Default.Viewers}, {&own.Operators, &access.Default.Operators}, {&own.Admins, &access.Default.Admins},
		} {
			if len(*list.own) == 0 {
				*list.own = *list.otherwise
			}
		}
		all[a.Name] = own
	}
	return all
}

// admits asks the tag policies of apps.
func admits(apps []config.App) func(app, tag string) bool {
	policies := make(map[string]*config.Tags, len(apps))
	for i := range apps {
		policies[apps[i].Name] = apps[i].Tags()
	}
	return func(app, tag string) bool { return policies[app] != nil && policies[app].Admits(tag) }
}

// configured are the settings in effect of an app.
func configured(apps []config.App) func(app string) []api.Setting {
	places := make(map[string]int, len(apps))
	for i := range apps {
		places[apps[i].Name] = i
	}
	return func(app string) (list []api.Setting) {
		at, known := places[app]
		if !known {
			return nil
		}
		for _, s := range apps[at].Entries() {
			list = append(list, api.Setting(s))
		}
		return list
	}
}
