// Package bluegreen holds what the Functions host reads besides the handler, for programs that
// run the app without the repository.
package bluegreen

import "embed"

// Functions are host.json and the function.json of every function.
//
//go:embed host.json */function.json
var Functions embed.FS
