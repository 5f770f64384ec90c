package host

import (
	"net/http"
	"net/url"
	"strings"
)

// serveDefault calls an HTTP function by the default POST, which carries the request as
// an object.
func (h *Host) serveDefault(w http.ResponseWriter, r *http.Request, f *function, params map[string]string) {
	body, err := declaredBody(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	request, meta := describe(r, params, body)
	var answer reply
	if !h.inBackground(r.Context(), func() { answer, err = h.invoke(f, request, meta) }) {
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.respond(w, f, answer)
}

// describe is the request as the host shows it to the handler.
func describe(r *http.Request, params map[string]string, body []byte) (object, metadata) {
	query, lists, headers := object{}, object{"Host": []string{r.Host}}, object{"Host": r.Host}
	meta := metadata{}
	for k, v := range r.URL.Query() {
		query[k] = strings.Join(v, ",")
		meta.set(k, query[k])
	}
	for k, v := range r.Header {
		lists[k], headers[k] = v, strings.Join(v, ",")
	}
	route := object{}
	for k, v := range params {
		route[k] = v
		meta.set(k, v)
	}
	address := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	request := object{"Url": address.String(), "Method": r.Method, "Query": query, "Headers": lists, "Params": route, "Identities": []any{}}
	if len(body) > 0 {
		request["Body"] = string(body)
		if kind := strings.ToLower(r.Header.Get("Content-Type")); strings.Contains(kind, "octet-stream") || strings.HasPrefix(kind, "multipart/") {
			request["Body"] = encode(body)
		} else {
			meta.merge(string(body))
		}
	}
	meta.set("Query", query)
	meta.set("Headers", headers)
	return request, meta
}
