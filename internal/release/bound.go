package release

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most characters of a text from outside: of a name, of an operator's reason, and of a
// message of another system.
const (
	mostName    = 256
	mostReason  = 1024
	mostMessage = 2048
)

// Bounded returns the event with its texts as long as a state takes them, of printing
// characters only and without secrets. Every event passes here on its way into an inbox, and into a state.
func Bounded(e Event) Event {
	switch e := e.(type) {
	case ImagePushed:
		beside := make([]Image, len(e.Beside))
		for n, i := range e.Beside {
			beside[n] = i.bounded()
		}
		e.Image, e.Beside = e.Image.bounded(), beside
		return e
	case AlertFired:
		bound(mostName, &e.ID, &e.Rule, &e.Severity)
		bound(mostMessage, &e.Summary)
		e.By = e.By.Bounded()
		return e
	case AlertResolved:
		bound(mostName, &e.ID, &e.Rule)
		e.By = e.By.Bounded()
		return e
	case Commanded:
		bound(mostName, &e.Digest, &e.Tag)
		bound(mostReason, &e.Why)
		e.Image, e.By = e.Image.bounded(), e.By.Bounded()
		return e
	}
	return boundedSeen(e)
}

// boundedSeen is Bounded for observations.
func boundedSeen(e Event) Event {
	switch e := e.(type) {
	case Looked:
		bound(mostMessage, &e.Detail, &e.Unseen)
		e.Warnings, e.Blue, e.Green = boundedList(e.Warnings), e.Blue.bounded(), e.Green.bounded()
		return e
	case ColorSeen:
		e.Seen = *e.Seen.bounded()
		return e
	case RolloutObserved:
		bound(mostMessage, &e.Detail, &e.Unheld)
		e.Seen = *e.Seen.bounded()
		return e
	case ChecksBegun:
		bound(mostName, &e.Run)
		return e
	case ChecksEnded:
		bound(mostName, &e.Run)
		return e
	case ChecksObserved:
		bound(mostMessage, &e.Detail)
		bound(mostName, &e.Run, &e.Made)
		bound(mostReason, &e.Signer)
		e.Seen = e.Seen.bounded()
		return e
	case RouteObserved:
		bound(mostMessage, &e.Detail, &e.Unconfirmed)
		return e
	case TargetObserved:
		bound(mostMessage, &e.Detail)
		return e
	case Probed:
		bound(mostMessage, &e.Detail, &e.TargetDetail)
		e.Warnings, e.Live, e.Target = boundedList(e.Warnings), e.Live.bounded(), e.Target.bounded()
		return e
	case SizeFreed:
		bound(mostMessage, &e.Denied)
		return e
	case StepFailed:
		bound(mostMessage, &e.Detail)
		return e
	case FenceRaised:
		bound(mostMessage, &e.Detail)
		return e
	}
	return e
}

func (i Image) bounded() Image {
	bound(mostName, &i.Digest, &i.Tag)
	return i
}

func (o *Observed) bounded() *Observed {
	if o == nil {
		return nil
	}
	seen := *o
	bound(mostName, &seen.By)
	seen.Image = seen.Image.bounded()
	return &seen
}

// boundedList bounds messages which are reported together.
func boundedList(list []string) []string {
	var out []string
	for left := mostMessage; len(out) < len(list) && left > 0; {
		text := list[len(out)]
		bound(left, &text)
		out, left = append(out, text), left-utf8.RuneCountInString(text)
	}
	return out
}

// bound makes texts plain, without secrets, and at most so many characters long.
func bound(most int, texts ...*string) {
	for _, text := range texts {
		*text = plain(shortened(WithoutSecrets(*text), most))
	}
}

// shortened is at most so many characters of a text, at least one. What was cut ends in "…".
func shortened(text string, most int) string {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:most-1]) + "…"
}

// Hidden reports whether a character does not print: it would break a line, move a terminal,
// or show others in another order than they stand in.
func Hidden(r rune) bool { return !unicode.IsPrint(r) }

// plain is a text on one line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if Hidden(r) {
			return ' '
		}
		return r
	}, text)
}

// Shortened returns the state with each text for people at most so many characters long.
// Decisions, and what they are made from, stay: also that there is a text.
func (s State) Shortened(most int) State {
	cut := func(texts ...*string) {
		for _, text := range texts {
			*text = shortened(*text, most)
		}
	}
	cut(&s.Blue.Suspect.Why, &s.Green.Suspect.Why, &s.WaitingBy.Why, &s.Hold.Why, &s.Pause.Why, &s.Trouble.Why, &s.Help.Why, &s.Drift.Detail, &s.Alert.Alert.Summary, &s.Alert.Seen,
		&s.Blue.Verified.Signer, &s.Green.Verified.Signer, &s.Blue.Verified.Why, &s.Green.Verified.Why,
		&s.Release.Why, &s.Release.Cause, &s.Release.Unconfirmed, &s.Release.Progress.Detail)
	quarantined := make([]Quarantine, len(s.Quarantined))
	for n, q := range s.Quarantined {
		cut(&q.Why)
		quarantined[n] = q
	}
	s.Quarantined = quarantined
	return s
}
