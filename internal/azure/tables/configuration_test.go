package tables_test

import (
	"errors"
	"strings"
	"testing"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
)

func TestAConfigurationIsKept(t *testing.T) {
	s := tables.New(client(t, nil, retried))
	if text, err := s.Configuration(t.Context()); err != nil || text != nil {
		t.Errorf("before the first: %q, %v", text, err)
	}
	for _, text := range []string{"{}", strings.Repeat("ä€🙂\n", 50_000), "short"} {
		if err := s.KeepConfiguration(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Configuration(t.Context()); err != nil || string(got) != text {
			t.Errorf("%d bytes are %d, %v", len(text), len(got), err)
		}
	}
	if err := s.KeepConfiguration(t.Context(), []byte(strings.Repeat("x", 500<<10))); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("too much: %v", err)
	}
	if got, err := s.Configuration(t.Context()); err != nil || string(got) != "short" {
		t.Errorf("then %q, %v", got, err)
	}
}
