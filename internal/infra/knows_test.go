package infra_test

import (
	"strings"
	"testing"
)

// TestTheRolesUseTheResourceNamesOfTheController: roles.bicep builds these names itself, so that
// what-if can evaluate them.
func TestTheRolesUseTheResourceNamesOfTheController(t *testing.T) {
	roles := read(t, root+"/bicep/roles.bicep")
	controller := read(t, root+"/bicep/modules/controller.bicep") + read(t, root+"/bicep/modules/controller-events.bicep")
	for _, same := range []string{
		"'st${name}${take(suffix, 10)}'", "'appi-${name}-${suffix}'", "'outcomes-${name}-${suffix}'", "'id-${name}-controller'",
	} {
		if !strings.Contains(roles, same) || !strings.Contains(controller, same) {
			t.Errorf("%s is not the name in both", same)
		}
	}
	inRoles, inController := "var suffix = uniqueString(subscription().id, groupName, name)", "var suffix = uniqueString(subscription().id, resourceGroup().name, name)"
	if !strings.Contains(roles, inRoles) || strings.Count(controller, inController) != 2 {
		t.Error("the suffix is not made of the same things in all")
	}
	for _, entry := range []string{"main.bicep", "shared.bicep", "controller.bicep"} {
		if text := read(t, root+"/bicep/"+entry); strings.Count(text, "    groupName: groupName\n") != 1 || !strings.Contains(text, "  name: groupName\n") {
			t.Errorf("%s passes the roles a resource group other than the controller's", entry)
		}
	}
}
