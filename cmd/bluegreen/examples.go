package main

import (
	"strings"

	"bluegreen/internal/release"
)

// examples are lines for the help of the commands, without the program's name.
var examples = map[release.Command][]string{
	release.Switch:            {`switch shop --why "try green"`, `switch shop --to blue --wait`},
	release.DeployImage:       {`deploy shop --image 2.4.1 --why "fixes the cart"`, `deploy shop --image 2.4.1 --wait`, `deploy shop --image 2.4.1 --wait=switched --timeout 20m`},
	release.Promote:           {`promote shop --wait`, `promote shop --digest sha256:9f86d081884c`},
	release.Rollback:          {`rollback shop --why "slow checkout" --wait`, `rollback shop --to 2.3.9 --why "the cart is broken since 2.4.0"`},
	release.Failover:          {`failover shop --why "zone 2 is down" --wait`},
	release.ExtendBake:        {`extend shop 30m --why "waits for the evening"`},
	release.PauseReleases:     {`pause shop --why "audit until Friday"`},
	release.ResumeReleases:    {`resume shop`},
	release.Cancel:            {`cancel shop --why "wrong branch"`},
	release.ReleaseQuarantine: {`release-quarantine shop 2.4.1`, `release-quarantine shop 9f86d081884c`},
	release.Forget:            {`forget shop 24.1 --why "should be 2.4.1"`},
}

func exampleOf(v release.Verb) string {
	return "  bluegreen " + strings.Join(examples[v.Command], "\n  bluegreen ")
}
