// Package fence keeps in the annotations of a Kubernetes object for which app it was written
// last, and with which fence, so that a write of an older worker is refused.
package fence

import "strconv"

// App is the annotation that names the app for which an object was written last.
const App = "bluegreen.dev/app"

const fence = "bluegreen.dev/fence"

// Annotations are the ones to write with each change for an app.
func Annotations(app string, f int64) map[string]string {
	return map[string]string{App: app, fence: strconv.FormatInt(f, 10)}
}

// Held returns the fence that an object's annotations hold for an app; it is 0 for an object
// that was last written for another app, or for this one under another name.
func Held(annotations map[string]string, app string) int64 {
	if annotations[App] != app {
		return 0
	}
	f, err := strconv.ParseInt(annotations[fence], 10, 64)
	if err != nil {
		return 0
	}
	return f
}
