package release

import "fmt"

// ColorText is one color in words. Users is set for the one that has the users.
type ColorText struct {
	Color Color
	Users bool
	Text  string
}

// ColorTexts says of each color, blue first, who has the users and what runs there.
func ColorTexts(s State) []ColorText {
	var both []ColorText
	for _, c := range []Color{Blue, Green} {
		both = append(both, ColorText{Color: c, Users: c == s.Serving.Color, Text: plain(s.colorText(c))})
	}
	return both
}

func (s State) colorText(c Color) string {
	color, r := s.Color(c), s.Release
	text := "no traffic"
	image := color.Image()
	if c == s.Serving.Color {
		text, image = "has the users", s.Serving.Image
	}
	if image.IsZero() {
		return text + ": nothing was seen there yet"
	}
	text = fmt.Sprintf("%s: %s", text, image)
	if seen := color.Observed; !seen.At.IsZero() {
		text += fmt.Sprintf(", %d of %d pods ready", seen.Ready, total(seen.size()))
	}
	switch {
	case r.Phase == Switching && c == r.To, r.Phase == Returning && c == r.From:
		text += "; users move here"
	case r.Phase.Active() && r.Phase != Baking && c == r.To:
		text += fmt.Sprintf("; release %d of %s: %s", r.ID, brief(r.Image), r.Phase)
	case c == s.RollbackTarget().Color:
		text += "; rollback target"
	}
	return text
}
