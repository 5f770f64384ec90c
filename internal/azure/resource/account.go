package resource

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"bluegreen/internal/engine"
)

// Account is the name of the storage account that an address is of. Azurite has it in the path.
func Account(u *url.URL) string {
	host := u.Hostname()
	if net.ParseIP(host) != nil || host == "localhost" {
		name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		return plainText(name, "ACCOUNT")
	}
	name, _, _ := strings.Cut(host, ".")
	return plainText(name, "ACCOUNT")
}

// Grant is the command that gives the identity a role on a storage account.
func Grant(role, account string) string {
	return fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role '%s' --scope $(az storage account show --name %s --query id --output tsv), and let the account's firewall admit the app's network",
		engine.ObjectID, role, account)
}
