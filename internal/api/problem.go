package api

import "net/http"

// Kind is a kind of problem, as an Error names it.
type Kind struct {
	// Type is the address of the kind, as in an Error.
	Type string `json:"type"`
	Code string `json:"code"`
	// Status is the HTTP status that it is answered with.
	Status int    `json:"status"`
	Title  string `json:"title"`
	// Help says when it comes, and what to do.
	Help string `json:"help"`
}

// Problems answers GET problems.
type Problems struct {
	Problems []Kind `json:"problems"`
}

// Kinds are all kinds of problems.
var Kinds = kinds(
	Kind{Code: "invalid", Status: http.StatusBadRequest, Title: "The request is not understood", Help: "`field` is the parameter, header or field of the body that is wrong, or missing; `detail` says what it should be. Nothing was done."},
	Kind{Code: "identity", Status: http.StatusUnauthorized, Title: "The caller is not known", Help: "Send a function key as `x-functions-key`, or below `/api/signed-in` a token as `Authorization: Bearer`. The host answers a wrong key by itself, without a body."},
	Kind{Code: "right", Status: http.StatusForbidden, Title: "The caller lacks a right", Help: "`detail` names the right and where it comes from; see docs/access.md. It is not in the history."},
	Kind{Code: "role", Status: http.StatusForbidden, Title: "The sender of the alert lacks its app role", Help: "Assign the app role that `detail` names to the action group's application."},
	Kind{Code: "origin", Status: http.StatusForbidden, Title: "The request comes from another site", Help: "Call the API from a shell, a script or the command line."},
	Kind{Code: "path", Status: http.StatusNotFound, Title: "Nothing is at this path", Help: "`GET /api` lists what there is."},
	Kind{Code: "app", Status: http.StatusNotFound, Title: "No app has this name", Help: "`detail` lists the apps that the caller may read."},
	Kind{Code: "command", Status: http.StatusNotFound, Title: "No command has this name", Help: "`detail` lists the commands."},
	Kind{Code: "key", Status: http.StatusNotFound, Title: "No command was given under this key", Help: "It was not accepted, or it is long ago: look at the history."},
	Kind{Code: "image-not-found", Status: http.StatusNotFound, Title: "The image does not exist", Help: "The repository of the app has no such tag or digest, and the app knows no image by it. Push it, or name another."},
	Kind{Code: "not-found", Status: http.StatusNotFound, Title: "It does not exist", Help: "`detail` says what is missing."},
	Kind{Code: "method", Status: http.StatusMethodNotAllowed, Title: "The method is not answered here", Help: "The header `Allow` lists those that are."},
	Kind{Code: "body", Status: http.StatusRequestTimeout, Title: "The body did not arrive in time", Help: "Send it again, with its `Content-Length`."},
	Kind{Code: "refused", Status: http.StatusConflict, Title: "The command was refused", Help: "`reason` is one of those that docs/commands.md lists, `detail` says what to do first, `headline` what the app is doing. The refusal is in the history, and `instance` reads it again."},
	Kind{Code: "failed", Status: http.StatusConflict, Title: "The command failed", Help: "The command was accepted and carried out, but its release did not go live, or was rolled back. The history says why."},
	Kind{Code: "key-reused", Status: http.StatusConflict, Title: "The idempotency key belongs to another request", Help: "Nothing was done. Use a new key for each command."},
	Kind{Code: "not-served", Status: http.StatusConflict, Title: "The app is not served", Help: "`errors` are the mistakes of its configuration. Fix them and deploy again."},
	Kind{Code: "too-large", Status: http.StatusRequestEntityTooLarge, Title: "The body is too large", Help: "`detail` has the limit in bytes."},
	Kind{Code: "content-type", Status: http.StatusUnsupportedMediaType, Title: "The body is not JSON", Help: "Send `Content-Type: application/json`."},
	Kind{Code: "internal", Status: http.StatusInternalServerError, Title: "An internal error", Help: "The log of the app has its cause. An event is delivered again by the host."},
	Kind{Code: "unavailable", Status: http.StatusServiceUnavailable, Title: "No answer is possible now", Help: "A service that is needed does not answer. Try again after `Retry-After` seconds, a command with the same idempotency key."},
	Kind{Code: "configuration", Status: http.StatusServiceUnavailable, Title: "The configuration cannot be used", Help: "`errors` are its mistakes, and no earlier configuration is known. The sender delivers the event again."},
	Kind{Code: "not-kept", Status: http.StatusServiceUnavailable, Title: "The alert could not be kept", Help: "`alert` says for which apps. The action group sends it again."},
)

func kinds(all ...Kind) []Kind {
	for i := range all {
		all[i].Type = "/api/problems#" + all[i].Code
	}
	return all
}

func kindOf(code string) (Kind, bool) {
	for _, k := range Kinds {
		if k.Code == code {
			return k, true
		}
	}
	return Kind{}, false
}
