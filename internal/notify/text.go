package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// What a message has at most, in characters and needs: Teams takes 28 KB.
const (
	mostTitle = 140
	mostText  = 2000
	mostValue = 300
	mostNeeds = 3
)

// note is a message for people. Its texts are plain: none is to be read as markup.
type note struct {
	Title  string
	Text   string // the rest of a title that is too long
	Mood   mood
	Values []value
	Needs  []need
	Link   string
}

type value struct{ label, text string }

type need struct {
	why   string
	helps []value // command, and what it does
}

type mood string

const (
	neutral mood = "accent"
	well    mood = "good"
	bad     mood = "attention"
)

func moodOf(k release.FactKind) mood {
	switch k {
	case release.ReleaseCompleted:
		return well
	case release.ReleaseFailed, release.ReleaseReturned, release.DriftFound, release.NeedsHelp:
		return bad
	}
	return neutral
}

func noteOf(m engine.Message) note {
	f := m.Fact
	whole := plain(f.Line())
	n := note{Title: cut(m.App+": "+whole, mostTitle), Mood: moodOf(f.Kind), Link: m.Link}
	if n.Title != m.App+": "+whole {
		n.Text = cut(whole, mostText)
	}
	add := func(label, text string) {
		if text = plain(text); text != "" {
			n.Values = append(n.Values, value{label, cut(text, mostValue)})
		}
	}
	for _, c := range m.Colors {
		add(label(string(c.Color)), c.Text)
	}
	if f.Release > 0 {
		add("Release", fmt.Sprintf("%d of %s", f.Release, f.Image))
	}
	add("By", f.By.String())
	add("At", f.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	add("Now", m.Status.Headline)
	for _, s := range m.Status.Needs[:min(len(m.Status.Needs), mostNeeds)] {
		one := need{why: cut(plain(s.String()), mostValue)}
		for _, help := range s.Helps[:min(len(s.Helps), mostNeeds)] {
			one.helps = append(one.helps, value{cut(plain(help.Line(m.App)), mostValue), cut(plain(help.Does), mostValue)})
		}
		n.Needs = append(n.Needs, one)
	}
	return n
}

func label(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// plain is a text without characters that are not seen.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), release.Hidden), " ")
}

// encoded is JSON as chats take it: < and > as they are, so that a text is no longer than it looks.
func encoded(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return out.Bytes(), err
}
