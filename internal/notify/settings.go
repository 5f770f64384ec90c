package notify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"bluegreen/internal/engine"
)

// unresolved begins the text that stays in a setting whose Key Vault reference App Service could
// not resolve.
// Source: learn.microsoft.com/azure/app-service/app-service-key-vault-references
const unresolved = "@Microsoft.KeyVault("

// reference is a secret in the configuration. Settings with other names are out of its reach, the
// storage account and the identity among them.
var reference = regexp.MustCompile(`^\{setting:(NOTIFY_[A-Za-z0-9_]+)\}$`)

// Secret is the value that a text of the configuration stands for: that of the app setting in
// {setting:NAME}, or the text itself.
func Secret(text string, setting func(name string) string) (string, error) {
	found := reference.FindStringSubmatch(text)
	if found == nil {
		return text, nil
	}
	switch value := setting(found[1]); {
	case value == "":
		return "", fmt.Errorf("the app setting %s is missing or empty: add it to the Functions app, as a Key Vault reference", found[1])
	case strings.HasPrefix(value, unresolved):
		return "", fmt.Errorf("the Key Vault reference in the app setting %s is not resolved: the Functions app shows why beside the setting; its identity needs the role Key Vault Secrets User, and the vault's network has to let it in", found[1])
	default:
		return strings.TrimSpace(value), nil
	}
}

// Unusable is a channel that the configuration does not let be used. What it does not get waits
// until it can.
type Unusable struct{ Why string }

// Notify implements engine.Notifier.
func (u Unusable) Notify(context.Context, engine.Message) error { return errors.New(u.Why) }
