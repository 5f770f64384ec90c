package pages

import (
	"bytes"
	"io"
	"net/http"

	"bluegreen/internal/api"
)

// inProcess sends requests to a handler of this process, with a visitor's credentials.
type inProcess struct {
	handler http.Handler
	who     visitor
}

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(api.Through(r.Context(), "ui"))
	t.who.introduce(r)
	if r.Body == nil {
		r.Body = http.NoBody
	}
	a := &kept{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(a, r)
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Request: r,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// kept is a http.ResponseWriter that keeps the answer.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header                { return k.header }
func (k *kept) WriteHeader(status int)             { k.status = status }
func (k *kept) Write(data []byte) (n int, e error) { return k.body.Write(data) }
