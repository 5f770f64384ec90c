package arm_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"bluegreen/internal/emulator/arm"
)

// meets counts which backends answer a number of users, each with a connection of its own.
func (w *env) meets(users int) map[string]int {
	w.t.Helper()
	found := map[string]int{}
	for range users {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(w.g.ListenerURL("lst-https") + "/")
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		found[string(body)]++
	}
	return found
}

func TestAWriteTakesEffectOneDomainAtATime(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.Set(func(b *arm.Behaviour) { b.Domains, b.EarlySucceeded = 3, true })
	if got := w.meets(9); got["blue"] != 9 {
		t.Fatalf("before the write users meet %v", got)
	}
	w.g.HoldOperations()
	w.send(w.repoint("pool-green", ""))
	eventually(t, "one of three domains has the new configuration", func() bool { return w.meets(9)["green"] == 3 })
	eventually(t, "two of three domains have the new configuration", func() bool { return w.meets(9)["green"] == 6 })
	if state(w.g.Document()) != "Succeeded" || w.g.RulePool("podinfo-https") != "pool-blue" {
		t.Errorf("the gateway is %s with %s, and should show its end too early", state(w.g.Document()), w.g.RulePool("podinfo-https"))
	}
	w.g.Release()
	if got := w.meets(9); got["green"] != 9 || w.g.RulePool("podinfo-https") != "pool-green" {
		t.Errorf("after its end users meet %v", got)
	}
}

func TestAWriteThatIsSupersededOrFailsLeavesNoDomainBehind(t *testing.T) {
	w := newEnv(t, arm.Options{OperationTime: 30 * time.Millisecond})
	w.g.Set(func(b *arm.Behaviour) { b.Domains = 2 })
	w.g.HoldOperations()
	w.send(w.repoint("pool-green", ""))
	eventually(t, "a domain has the new configuration", func() bool { return w.meets(4)["green"] == 2 })
	w.send(w.repoint("pool-blue", ""))
	w.g.Release()
	if got := w.meets(8); got["blue"] != 8 {
		t.Errorf("after the write that superseded it users meet %v", got)
	}
	w.g.HoldOperations()
	w.send(w.repoint("pool-green", ""))
	eventually(t, "a domain has the new configuration", func() bool { return w.meets(4)["green"] == 2 })
	w.g.Inject(1, arm.Write, arm.OperationFails)
	w.send(w.repoint("pool-green", ""))
	w.g.Release()
	eventually(t, "the operation has failed", func() bool { return state(w.g.Document()) == "Failed" })
	if got := w.meets(8); got["blue"] != 8 {
		t.Errorf("after a write that failed users meet %v", got)
	}
}
