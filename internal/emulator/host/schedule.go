package host

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is an NCRONTAB expression in UTC.
type schedule struct {
	*cron.SpecSchedule
	// often is set when it has occurrences less than a minute apart: such timers are not
	// monitored.
	often bool
}

var ncrontab = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// newSchedule parses six fields, or five that leave the seconds out.
func newSchedule(text string) (*schedule, error) {
	fields := strings.Fields(text)
	if len(fields) == 5 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 6 || strings.ContainsAny(text, "?=@%") {
		return nil, fmt.Errorf("schedule %q must be {second} {minute} {hour} {day} {month} {day of week}; a time span works on App Service plans only", text)
	}
	spec, err := ncrontab.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", text, err)
	}
	s := &schedule{SpecSchedule: spec.(*cron.SpecSchedule)}
	s.Location = time.UTC
	first := s.after(time.Now())
	if first.IsZero() {
		return nil, errors.New("schedule " + text + " never occurs")
	}
	s.often = s.after(first).Sub(first) < time.Minute
	return s, nil
}

// after is the next occurrence. Day and day of week must both match; in cron one of them is
// enough.
func (s *schedule) after(t time.Time) time.Time {
	for t = s.Next(t.UTC()); !t.IsZero(); t = s.Next(t) {
		if s.Dom&(1<<uint(t.Day())) != 0 && s.Dow&(1<<uint(t.Weekday())) != 0 {
			return t
		}
	}
	return t
}
