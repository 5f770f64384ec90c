package host

import (
	"slices"
	"sync"
	"time"
)

// remembered bounds how many invocations are kept; the oldest go first.
const remembered = 20_000

// Invocation is one call of the handler.
type Invocation struct {
	ID       string
	Function string
	At       time.Time
	Duration time.Duration
	// Status is the handler's status code; 0 when it did not answer.
	Status int
	// Err is the reason of a failure; nil when the invocation succeeded.
	Err error
	// Logs and Outputs are from the handler's response. As in the real host, an output string
	// that happens to be base64 is decoded to bytes.
	Logs    []string
	Outputs map[string]any
}

// Poisoned is a message that was given up.
type Poisoned struct {
	Queue  string // where it was; it is now in the queue of this name and -poison
	Text   string // as it lay on the queue
	Reason string
}

// journal records invocations.
type journal struct {
	mu          sync.Mutex
	invocations []Invocation
	poison      []Poisoned
	restarts    int
}

func (j *journal) record(i Invocation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.invocations) >= remembered {
		j.invocations = slices.Delete(j.invocations, 0, remembered/10)
	}
	j.invocations = append(j.invocations, i)
}

func (j *journal) poisoned(p Poisoned) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.poison = append(j.poison, p)
}

func (j *journal) restarted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.restarts++
}

// Invocations returns the finished invocations of a function in the order they ended;
// with "", of all functions.
func (j *journal) Invocations(function string) []Invocation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.invocations), func(i Invocation) bool {
		return function != "" && i.Function != function
	})
}

// Poison returns the messages that were given up.
func (j *journal) Poison() []Poisoned {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.poison)
}

// Restarts counts how often the handler was started again.
func (j *journal) Restarts() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.restarts
}
