package notify

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/setting"
)

// reference is a secret in the configuration. Settings with other names are out of its reach, the
// storage account and the identity among them.
var reference = regexp.MustCompile(`^\{setting:(NOTIFY_[A-Za-z0-9_]+)\}$`)

// Secret is the value that a text of the configuration stands for: that of the app setting in
// {setting:NAME}, or the text itself.
func Secret(text string, get func(name string) string) (string, error) {
	found := reference.FindStringSubmatch(text)
	if found == nil {
		return text, nil
	}
	value := get(found[1])
	if problem := setting.Problem(found[1], value); problem != "" {
		return "", errors.New(problem)
	}
	return strings.TrimSpace(value), nil
}

// Unusable is a channel that the configuration does not let be used. What it does not get waits
// until it can.
type Unusable struct{ Why string }

// Notify implements engine.Notifier.
func (u Unusable) Notify(context.Context, engine.Message) error { return errors.New(u.Why) }
