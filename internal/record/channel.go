package record

import (
	"encoding/json"
	"fmt"
	"time"

	"bluegreen/internal/engine"
)

// channel is how far a channel is.
type channel struct {
	Name    string    `json:"name"`
	Done    int       `json:"done"`
	Until   time.Time `json:"until,omitzero"`
	Failing time.Time `json:"failing,omitzero"`
	Why     string    `json:"why,omitempty"`
	Tries   int       `json:"tries,omitempty"`
	Next    time.Time `json:"next,omitzero"`
	GivenUp int       `json:"givenUp,omitempty"`
}

// EncodeProgress writes the row of a channel.
func EncodeProgress(p engine.Progress) ([]byte, error) {
	return json.Marshal(channel{p.Name, p.Done, p.Until, p.Failing, p.Why, p.Tries, p.Next, p.GivenUp})
}

// DecodeProgress reads the row of a channel.
func DecodeProgress(data []byte) (engine.Progress, error) {
	var c channel
	if err := json.Unmarshal(data, &c); err != nil {
		return engine.Progress{}, fmt.Errorf("decode a channel: %w", err)
	}
	return engine.Progress{Name: c.Name, Done: c.Done, Until: c.Until, Failing: c.Failing, Why: c.Why, Tries: c.Tries, Next: c.Next, GivenUp: c.GivenUp}, nil
}
