package functions

import (
	"io"
	"net/http"
	"time"
)

const (
	// bodyTime is for how long a body may arrive. The host has it already, or passes on what a
	// caller sends, who need not have signed in.
	bodyTime = 10 * time.Second
	// answerTime and invocationTime end in an answer, or in a closed connection. Azure's
	// front end waits 230 s, and the host the functionTimeout of host.json.
	answerTime     = 4 * time.Minute
	invocationTime = 10*time.Minute + 30*time.Second
)

// deadlines bounds the arrival of a request's body and the time until its answer. The server
// reads what is left of a body before it answers, so the bound holds for handlers too that
// never look at it.
func deadlines(w http.ResponseWriter, r *http.Request, answer time.Duration) *http.Request {
	control := http.NewResponseController(w) // a recorder of tests has no deadlines
	now := time.Now()
	_ = control.SetWriteDeadline(now.Add(answer))
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	_ = control.SetReadDeadline(now.Add(bodyTime))
	bounded := *r
	bounded.Body = &body{r.Body, control}
	return &bounded
}

// body is a request's body. At its end the deadline is taken away: the server goes on reading,
// to see whether the caller is still there.
type body struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
