// Package docs holds the OpenAPI document of the API, which the app serves.
package docs

import _ "embed"

// OpenAPI is an OpenAPI 3.1 document. It is made from api.Operations, and checked, by
// go test ./internal/openapi.
//
//go:embed openapi.json
var OpenAPI []byte
