package access_test

import (
	"testing"

	"bluegreen/internal/access"
	"bluegreen/internal/release"
)

// admins are the commands that need the right admin, with force or without.
var admins = map[release.Command]bool{release.ReleaseQuarantine: true, release.Forget: true}

func TestEveryCommandNeedsOneRight(t *testing.T) {
	for _, v := range release.Commands {
		want := access.Operator
		if admins[v.Command] {
			want = access.Admin
		}
		if got := access.Needs(release.Commanded{Command: v.Command}, true); got != want {
			t.Errorf("%s needs %s, expected %s", v.Command, got, want)
		}
		if got := access.Needs(release.Commanded{Command: v.Command, Force: true}, true); got != access.Admin {
			t.Errorf("%s with force needs %s", v.Command, got)
		}
	}
	if got := access.Needs(release.Commanded{Command: release.DeployImage}, false); got != access.Admin {
		t.Errorf("an image that no push could have released needs %s", got)
	}
	if got := access.Needs(release.Commanded{Command: "stop"}, true); got != access.Admin {
		t.Errorf("a command of a later version needs %s", got)
	}
}

func TestARightComesFromRolesOrFromTheSettingOfKeys(t *testing.T) {
	rules := access.Rules{Viewers: []string{"shop.viewer"}, Operators: []string{"bluegreen.operator", "0f1c"}, Admins: []string{"bluegreen.admin"}}
	for name, c := range map[string]struct {
		caller access.Caller
		keys   access.Right
		want   access.Right
	}{
		"nobody":                           {access.Caller{}, access.Admin, access.None},
		"a claim alone":                    {access.Caller{Actor: release.Actor{Claimed: "0f1c", Name: "0f1c", Route: "act"}}, access.Admin, access.None},
		"a key":                            {access.Caller{Actor: release.Actor{Key: "1a2b3c4d"}}, access.Operator, access.Operator},
		"a key, and the setting":           {access.Caller{Actor: release.Actor{Key: "1a2b3c4d"}}, access.Admin, access.Admin},
		"a key, and roles without a token": {access.Caller{Actor: release.Actor{Key: "1a2b3c4d"}, Roles: []string{"bluegreen.admin"}}, access.Viewer, access.Viewer},
		"a viewer":                         {access.Caller{Actor: release.Actor{Proven: "7f"}, Roles: []string{"shop.viewer"}}, access.Admin, access.Viewer},
		"a viewer with a key":              {access.Caller{Actor: release.Actor{Proven: "7f", Key: "1a2b3c4d"}, Roles: []string{"shop.viewer"}}, access.Admin, access.Viewer},
		"a viewer of another app":          {access.Caller{Actor: release.Actor{Proven: "7f"}, Roles: []string{"bluegreen.viewer"}}, access.Admin, access.None},
		"an operator":                      {access.Caller{Actor: release.Actor{Proven: "7f"}, Roles: []string{"bluegreen.operator"}}, access.None, access.Operator},
		"an operator by object id":         {access.Caller{Actor: release.Actor{Proven: "0f1c"}}, access.None, access.Operator},
		"an admin":                         {access.Caller{Actor: release.Actor{Proven: "7f"}, Roles: []string{"x", "bluegreen.admin"}}, access.None, access.Admin},
		"without a role":                   {access.Caller{Actor: release.Actor{Proven: "7f"}}, access.Admin, access.None},
	} {
		if got := rules.Right(c.caller, c.keys); got != c.want {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
}

func TestTheSettingOfKeysIsReadStrictly(t *testing.T) {
	for value, want := range map[string]access.Right{"": access.Operator, "viewer": access.Viewer, "operator": access.Operator, "admin": access.Admin} {
		if got, err := access.Keys(value); got != want || err != nil {
			t.Errorf("%q: %s, %v", value, got, err)
		}
	}
	for _, value := range []string{"none", "Admin", "true", "admin "} {
		if got, err := access.Keys(value); err == nil || got != access.None {
			t.Errorf("%q: %s", value, got)
		}
	}
}
