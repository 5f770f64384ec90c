package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// envelope is the body of the default POST.
type envelope struct {
	Data     map[string]any
	Metadata metadata
}

// object marks a value that is sent as it is, nested; see encode.
type object = map[string]any

// metadata is the trigger metadata of an invocation. Keys are case-insensitive.
type metadata map[string]any

func (m metadata) set(key string, value any) {
	for k := range m {
		if strings.EqualFold(k, key) {
			key = k
		}
	}
	m[key] = value
}

// merge adds the properties of a message that is a JSON object. They replace existing keys, so
// a sender can overwrite sys, Id and DequeueCount. Arrays are omitted, plain values become strings.
func (m metadata) merge(text string) {
	var fields object
	if decodeJSON([]byte(text), &fields) != nil {
		return
	}
	for k, v := range fields {
		switch v := v.(type) {
		case []any:
		case object:
			m.set(k, reparse(v))
		default:
			m.set(k, castToString(v))
		}
	}
}

// encoded is the metadata as the host sends it.
func (m metadata) encoded(function string) metadata {
	out := metadata{"sys": object{"MethodName": function, "UtcNow": time.Now().UTC().Format("2006-01-02T15:04:05.9999999Z"), "RandGuid": guid()}}
	for k, v := range m {
		if v = encode(v); v != nil && !strings.HasSuffix(strings.ToLower(k), "trigger") {
			out.set(k, v)
		}
	}
	return out
}

// encode gives a value the host's form: objects nested, times and bytes as plain strings,
// all else as a string that holds its JSON text, so that a string is encoded twice.
func encode(v any) any {
	switch v := v.(type) {
	case nil, object:
		return v
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05-07:00")
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	}
	return strings.TrimRight(string(toJSON(v)), "\n")
}

// toJSON does not escape <, > and &, as Newtonsoft's serializer.
func toJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("encode a value that came from JSON: " + err.Error())
	}
	return b.Bytes()
}

// decodeJSON reads one JSON value and keeps numbers as they are written.
func decodeJSON(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

var dateForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$`)

// parseDate parses a string that Newtonsoft's reader would treat as a date; offset reports
// whether the string has an offset.
func parseDate(s string) (t time.Time, offset, ok bool) {
	m := dateForm.FindStringSubmatch(s)
	if m == nil {
		return t, false, false
	}
	layout := "2006-01-02T15:04:05"
	if m[2] != "" {
		layout += "Z07:00"
	}
	t, err := time.Parse(layout, s)
	return t.Truncate(100 * time.Nanosecond), m[2] != "" && m[2] != "Z", err == nil
}

// reparse rewrites what the host's JSON reader parses: in strings that look like dates, zeros
// at the end of a fraction go and offsets become the instance's own, which is UTC; numbers with a
// fraction or an exponent become a double.
func reparse(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, item := range v {
			out[k] = reparse(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = reparse(item)
		}
		return out
	case json.Number:
		if text, ok := double(v); ok {
			if !strings.ContainsAny(text, ".E") {
				text += ".0"
			}
			return json.Number(text)
		}
	case string:
		t, offset, ok := parseDate(v)
		switch {
		case !ok:
		case offset:
			return t.UTC().Format("2006-01-02T15:04:05.9999999-07:00")
		case strings.HasSuffix(v, "Z"):
			return t.Format("2006-01-02T15:04:05.9999999Z")
		default:
			return t.Format("2006-01-02T15:04:05.9999999")
		}
	}
	return v
}

// castToString is .NET's cast of a JSON value to a string; nil stays.
func castToString(v any) any {
	switch v := v.(type) {
	case bool:
		return strings.ToUpper(strconv.FormatBool(v)[:1]) + strconv.FormatBool(v)[1:]
	case json.Number:
		if text, ok := double(v); ok {
			return text
		}
		return v.String()
	case string:
		if t, _, ok := parseDate(v); ok {
			return t.UTC().Format("01/02/2006 15:04:05")
		}
		return v
	}
	return v
}

// double is .NET's text of a number with a fraction or an exponent; ok is false for others.
func double(n json.Number) (text string, ok bool) {
	f, err := n.Float64()
	if err != nil || !strings.ContainsAny(n.String(), ".eE") {
		return "", false
	}
	if size := math.Abs(f); size != 0 && (size < 1e-5 || size >= 1e15) {
		return strconv.FormatFloat(f, 'E', -1, 64), true
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}
