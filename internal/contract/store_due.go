package contract

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"bluegreen/internal/engine"
)

// due are the due rows by app.
func (s store) due() map[string]engine.Due {
	s.Helper()
	rows, err := s.ListDue(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	all := map[string]engine.Due{}
	for _, d := range rows {
		if _, twice := all[d.App]; twice {
			s.Errorf("%q has two rows", d.App)
		}
		all[d.App] = d
	}
	return all
}

func (s store) mark(app string) (version string) {
	s.Helper()
	version, err := s.Mark(s.Context(), app)
	if err != nil || version == "" {
		s.Fatalf("the version %q after a mark, %v", version, err)
	}
	return version
}

func (s store) settle(rows ...engine.Due) {
	s.Helper()
	if err := s.Settle(s.Context(), rows); err != nil {
		s.Fatal(err)
	}
}

// settled is a row that differs from others in all that it holds.
func settled(app, version string, n int) engine.Due {
	return engine.Due{App: app, Version: version, At: at(n), Config: fmt.Sprint("config ", n), Commit: fmt.Sprint("commit ", n),
		Glances: map[string]engine.Glance{"look": {At: at(n + 1), Saw: fmt.Sprint("saw ", n), Until: at(n + 3)}, "list": {At: at(n + 2)}}}
}

func markedIsDue(s store) {
	s.same("the rows of an empty store", s.due(), map[string]engine.Due{})
	first := s.mark("shop")
	s.same("the rows after a mark", s.due(), map[string]engine.Due{"shop": {App: "shop", Version: first, Marked: true}})
	s.settle(settled("shop", first, 1))
	after := s.due()["shop"]
	s.same("the row after it was settled", after, settled("shop", after.Version, 1))
	second := s.mark("shop")
	marked := settled("shop", second, 1)
	marked.Marked = true
	s.same("the rows after another mark", s.due(), map[string]engine.Due{"shop": marked})
	if one, err := s.Due(s.Context(), "shop"); err != nil {
		s.Error(err)
	} else {
		s.same("the row alone", one, marked)
	}
	if none, err := s.Due(s.Context(), "Shop"); err != nil {
		s.Error(err)
	} else {
		s.same("the row of an app without one", none, engine.Due{})
	}
	if s.mark("shop") == second {
		s.Error("a mark of a marked row keeps its version")
	}
}

func staleSettlesNothing(s store) {
	first := s.mark("shop")
	second := s.mark("shop")
	s.settle(settled("shop", first, 1))
	s.same("the row after a mark", s.due()["shop"], engine.Due{App: "shop", Version: second, Marked: true})
	s.settle(settled("shop", second, 2))
	after := s.due()["shop"]
	s.settle(settled("shop", second, 3), settled("never", first, 4))
	s.settle(settled("shop", first, 5))
	s.same("the rows after settling at old versions", s.due(), map[string]engine.Due{"shop": after})
	s.settle(settled("shop", after.Version, 7))
	if got := s.due()["shop"]; got.Version == after.Version || !got.At.Equal(at(7)) {
		s.Errorf("what was settled cannot be settled again: %+v", got)
	}
}

// manyDue has more rows than a table lists at once, and than it takes in a transaction. Some
// are marked before they are settled.
func manyDue(s store) {
	const apps = 1100
	rows := make([]engine.Due, apps)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := worker; n < apps; n += 8 {
				app := fmt.Sprint("app-", n)
				version, err := s.Mark(s.Context(), app)
				if err != nil {
					s.Error(err)
				}
				rows[n] = settled(app, version, n+1)
			}
		})
	}
	all.Wait()
	late := []int{0, 99, 100, 101, 555, 556, apps - 1}
	for _, n := range late {
		s.mark(rows[n].App)
	}
	s.settle(rows...)
	got := s.due()
	if len(got) != apps {
		s.Errorf("%d of %d rows", len(got), apps)
	}
	for n, want := range rows {
		want.Version = got[want.App].Version
		if slices.Contains(late, n) {
			want = engine.Due{App: want.App, Version: want.Version, Marked: true}
		}
		s.same("the row of "+want.App, got[want.App], want)
	}
	s.settle()
	for n := range rows {
		if rows[n].Version = got[rows[n].App].Version; n == 200 {
			s.mark(rows[n].App)
		}
	}
	if err := s.Forget(s.Context(), rows[100:]); err != nil {
		s.Fatal(err)
	}
	if got = s.due(); len(got) != 101 || !got["app-200"].Marked {
		s.Errorf("%d rows are left", len(got))
	}
}

// marksAndSettlers come at the same time: a mark is never lost.
func marksAndSettlers(s store) {
	for round := range 10 {
		version := s.mark("shop")
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				if err := s.Settle(s.Context(), []engine.Due{settled("shop", version, n)}); err != nil {
					s.Error(err)
				}
			})
		}
		all.Go(func() {
			if _, err := s.Mark(s.Context(), "shop"); err != nil {
				s.Error(err)
			}
		})
		all.Wait()
		if d := s.due()["shop"]; !d.Marked {
			s.Fatalf("round %d: a mark beside settlers is lost: %+v", round, d)
		}
	}
}

func dueApart(s store) {
	apps := []string{"shop", "shop2", "Shop", "shop|a", "shop/a", "o'hara", "ä", strings.Repeat("/", 300) + "x", strings.Repeat("/", 300) + "y"}
	versions := map[string]string{}
	for _, app := range apps {
		versions[app] = s.mark(app)
	}
	for n, app := range apps {
		s.settle(settled(app, versions[app], n+1))
	}
	got := s.due()
	for n, app := range apps {
		s.same("the row of "+app, got[app], settled(app, got[app].Version, n+1))
		s.same("the snapshot of "+app, s.load(app), engine.Snapshot{App: app})
	}
}
