package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/emulator/arm"
)

func TestNothingBelowALockCanBeChanged(t *testing.T) {
	w := newEnv(t, arm.Options{})
	subscription := strings.Split(w.g.ID(), "/")[2]
	for _, scope := range []string{w.g.ID(), strings.ToUpper(w.g.ID()[:strings.Index(w.g.ID(), "/providers")]), "/subscriptions/" + subscription} {
		w.e.Lock(scope)
		resp, err := w.repoint("pool-green", "")
		w.refused(resp, err, http.StatusConflict, "ScopeLocked", "are locked: '"+w.g.ID()[:len(scope)]+"'")
		w.send(w.do(http.MethodGet, "", "", nil))
		w.e.Unlock(scope)
	}
	w.e.Lock(w.g.ID()[:len(w.g.ID())-1]) // of another resource
	w.send(w.repoint("pool-green", ""))
}

func TestADisabledSubscriptionCanOnlyBeRead(t *testing.T) {
	w := newEnv(t, arm.Options{})
	subscription := strings.Split(w.g.ID(), "/")[2]
	w.e.Disable(subscription)
	resp, err := w.repoint("pool-green", "")
	w.refused(resp, err, http.StatusConflict, "ReadOnlyDisabledSubscription", subscription)
	w.send(w.do(http.MethodGet, "", "", nil))
	w.e.Enable(subscription)
	w.send(w.repoint("pool-green", ""))
}

func TestAGatewayThatCannotReadItsCertificateAcceptsWritesAndFailsThem(t *testing.T) {
	w := newEnv(t, arm.Options{})
	w.g.Set(func(b *arm.Behaviour) { b.SecretDenied = true })
	_, err := wait(t, w.poller(w.send(w.repoint("pool-green", ""))))
	if err == nil || !strings.Contains(err.Error(), "ApplicationGatewayKeyVaultSecretAccessDenied") || !strings.Contains(err.Error(), "https://kv-shop.vault.azure.net/secrets/cert-shop") {
		t.Errorf("the operation ended with %v", err)
	}
	if state(w.g.Document()) != "Failed" || w.g.RulePool("podinfo-https") != "pool-blue" {
		t.Error("a failed operation moved requests")
	}
	w.g.Set(func(b *arm.Behaviour) { b.SecretDenied = false })
	if _, err := wait(t, w.poller(w.send(w.repoint("pool-green", "")))); err != nil {
		t.Error(err)
	}
}
