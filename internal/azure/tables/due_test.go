package tables_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"
)

func due(t *testing.T, s *tables.Store, app string) engine.Due {
	t.Helper()
	d, err := s.Due(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAMarkThatIsRefusedIsAnErrorAndOneWhoseAnswerIsLostIsThere(t *testing.T) {
	s, l := open(t, once)
	l.brings(refused)
	if _, err := s.Mark(t.Context(), "shop"); !errors.Is(err, errLine) || due(t, s, "shop").Marked {
		t.Errorf("a refused mark: %v, %+v", err, due(t, s, "shop"))
	}
	l.brings(unheard)
	if _, err := s.Mark(t.Context(), "shop"); !errors.Is(err, errLine) || !due(t, s, "shop").Marked {
		t.Errorf("a mark without an answer: %v, %+v", err, due(t, s, "shop"))
	}
	s, l = open(t, retried)
	l.brings(unheard)
	version, err := s.Mark(t.Context(), "shop")
	if d := due(t, s, "shop"); err != nil || d.Version != version {
		t.Errorf("a mark that was sent twice has the version %q, %v; the row is %+v", version, err, d)
	}
}

// Rows whose answer is lost are saved, and not once more over a mark that came since.
func TestRowsWhoseAnswerIsLostAreSavedOnce(t *testing.T) {
	s, l := open(t, retried)
	var rows []engine.Due
	for n := range 5 {
		app := fmt.Sprint("app-", n)
		version, err := s.Mark(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, engine.Due{App: app, Version: version, At: time.Date(2026, 11, 24, 9, 15, 0, 0, time.UTC)})
	}
	l.brings(unheard)
	if err := s.Settle(t.Context(), rows); err != nil {
		t.Error(err)
	}
	for _, r := range rows {
		if d := due(t, s, r.App); d.Marked || !d.At.Equal(r.At) {
			t.Errorf("%+v", d)
		}
	}
	if _, err := s.Mark(t.Context(), "app-3"); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), rows); err != nil || !due(t, s, "app-3").Marked {
		t.Errorf("a mark is gone: %+v, %v", due(t, s, "app-3"), err)
	}
}
