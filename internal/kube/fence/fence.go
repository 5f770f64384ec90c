// Package fence keeps in the annotations of a Kubernetes object for which app it was written
// last, and with which fence, so that a write of an older worker is refused.
package fence

import (
	"fmt"
	"strconv"
	"time"
)

// App is the annotation that names the app for which an object was written last.
const App = "bluegreen.dev/app"

const fence = "bluegreen.dev/fence"

// Annotations are the ones to write with each change for an app.
func Annotations(app string, f int64) map[string]string {
	return map[string]string{App: app, fence: strconv.FormatInt(f, 10)}
}

// mostAhead is how far ahead of the clock a fence may be. The first fence of an app is the
// time, and each claim adds one: no app gets there by itself.
const mostAhead = 24 * time.Hour

// Held returns the fence that an object's annotations hold for an app; it is 0 for an object
// that was last written for another app, or for this one under another name. It is 0 as well
// where it is no fence that a worker can have written: a rollback must not wait for its
// correction, and the next write does. Problem reports that.
func Held(annotations map[string]string, app string, now time.Time) int64 {
	f, wrong := read(annotations, app, now)
	if wrong != "" {
		return 0
	}
	return f
}

// Problem is a sentence about what is no fence of a worker, with the command that fixes it;
// "" without a problem. object is the object for kubectl: TYPE NAME -n NAMESPACE.
func Problem(annotations map[string]string, app, object string, now time.Time) string {
	_, wrong := read(annotations, app, now)
	if wrong == "" {
		return ""
	}
	return fmt.Sprintf("the annotation %s is %q and %s, so that a late write of an older worker would not be refused: kubectl annotate %s %[1]s-",
		fence, annotations[fence], wrong, object)
}

func read(annotations map[string]string, app string, now time.Time) (f int64, wrong string) {
	text, written := annotations[fence]
	if annotations[App] != app || !written {
		return 0, ""
	}
	f, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return 0, "not a number"
	case f > now.Add(mostAhead).Unix():
		return 0, "more than a day ahead of the clock"
	}
	return f, ""
}
