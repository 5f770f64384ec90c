package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bluegreen/internal/engine"
)

// Slack sends blocks of the Block Kit to a channel of Slack, by an incoming webhook.
// Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type Slack struct {
	receiver
	url string
}

var _ engine.Notifier = (*Slack)(nil)

// NewSlack makes a Slack. The address is a secret.
func NewSlack(address string, over http.RoundTripper) (*Slack, error) {
	if problem := Problem(address); problem != "" {
		return nil, errors.New("its address " + problem)
	}
	return &Slack{newReceiver(over, parts(address)...), address}, nil
}

// Notify implements engine.Notifier. Only the answer ok means that the message was taken.
func (s *Slack) Notify(ctx context.Context, m engine.Message) error {
	body, err := encoded(blocks(noteOf(m)))
	if err != nil {
		return fmt.Errorf("write the blocks: %w", err)
	}
	a, err := s.send(ctx, http.MethodPost, s.url, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(a.body)) != "ok" {
		return fmt.Errorf("answered %d without ok%s", a.status, s.quoted(a.body))
	}
	return nil
}

func blocks(n note) element {
	list := []element{{"type": "header", "text": text(n.Title, 150)}}
	if n.Text != "" {
		list = append(list, element{"type": "section", "text": text(n.Text, 3000)})
	}
	var fields []element
	for _, v := range n.Values {
		fields = append(fields, text(v.label+": "+v.text, 2000))
	}
	list = append(list, element{"type": "section", "fields": fields})
	for _, need := range n.Needs {
		list = append(list, element{"type": "section", "text": text("Needs you: "+need.why, 3000)})
		for _, help := range need.helps {
			list = append(list, element{"type": "context", "elements": []element{text(help.label, 2000), text(help.text, 2000)}})
		}
	}
	if n.Link != "" {
		list = append(list, element{"type": "section", "text": element{"type": "mrkdwn", "text": "<" + escaped(n.Link) + "|Open the app's page>"}})
	}
	return element{"text": escaped(n.Title), "blocks": list, "unfurl_links": false, "unfurl_media": false}
}

// text is a text without markup, at most so many characters as it is sent.
func text(s string, most int) element {
	for len([]rune(escaped(s))) > most {
		s = cut(s, len([]rune(s))*9/10)
	}
	return element{"type": "plain_text", "text": escaped(s), "emoji": false}
}

// escaped keeps a text from being read as a mention or a link.
// Source: docs.slack.dev/messaging/formatting-message-text#escaping
func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
