package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// output carries out the function's output bindings other than HTTP. As in the real host, a
// string that happens to be base64 is decoded to bytes.
func (h *Host) output(ctx context.Context, f *function, answer reply) error {
	for _, b := range f.outputs {
		v, ok := answer.outputs[b.Name]
		if b.Name == "$return" {
			v, ok = answer.returnValue, answer.returnValue != nil
		}
		if !ok || b.Type != "queue" {
			continue
		}
		if text, isText := v.(string); isText && b.DataType != "binary" {
			v = unbase64(text)
			if answer.outputs[b.Name] != nil {
				answer.outputs[b.Name] = v
			}
		}
		if err := h.send(ctx, b, v); err != nil {
			return fmt.Errorf("output %s: %w", b.Name, err)
		}
	}
	return nil
}

func unbase64(text string) any {
	if data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil && text != "" {
		return data
	}
	return text
}

// send puts an output on its queue: each item of an array becomes a message.
func (h *Host) send(ctx context.Context, b binding, v any) error {
	queues, err := h.queuesOf(b.Connection)
	if err != nil {
		return err
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	for _, item := range items {
		var text string
		switch item := item.(type) {
		case string:
			text = item
		case []byte:
			text = string(item)
		default:
			text = strings.TrimSpace(string(toJSON(item)))
		}
		if h.settings.queues.base64 {
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		if err := queues.Put(ctx, strings.ToLower(h.env.expand(b.QueueName)), text, 0); err != nil {
			return err
		}
	}
	return nil
}

var errNoBody = errors.New("a $return value is an HTTP answer only when it has a body")

// respond writes the HTTP response in a reply to the default POST.
func (h *Host) respond(w http.ResponseWriter, f *function, answer reply) {
	var value any
	for _, b := range f.outputs {
		if b.Type != "http" {
			continue
		}
		value = answer.outputs[b.Name]
		if b.Name == "$return" {
			value = answer.returnValue
			if o, ok := value.(object); ok && field(o, "body") == nil {
				h.say(slog.LevelWarn, "Function."+f.name, errNoBody.Error())
				writeBody(w, http.StatusOK, value)
				return
			}
		}
	}
	o, ok := value.(object)
	switch {
	case value == nil:
		w.WriteHeader(http.StatusNoContent)
	case !ok:
		writeBody(w, http.StatusOK, value)
	default:
		if headers, ok := field(o, "headers").(object); ok {
			for k, v := range headers {
				w.Header().Set(k, fmt.Sprint(v))
			}
		}
		writeBody(w, statusOf(o), field(o, "body"))
	}
}

// statusOf reads statusCode, then status, as number or string.
func statusOf(o object) int {
	for _, name := range []string{"statusCode", "status"} {
		if v := field(o, name); v != nil {
			if n, err := strconv.Atoi(fmt.Sprint(v)); err == nil && n >= 200 && n <= 999 {
				return n
			}
		}
	}
	return http.StatusOK
}

func field(o object, name string) any {
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

func writeBody(w http.ResponseWriter, status int, body any) {
	kind, text := "text/plain; charset=utf-8", ""
	switch body := body.(type) {
	case nil:
	case string:
		text = body
	case json.Number:
		text = body.String()
	default:
		kind, text = "application/json; charset=utf-8", strings.TrimSpace(string(toJSON(body)))
	}
	if w.Header().Get("Content-Type") == "" && text != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a caller that went away needs no answer
}

// seconds rounds up to whole seconds, the unit of queue services.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }
