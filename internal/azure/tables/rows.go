package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The rows of an app's partition, by the beginning of their keys. A table is sorted by
// key, so inbox, channels, outbox and state are neighbours: Load is one range.
const (
	eventRows   = "event|"   // + identity: every accepted event, with its decision
	historyRows = "history|" // + inverted number: newest first
	inboxRows   = "inbox|"   // + time | identity: pending events
	channelRows = "notify|"  // + name: how far a channel is
	outboxRows  = "outbox|"  // + number of the first fact: what an earlier version has not published
	stateRow    = "state"    // the record
)

// A row's JSON is spread over properties Data00, Data01 and so on. A property holds 32 Ki
// UTF-16 units and a row 1 MiB, of which the keys and the other properties need a little.
// Source: learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
const (
	unitsPerProperty = 32 << 10
	mostProperties   = 15
)

// The other properties of rows.
const (
	propStamp   = "Stamp"   // chance, by which a writer knows its own row
	propAt      = "At"      // when, as sortable text
	propDecided = "Decided" // set on the event rows that are no longer pending
)

type properties map[string]any

// row is a row as it was read.
type row struct {
	key   string
	etag  azcore.ETag
	stamp string
	data  string
	// app and marked are those of a due row.
	app    string
	marked bool
}

// decoded is the value of a row.
func decoded[T any](r row, decode func([]byte) (T, error)) (T, error) {
	value, err := decode([]byte(r.data))
	if err != nil {
		return value, fmt.Errorf("read row %s: %w", r.key, err)
	}
	return value, nil
}

// encode makes a row of a value's JSON, or passes on why there is none.
func encode(app, rowKey string, data []byte, err error, more properties) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("encode row %s: %w", rowKey, err)
	}
	pieces, units := split(string(data))
	if len(pieces) > mostProperties {
		return nil, fmt.Errorf("row %s would take %d characters, and a row of a table holds %d: %w",
			rowKey, units, unitsPerProperty*mostProperties, engine.ErrDenied)
	}
	all := properties{"PartitionKey": key(app), "RowKey": rowKey}
	for i, piece := range pieces {
		all[property(i)] = piece
	}
	for name, value := range more {
		all[name] = value
	}
	return json.Marshal(all)
}

func property(i int) string { return fmt.Sprintf("Data%02d", i) }

// split cuts text into pieces of at most the size of a property, never within a character.
func split(text string) (pieces []string, units int) {
	begin, used := 0, 0
	for i, r := range text {
		n := utf16.RuneLen(r)
		if used+n > unitsPerProperty {
			pieces = append(pieces, text[begin:i])
			begin, used = i, 0
		}
		used += n
		units += n
	}
	return append(pieces, text[begin:]), units
}

// decodeRow is the inverse of encode.
func decodeRow(entity []byte) (row, error) {
	var all map[string]any
	if err := json.Unmarshal(entity, &all); err != nil {
		return row{}, fmt.Errorf("read a row: %w", err)
	}
	text := func(name string) string {
		s, _ := all[name].(string)
		return s
	}
	r := row{key: text("RowKey"), etag: azcore.ETag(text("odata.etag")), stamp: text(propStamp), app: text(propApp)}
	_, r.marked = all[propMarked]
	var data strings.Builder
	for i := range mostProperties {
		data.WriteString(text(property(i)))
	}
	r.data = data.String()
	return r, nil
}

func eventKey(id string) string { return eventRows + key(id) }

func inboxKey(e engine.Entry) string { return inboxRows + sortable(e.At) + "|" + key(e.ID) }

// most is above every fact's number, so that the difference sorts backwards.
const most = 999_999_999_999

func historyKey(number int) string { return fmt.Sprintf("%s%012d", historyRows, most-number) }

func channelKey(name string) string { return channelRows + key(name) }

// sortable is a time as text that sorts by time. The table's own times are coarser than
// ours and begin in 1601.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// longest is the most that a key holds of an identity, in characters; a row key has room for
// 512.
const longest = 400

// key writes an identity with characters that table keys, their URLs and filters all take
// as they are; others become ~ and their hex code. Too long an identity is cut, and
// its hash keeps it distinct.
func key(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._:|@", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "~%02X", c)
		}
	}
	if b.Len() <= longest {
		return b.String()
	}
	hash := sha256.Sum256([]byte(id))
	return b.String()[:longest-2-2*len(hash)] + "~~" + hex.EncodeToString(hash[:])
}

// within is the filter for the rows whose key begins with a prefix.
func within(app, prefix string) string {
	last := len(prefix) - 1
	return between(app, prefix, prefix[:last]+string(prefix[last]+1))
}

// between is the filter for the rows from one key to before another.
func between(app, from, to string) string {
	return fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s' and RowKey lt '%s'", key(app), from, to)
}

// action is one part of a transaction. An empty etag matches whatever is there.
func action(kind aztables.TransactionType, entity []byte, etag azcore.ETag) aztables.TransactionAction {
	a := aztables.TransactionAction{ActionType: kind, Entity: entity}
	if etag != "" {
		a.IfMatch = &etag
	}
	return a
}

func remove(app, rowKey string, etag azcore.ETag) aztables.TransactionAction {
	entity, _ := json.Marshal(properties{"PartitionKey": key(app), "RowKey": rowKey}) // two strings always encode
	return action(aztables.TransactionTypeDelete, entity, etag)
}
