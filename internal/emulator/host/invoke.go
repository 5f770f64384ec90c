package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"
)

// errTimeout is why an invocation that ran too long fails.
var errTimeout = errors.New("the function's timeout was exceeded: the host kills the handler, and with it all that it is doing")

// invoke calls a function by the default POST and reads its answer. The work belongs to
// the host: a caller that goes away does not end it.
func (h *Host) invoke(f *function, value any, meta metadata) (reply, error) {
	var answer reply
	err := h.call(h.ctx, f, func(ctx context.Context, i *Invocation) (err error) {
		if answer, err = h.post(ctx, f, i, value, meta); err != nil {
			return err
		}
		i.Logs, i.Outputs = answer.logs, answer.outputs
		for _, line := range answer.logs {
			h.say(slog.LevelInfo, "Function."+f.name+".User", line, "invocation", i.ID)
		}
		return h.output(ctx, f, answer)
	})
	return answer, err
}

// call runs do as an invocation: once the handler is up, for at most functionTimeout, and
// noted in the journal.
func (h *Host) call(ctx context.Context, f *function, do func(context.Context, *Invocation) error) error {
	i := Invocation{ID: guid(), Function: f.name, At: time.Now()}
	err := h.worker.await(ctx)
	if err == nil {
		err = h.limited(ctx, func(ctx context.Context) error { return do(ctx, &i) })
	}
	i.Duration, i.Err = time.Since(i.At), err
	h.record(i)
	switch {
	case h.ctx.Err() != nil: // the host's own end is no news about the function
	case err != nil:
		h.say(slog.LevelError, "Function."+f.name, "the invocation failed", "invocation", i.ID, "error", err, "after", i.Duration)
	default:
		h.say(slog.LevelDebug, "Function."+f.name, "the invocation succeeded", "invocation", i.ID, "after", i.Duration)
	}
	return err
}

func (h *Host) limited(ctx context.Context, do func(context.Context) error) error {
	if h.settings.functionTimeout == 0 {
		return do(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.settings.functionTimeout, errTimeout)
	defer cancel()
	err := do(ctx)
	if err != nil && context.Cause(ctx) == errTimeout {
		h.worker.recycle()
		return fmt.Errorf("%w (%v)", errTimeout, h.settings.functionTimeout)
	}
	return err
}

// post sends the envelope, in chunks and with the host's own headers, and is as strict
// about the answer as the host.
func (h *Host) post(ctx context.Context, f *function, i *Invocation, value any, meta metadata) (reply, error) {
	body := toJSON(envelope{Data: map[string]any{f.trigger.Name: encode(value)}, Metadata: meta.encoded(f.name)})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+"/"+f.name, bytes.NewReader(body))
	if err != nil {
		return reply{}, fmt.Errorf("make the request: %w", err)
	}
	req.ContentLength = -1
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/"+version)
	mark(req.Header, i.ID)
	resp, err := h.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("call the handler: %w", err)
	}
	defer resp.Body.Close()
	i.Status = resp.StatusCode
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("read the handler's answer: %w", err)
	}
	return readReply(resp, data)
}

const invocationHeader = "X-Azure-Functions-InvocationId"

// mark sets the headers that name host and invocation.
func mark(header http.Header, id string) {
	header.Set(invocationHeader, id)
	header.Set("X-Azure-Functions-HostVersion", version)
}

// reply is a handler's answer to the default POST.
type reply struct {
	outputs     map[string]any
	logs        []string
	returnValue any
}

func readReply(resp *http.Response, body []byte) (reply, error) {
	text := strings.TrimSpace(string(body))
	switch kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return reply{}, fmt.Errorf("the handler answered %d: %.200s", resp.StatusCode, text)
	case text == "" || text == "null":
		return reply{}, fmt.Errorf("the handler answered %d with no JSON object (%q): the invocation would hang until functionTimeout and then cost the handler's life; answer at least {}", resp.StatusCode, text)
	case err != nil || kind != "application/json":
		return reply{}, fmt.Errorf("invalid HttpResponseMessage: the content type is %q, and must be application/json", resp.Header.Get("Content-Type"))
	}
	var fields struct {
		Outputs     map[string]any
		Logs        []any
		ReturnValue any
	}
	if err := decodeJSON(body, &fields); err != nil {
		return reply{}, fmt.Errorf("invalid HttpResponseMessage: %w in %.200q", err, text)
	}
	r := reply{outputs: fields.Outputs, returnValue: fields.ReturnValue}
	for _, line := range fields.Logs {
		if s, ok := line.(string); ok {
			r.logs = append(r.logs, s)
		} else {
			r.logs = append(r.logs, strings.TrimSpace(string(toJSON(line))))
		}
	}
	return r, nil
}
