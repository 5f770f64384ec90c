package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bluegreen/internal/engine"
)

// Teams sends Adaptive Cards to a channel or chat of Microsoft Teams, by a webhook of Workflows.
// Source: learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
type Teams struct {
	receiver
	url string
}

var _ engine.Notifier = (*Teams)(nil)

// NewTeams makes a Teams. The address is a secret.
func NewTeams(address string, over http.RoundTripper) (*Teams, error) {
	if problem := Problem(address); problem != "" {
		return nil, errors.New("its address " + problem)
	}
	return &Teams{newReceiver(over, parts(address)...), address}, nil
}

// Notify implements engine.Notifier. A webhook may answer 200 with the text of an error.
func (t *Teams) Notify(ctx context.Context, m engine.Message) error {
	body, err := encoded(cardMessage(noteOf(m)))
	if err != nil {
		return fmt.Errorf("write the card: %w", err)
	}
	a, err := t.send(ctx, http.MethodPost, t.url, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	if text := strings.ToLower(string(a.body)); strings.Contains(text, "failed") || strings.Contains(text, "error") {
		return fmt.Errorf("answered %d, and%s", a.status, t.quoted(a.body))
	}
	return nil
}

// element is an object of an Adaptive Card.
type element map[string]any

func cardMessage(n note) element {
	// Texts are TextRuns, which know no markup.
	title := element{"type": "Container", "style": n.Mood, "bleed": true, "items": []element{
		line(element{"type": "TextRun", "text": n.Title, "weight": "Bolder", "size": "Medium"}),
	}}
	body := []element{title}
	if n.Text != "" {
		body = append(body, line(run(n.Text)))
	}
	for _, v := range n.Values {
		body = append(body, line(bold(v.label+": "), run(v.text)))
	}
	for _, need := range n.Needs {
		body = append(body, line(element{"type": "TextRun", "text": "Needs you: ", "weight": "Bolder", "color": "Attention"}, run(need.why)))
		for _, help := range need.helps {
			body = append(body, line(element{"type": "TextRun", "text": help.label, "fontType": "Monospace"}, run(" – "+help.text)))
		}
	}
	card := element{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"fallbackText": n.Title, "body": body, "msteams": element{"width": "Full"},
	}
	if n.Link != "" {
		card["actions"] = []element{{"type": "Action.OpenUrl", "title": "Open the app's page", "url": n.Link}}
	}
	return element{"type": "message", "attachments": []element{
		{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card},
	}}
}

func line(runs ...element) element { return element{"type": "RichTextBlock", "inlines": runs} }

func run(text string) element { return element{"type": "TextRun", "text": text} }

func bold(text string) element {
	return element{"type": "TextRun", "text": text, "weight": "Bolder"}
}
