// Package setting reads the app settings that a configuration names. App Service puts the secret of
// a Key Vault reference in the place of the reference.
package setting

import (
	"fmt"
	"strings"
)

// unresolved begins the text that stays in a setting whose Key Vault reference App Service could
// not resolve.
// Source: learn.microsoft.com/azure/app-service/app-service-key-vault-references
const unresolved = "@Microsoft.KeyVault("

// Problem is why the value of a setting cannot be used; "" when it can.
func Problem(name, value string) string {
	switch {
	case value == "":
		return fmt.Sprintf("the app setting %s is missing or empty: add it to the Functions app, as a Key Vault reference if it is secret", name)
	case strings.HasPrefix(value, unresolved):
		return fmt.Sprintf("the Key Vault reference in the app setting %s is not resolved: the Functions app shows why beside the setting; its identity needs the role Key Vault Secrets User, and the vault's network has to let it in", name)
	}
	return ""
}
