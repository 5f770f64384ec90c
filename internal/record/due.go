package record

import (
	"encoding/json"
	"fmt"
	"time"

	"bluegreen/internal/engine"
)

// due is when a tick is to look after an app.
type due struct {
	At      time.Time         `json:"at,omitzero"`
	Config  string            `json:"config,omitempty"`
	Commit  string            `json:"commit,omitempty"`
	Glances map[string]glance `json:"glances,omitempty"`
}

type glance struct {
	At    time.Time `json:"at,omitzero"`
	Saw   string    `json:"saw,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// EncodeDue writes a due row, without its app and its mark.
func EncodeDue(d engine.Due) ([]byte, error) {
	is := due{At: d.At, Config: d.Config, Commit: d.Commit, Glances: map[string]glance{}}
	for task, g := range d.Glances {
		is.Glances[task] = glance(g)
	}
	return json.Marshal(is)
}

// DecodeDue reads a due row, without its app and its mark.
func DecodeDue(data []byte) (engine.Due, error) {
	var is due
	if err := json.Unmarshal(data, &is); err != nil {
		return engine.Due{}, fmt.Errorf("decode a due row: %w", err)
	}
	d := engine.Due{At: is.At, Config: is.Config, Commit: is.Commit}
	for task, g := range is.Glances {
		if d.Glances == nil {
			d.Glances = map[string]engine.Glance{}
		}
		d.Glances[task] = engine.Glance(g)
	}
	return d, nil
}
