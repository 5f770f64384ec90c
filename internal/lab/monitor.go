package lab

import (
	"context"
	"fmt"
	"time"

	"bluegreen/internal/emulator/actiongroup"
)

// again is how long after an alert the same one fires again, while the errors go on.
const again = 15 * time.Second

// limit is how many errors of a pool within a second make the monitor fire.
const limit = 5

// monitor stands for an alert rule on the 5xx answers of each pool of an app. Azure Monitor
// needs minutes for what it does here in a second.
func (l *Lab) monitor(ctx context.Context, s *site) {
	before, fired := map[source]int{}, map[source]time.Time{}
	for sleep(ctx, time.Second) == nil {
		now := s.front.failures()
		for of, n := range now {
			if n-before[of] < limit || time.Since(fired[of]) < again {
				continue
			}
			fired[of] = time.Now()
			l.notes.add(s.name, fmt.Sprintf("the alert %s fires: %d errors of %s within a second", s.rule(), n-before[of], of.pool))
			if err := l.alert(ctx, s, of, n-before[of]); err != nil && ctx.Err() == nil {
				l.Log.Error("alert not sent", "error", err)
			}
		}
		before = now
	}
}

// alert fires the alert about errors of a pool, as Azure Monitor does through an action group.
func (l *Lab) alert(ctx context.Context, s *site, of source, errors int) error {
	alert := actiongroup.Alert{Rule: s.rule(), Severity: "Sev1", Target: of.gateway}
	outcome, err := l.alerts.Send(ctx, alert.Metric(of.pool, float64(errors), limit))
	if err == nil && !outcome.Delivered() {
		err = fmt.Errorf("the alert was not taken: %d %s", outcome.Status, outcome.Answer)
	}
	return err
}
