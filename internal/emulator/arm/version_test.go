package arm_test

import (
	"net/http"
	"testing"

	"bluegreen/internal/emulator/arm"
)

func TestAnOldVersionOfTheAPIDropsWhatItDoesNotKnow(t *testing.T) {
	w := newEnv(t, arm.Options{})
	if err := w.g.Rival(func(doc map[string]any) { properties(doc)["newFeature"] = map[string]any{"enabled": true} }); err != nil {
		t.Fatal(err)
	}
	w.g.Release()
	w.g.Set(func(b *arm.Behaviour) {
		b.Versions, b.Since = []string{apiVersion, "2026-01-01"}, map[string]string{"newFeature": "2026-01-01"}
	})
	old := w.value(w.g.ID())
	if properties(old)["newFeature"] != nil {
		t.Error("an old version shows what only a new one knows")
	}
	if properties(w.g.Document())["newFeature"] == nil {
		t.Error("a read changed the gateway")
	}
	w.send(w.do(http.MethodPut, "", "", old))
	if properties(w.g.Document())["newFeature"] != nil {
		t.Error("a write with an old version keeps what it did not send")
	}
	w.g.Set(func(b *arm.Behaviour) { b.Versions = []string{"2026-01-01"} })
	resp, err := w.do(http.MethodGet, "", "", nil)
	w.refused(resp, err, http.StatusBadRequest, "NoRegisteredProviderFound", "API version '"+apiVersion+"'", "supported api-versions are '2026-01-01'")
}
