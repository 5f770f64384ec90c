// Package fence keeps in the annotations of a Kubernetes object for which app it was written
// last, and with which fence, so that a write of an older worker is refused.
package fence

import (
	"fmt"
	"strconv"
)

// App is the annotation that names the app for which an object was written last.
const App = "bluegreen.dev/app"

const fence = "bluegreen.dev/fence"

// Annotations are the ones to write with each change for an app.
func Annotations(app string, f int64) map[string]string {
	return map[string]string{App: app, fence: strconv.FormatInt(f, 10)}
}

// Held returns the fence that an object's annotations hold for an app; it is 0 for an object
// that was last written for another app, or for this one under another name. It is 0 as well
// where it cannot be read: a rollback must not wait for its correction, and the
// next write does. Problem reports that.
func Held(annotations map[string]string, app string) int64 {
	f, _ := read(annotations, app)
	return f
}

// Problem is a sentence about a fence that cannot be read, with the command that fixes it;
// "" without a problem. object is the object for kubectl: TYPE NAME -n NAMESPACE.
func Problem(annotations map[string]string, app, object string) string {
	if _, readable := read(annotations, app); readable {
		return ""
	}
	return fmt.Sprintf("the annotation %s is %q and not a number, so that a late write of an older worker would not be refused: kubectl annotate %s %[1]s-",
		fence, annotations[fence], object)
}

func read(annotations map[string]string, app string) (f int64, readable bool) {
	text, written := annotations[fence]
	if annotations[App] != app || !written {
		return 0, true
	}
	f, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return f, true
}
