package simulation_test

import (
	"testing"
	"time"

	"bluegreen/internal/fake"
	"bluegreen/internal/release"
	"bluegreen/internal/simulation"
)

// story is a plan that once broke a promise, and what was broken.
type story struct {
	name    string
	promise string
	broke   string // a part of the text
	plan    simulation.Plan
}

// kept are the stories that hold now.
var kept = []story{
	{"the rollback target's API is away", "11 (users of a bad version return)", "", items(push,
		when(release.Baking, 20*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
		when(release.Baking, 15*second, simulation.Item{Kind: simulation.OneAway, Color: release.Blue, For: 10 * time.Minute}))},
	{"the bad version's API is away", "11 (users of a bad version return)", "", items(push,
		when(release.Baking, 20*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
		when(release.Baking, 15*second, simulation.Item{Kind: simulation.OneAway, Color: release.Green, For: 10 * time.Minute}))},
	{"the bad version is deleted", "11 (users of a bad version return)", "", items(push,
		when(release.Baking, 5*second, simulation.Item{Kind: simulation.Gone, Color: release.Green, For: 10 * time.Minute}))},
	{"nothing of the rollback target may be changed", "11 (users of a bad version return)", "", items(push,
		when(release.Baking, 20*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
		when(release.Baking, 15*second, simulation.Item{Kind: simulation.Forbidden, Color: release.Blue, For: 10 * time.Minute}))},
	{"checks cannot be made in the bake", "11 (users of a bad version return)", "", items(push,
		when(release.Baking, 5*second, simulation.Item{Kind: simulation.ChecksUnknown, For: 5 * time.Minute}))},
	{"an event is lost, and the registry fails for a while", "5 (missed pushes are found)", "", items(push,
		simulation.Item{Kind: simulation.Missed, Image: 2, At: 4 * time.Minute},
		simulation.Item{Kind: simulation.RegistryFails, At: 3 * time.Minute, For: 12 * time.Minute})},
	{"the notifier fails for a while", "5 (outcomes are published)", "", items(push,
		simulation.Item{Kind: simulation.NotifierFails, At: 50 * second, For: 10 * time.Minute})},
	{"a rival's write runs, and the change is accepted",
		"2 (live color is left alone)", "deploy of green, which has the users' traffic", items(
			push, when(release.Baking, 0, simulation.Item{Kind: simulation.Push, Image: 2, ID: 2}),
			when(release.Baking, 20*second, simulation.Item{Kind: simulation.Lasting, Color: release.Blue, For: 60 * second}),
			when(release.Baking, 40*second, command(release.ResumeReleases)))},
	{"a rival writes what was before, and takes it back",
		"2 (live color is left alone)", "deploy of green, which has the users' traffic", items(
			simulation.Item{Kind: simulation.Lasting, Color: release.Green, For: 10 * second, At: 70 * second},
			simulation.Item{Kind: simulation.Lasting, Color: release.Blue, For: 60 * second, At: 100 * second},
			simulation.Item{Kind: simulation.Push, Image: 2, ID: 2, At: 110 * second})},
	{"the live color grows while a release waits for its approval",
		"11 (size before traffic)", "traffic is sent to green with 3 ready pods, where blue carries the users with 6", approved(
			when(release.Awaiting, 10*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Blue, N: 6}))},
	{"the new color shrinks while its release waits for its approval",
		"11 (size before traffic)", "traffic is sent to green with 2 ready pods, where blue carries the users with 3", approved(
			when(release.Awaiting, 10*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 2}))},
	{"a part of the new color's nodes is lost while its switch is to be made again",
		"11 (size before traffic)", "traffic is sent to green with 1 ready pods, where blue carries the users with 3", items(push,
			when(release.Deploying, 0, simulation.Item{Kind: simulation.Gate, Result: fake.Busy, For: 40 * second}),
			when(release.Switching, 5*second, simulation.Item{Kind: simulation.SomeNodes, Color: release.Green, Share: 0.75, For: 5 * time.Minute}))},
	{"the live color was gone, and its API is away when its size is needed",
		"11 (size before traffic)", "traffic is sent to green with 1 ready pods, where blue carries the users with 3", items(
			simulation.Item{Kind: simulation.Gone, Color: release.Blue, At: 20 * second, For: 310 * second},
			simulation.Item{Kind: simulation.OneAway, Color: release.Blue, At: 340 * second, For: 4 * time.Minute},
			simulation.Item{Kind: simulation.Push, Image: 1, ID: 1, At: 350 * second})},
	{"the live color has grown in the bake, its rollback target has not",
		"11 (size before traffic)", "traffic is sent to blue with 3 ready pods, where green carries the users with 6", items(push,
			when(release.Baking, 10*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 6}),
			when(release.Baking, 30*second, simulation.Item{Kind: simulation.Alert, ID: 1}))},
	{"one probe ends the bake, since wake-ups are lost",
		"13 (bake ends on evidence)", "a bake ended on probes of the public address", items(push,
			when(release.Baking, time.Second, simulation.Item{Kind: simulation.Deaf, For: 150 * second}))},
	{"the live color cannot be looked at in the whole bake",
		"13 (bake ends on evidence)", "a bake ended after 0 looks at the live color, which are too few", items(push,
			when(release.Baking, 0, simulation.Item{Kind: simulation.OneAway, Color: release.Green, For: 5 * time.Minute}))},
	{"half of the live color is lost in the bake",
		"13 (bake ends on evidence)", "a bake ended although not all of the last 2 looks at the live color were good", items(push,
			when(release.Baking, 5*second, simulation.Item{Kind: simulation.SomeNodes, Color: release.Green, Share: 0.5, For: 5 * time.Minute}))},
	{"pods of the new version come and go",
		"13 (bake ends on evidence)", "a bake ended although not all of the last 2 looks at the live color were good", behaving(fake.Behaviour{Ready: 5 * second, Up: 70 * second, Down: 20 * second}, push)},
	{"every second probe fails",
		"13 (bake ends on evidence)", "a bake ended although not all of the last 2 probes of the public address were good", items(push,
			when(release.Baking, 40*second, simulation.Item{Kind: simulation.NodeLoss, Color: release.Green, For: 6 * second}))},
	{"the idle color is scaled down beside half of a live color",
		"13 (retired only beside a live color that is well)", "blue is scaled down while green is live with 2 ready pods and needs 3", items(push,
			when(release.Completed, 100*second, simulation.Item{Kind: simulation.SomeNodes, Color: release.Green, Share: 0.5, For: 5 * time.Minute}))},
	{"a version crashes before its switch is confirmed",
		"11 (users of what is bad at once return)", "users get 2.0 although it carries 0 of 3 pods, and blue could take them", items(push,
			when(release.Switching, 15*second, simulation.Item{Kind: simulation.NodeLoss, Color: release.Green, For: 10 * time.Minute}))},
	{"a first release that is never confirmed, and the fix",
		"2 (users of an unconfirmed first release are left alone)", "deploy of blue, where 1 ready pods answer users with 2.0 (01)", starting("nothing", items(push,
			simulation.Item{Kind: simulation.Push, Image: 2, ID: 2, At: 8 * time.Minute},
			when(release.Switching, 0, simulation.Item{Kind: simulation.ChecksFail, For: 5 * time.Minute})))},
	{"the rollback target is edited in the bake",
		"12 (rollback target is true)", "the record names blue as the rollback target with 1.0 (00)", items(push,
			when(release.Baking, 5*second, simulation.Item{Kind: simulation.Edit, Color: release.Blue, Image: 3, For: time.Minute}))},
	{"the tag of the rollback target is moved in the bake",
		"12 (rollback target is true)", "the record names blue as the rollback target with 1.0 (00)", items(push,
			when(release.Baking, 5*second, simulation.Item{Kind: simulation.TagMoved, Color: release.Blue, Image: 3}))},
	{"a bad version, and a configuration with a problem since the switch",
		"11 (users of a bad version return)", "users get 2.0 although alert 1 says that it is bad, and blue could take them", items(push,
			when(release.Switching, 5*second, simulation.Item{Kind: simulation.Misconfigured, For: 10 * time.Minute}),
			when(release.Baking, 20*second, simulation.Item{Kind: simulation.Alert, ID: 1}))},
	{"the rollback target is edited after the bake",
		"12 (rollback target is true)", "the record names blue as the rollback target with 1.0 (00)", idleKept(push,
			when(release.Completed, 20*second, simulation.Item{Kind: simulation.Edit, Color: release.Blue, Image: 3, For: time.Minute}))},
	{"the rollback target is deleted after the bake",
		"12 (rollback target is true)", "the record names blue as the rollback target with 1.0 (00)", idleKept(push,
			when(release.Completed, 20*second, simulation.Item{Kind: simulation.Gone, Color: release.Blue, For: 15 * time.Minute}))},
	{"a rival sends users to a first release that was denied",
		"2 (users of an unconfirmed first release are left alone)", "deploy of green, where 1 ready pods answer users with 2.0", firstTo(release.Green, push,
			simulation.Item{Kind: simulation.Rival, At: 20 * second},
			simulation.Item{Kind: simulation.Rival, Color: release.Green, At: 3 * time.Minute},
			simulation.Item{Kind: simulation.Push, Image: 2, ID: 2, At: 5 * time.Minute})},
	{"a return that is given up while its target comes up again",
		"6 (record agrees)", "blue was not scaled down", items(push,
			when(release.Completed, 200*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
			when(release.Returning, second, command(release.Cancel)))},
	{"the live color is changed after the configuration was, while nothing can be retired",
		"6 (record agrees)", "green is recorded to run 2.0 (01), it runs 2.0 (03)", withImage(3, fake.Behaviour{Never: "crashes"}, push,
			when(release.Completed, 45*second, simulation.Item{Kind: simulation.Reconfigured}),
			when(release.Completed, 104*second, simulation.Item{Kind: simulation.TagMoved, Color: release.Green, Image: 3}))},
	{"the new color has an autoscaler, and no load while its release waits for its approval", "6 (what a release raised is put back)", "", approved(
		simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 1, At: 20 * second},
		when(release.Awaiting, 10*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 1}),
		when(release.Awaiting, 20*second, simulation.Item{Kind: simulation.Autoscaled, Color: release.Blue, N: 6}))},
	{"the new color's cluster is away when its release has ended", "6 (what a release raised is put back)", "", idleKept(push,
		simulation.Item{Kind: simulation.Autoscaled, Color: release.Green, N: 1, At: 20 * second},
		when(release.Baking, 5*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
		when(release.Returning, 0, simulation.Item{Kind: simulation.OneAway, Color: release.Green, For: 8 * time.Minute}))},
	{"a first release whose switch is denied",
		"6 (record agrees)", "the record says that green is live, users are answered by blue", firstTo(release.Green, push,
			when(release.Deploying, 0, simulation.Item{Kind: simulation.Gate, Result: fake.Denied, For: 5 * time.Minute}))},
	{"a rival's change of DNS is accepted, and resolvers lag",
		"2 (live color is left alone)", "deploy of green, which has the users' traffic", byName(push,
			when(release.Baking, 0, simulation.Item{Kind: simulation.Push, Image: 2, ID: 2}),
			when(release.Baking, 20*second, simulation.Item{Kind: simulation.Lasting, Color: release.Blue, For: 105 * second}),
			when(release.Baking, 90*second, command(release.ResumeReleases)))},
	{"a rival changes DNS there and back between two looks",
		"2 (live color is left alone)", "scale of green, which has the users' traffic", byName(push,
			when(release.Baking, 20*second, simulation.Item{Kind: simulation.Alert, ID: 1}),
			when(release.RolledBack, 60*second, simulation.Item{Kind: simulation.Lasting, Color: release.Green, For: 5 * second}),
			when(release.RolledBack, 100*second, simulation.Item{Kind: simulation.Lasting, Color: release.Blue, For: 19 * second}))},
	{"a version that replaces a bad one turns bad as well, and its fix waits",
		"6 (comes to rest)", "release is baking", flapsThenFails(
			simulation.Item{Kind: simulation.Push, Image: 1, ID: 1, At: 60 * second},
			simulation.Item{Kind: simulation.Push, Image: 2, ID: 2, At: 120 * second},
			simulation.Item{Kind: simulation.TagMoved, Color: release.Blue, Image: 7, At: 167 * second},
			simulation.Item{Kind: simulation.Push, Image: 4, ID: 4, At: 5 * time.Minute})},
	{"the fix of a live version that answers errors",
		"11 (a fix goes live)", "users get 1.0, which is bad, and 2.0 was pushed", bothBad(push)},
}

// approved is a release that an operator promotes a minute after its checks.
func approved(list ...simulation.Item) simulation.Plan {
	p := items(append([]simulation.Item{push, when(release.Awaiting, time.Minute, command(release.Promote))}, list...)...)
	p.Policy.Manual = true
	return p
}

// withImage is a plan in which pods of an image behave in some way.
func withImage(n int, b fake.Behaviour, list ...simulation.Item) simulation.Plan {
	p := items(list...)
	p.Behave = map[int]fake.Behaviour{n: b}
	return p
}

// behaving is a plan in which pods of the image that is pushed behave in some way.
func behaving(b fake.Behaviour, list ...simulation.Item) simulation.Plan {
	p := items(list...)
	p.Behave = bad(b)
	return p
}

// starting is a plan with other colors that run before the first event.
func starting(start string, p simulation.Plan) simulation.Plan {
	p.Start = start
	return p
}

// firstTo is a plan in which nothing runs and the first release goes to a color.
func firstTo(c release.Color, list ...simulation.Item) simulation.Plan {
	p := starting("nothing", items(list...))
	p.Policy.First = c
	return p
}

// byName is a plan in which the gateway is a name.
func byName(list ...simulation.Item) simulation.Plan {
	p := items(list...)
	p.DNS = true
	return p
}

// bothBad is a plan in which the first image that is live and the last one answer errors.
func bothBad(list ...simulation.Item) simulation.Plan {
	p := items(list...)
	p.Behave = map[int]fake.Behaviour{0: {Ready: 5 * second, Errors: true}, 7: {Ready: 5 * second, Errors: true}}
	p.Start = "live"
	return p
}

// flapsThenFails is a plan in which pods of the first release come and go, and image 7 answers
// errors.
func flapsThenFails(list ...simulation.Item) simulation.Plan {
	p := firstTo(release.Green, list...)
	p.Behave = map[int]fake.Behaviour{1: {Ready: 5 * second, Up: 13 * second, Down: 28 * second}, 7: {Ready: 5 * second, Errors: true}}
	return p
}

// idleKept is a plan in which the idle color keeps its size.
func idleKept(list ...simulation.Item) simulation.Plan {
	p := items(list...)
	p.Policy.Standby.Size = release.StandbyReady
	return p
}

func (s story) run(log func(string, ...any)) error {
	plan := scenario{plan: s.plan}.prepared()
	plan.Policy.Standby = s.plan.Policy.Standby
	if s.plan.Policy.First != "" {
		plan.Policy.First = s.plan.Policy.First
	}
	_, err := simulation.Run(plan, log)
	return err
}

func TestStoriesThatOnceBrokeAPromiseKeepThemAll(t *testing.T) {
	for _, s := range kept {
		t.Run(s.name, func(t *testing.T) {
			if err := s.run(nil); err != nil {
				s.run(t.Logf)
				t.Fatalf("%v (before, promise %s was broken: %s)", err, s.promise, s.broke)
			}
		})
	}
}
