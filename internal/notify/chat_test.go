package notify_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"bluegreen/internal/engine"
	"bluegreen/internal/notify"
	"bluegreen/internal/release"
)

// hostile is text from outside that tries to be markup.
const hostile = "<!channel> <@U1> *bold* [click](https://evil.example) <https://evil.example|here> <at>All</at> & \x1b[31m\u202e end"

// messages are one of each kind, with texts as short, long and hostile as they come.
func messages() (all []engine.Message) {
	for n, kind := range release.PublishedKinds() {
		for _, text := range []string{"green is live", hostile, strings.Repeat("ü<&>", 4000)} {
			m := switched
			m.Fact.Kind, m.Fact.Text, m.Fact.By, m.Fact.Number = kind, text, release.Actor{Claimed: text}, n
			m.Colors = []release.ColorText{{Color: release.Blue, Text: "no traffic: " + text}, {Color: release.Green, Users: true, Text: "has the users: " + text}}
			m.Status.Headline = text
			for range 5 {
				m.Status.Needs = append(m.Status.Needs, release.Need{Why: text, Helps: []release.Remedy{{Command: release.Rollback, Does: text}, {Command: release.Cancel, Does: text}}})
			}
			m.Link = "https://bluegreen.example.com/api/ui/apps/shop"
			all = append(all, m)
		}
	}
	return append(all, switched)
}

func TestTeamsGetsAdaptiveCards(t *testing.T) {
	s := newReceiver(t, status(202, ""))
	teams, err := notify.NewTeams(s.URL+"/workflows/s3cr3tpart?sig=s3cr3tsig", http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages() {
		if err := teams.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range s.bodies {
		checkTeams(t, body)
	}
	first := string(s.bodies[0])
	for _, want := range []string{"shop: green is live", "has the users: green is live", "ana", "3 of 6.1.0", "bluegreen rollback shop", "https://bluegreen.example.com/api/ui/apps/shop"} {
		if !strings.Contains(first, want) && !strings.Contains(string(s.bodies[len(s.bodies)-1]), want) {
			t.Errorf("no message has %q: %.900s", want, first)
		}
	}
}

// checkTeams checks what the schema of Adaptive Cards 1.4 and the limits of Teams require.
func checkTeams(t *testing.T, body []byte) {
	t.Helper()
	if len(body) > 28<<10 {
		t.Errorf("a message has %d bytes, Teams takes 28 KB", len(body))
	}
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     map[string]any
		}
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		t.Fatalf("%v: %s", err, body)
	}
	card := m.Attachments[0].Content
	if card["type"] != "AdaptiveCard" || card["version"] != "1.4" || card["$schema"] != "http://adaptivecards.io/schemas/adaptive-card.json" {
		t.Errorf("%v %v", card["type"], card["version"])
	}
	for _, e := range append(list(card["body"]), list(card["actions"])...) {
		checkElement(t, e.(map[string]any))
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func checkElement(t *testing.T, e map[string]any) {
	t.Helper()
	switch e["type"] {
	case "Container":
		if style := e["style"]; style != "accent" && style != "good" && style != "attention" {
			t.Errorf("style %v", style)
		}
		for _, item := range list(e["items"]) {
			checkElement(t, item.(map[string]any))
		}
	case "RichTextBlock":
		if len(list(e["inlines"])) == 0 {
			t.Error("a RichTextBlock without inlines")
		}
		for _, item := range list(e["inlines"]) {
			checkElement(t, item.(map[string]any))
		}
	case "TextRun": // knows no markup
		if text, _ := e["text"].(string); text == "" || strings.ContainsFunc(text, release.Hidden) {
			t.Errorf("a TextRun with the text %.80q", text)
		}
	case "Action.OpenUrl":
		if url, _ := e["url"].(string); url != "https://bluegreen.example.com/api/ui/apps/shop" {
			t.Errorf("an action leads to %q", url)
		}
	default:
		t.Errorf("an element of type %v", e["type"])
	}
}

func TestSlackGetsBlocks(t *testing.T) {
	s := newReceiver(t, status(200, "ok"))
	slack, err := notify.NewSlack(s.URL+"/services/T000/B000/s3cr3tpart", http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages() {
		if err := slack.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range s.bodies {
		checkSlack(t, body)
	}
	if first := string(s.bodies[0]); !strings.Contains(first, "shop: green is live") || !strings.Contains(first, "bluegreen rollback shop") || !strings.Contains(first, "<https://bluegreen.example.com/api/ui/apps/shop|") {
		t.Errorf("%.900s", first)
	}
}

// checkSlack checks what the Block Kit requires, and that no text from outside is markup.
func checkSlack(t *testing.T, body []byte) {
	t.Helper()
	var m struct {
		Text   string
		Blocks []struct {
			Type             string
			Text             *slackText
			Fields, Elements []slackText
		}
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50 {
		t.Fatalf("%v: %s", err, body)
	}
	for _, b := range m.Blocks {
		switch {
		case b.Type == "header" && b.Text != nil:
			b.Text.check(t, 150, false)
		case b.Type == "section" && b.Text != nil:
			b.Text.check(t, 3000, true)
		case b.Type == "section" && len(b.Fields) > 0 && len(b.Fields) <= 10:
			for _, f := range b.Fields {
				f.check(t, 2000, false)
			}
		case b.Type == "context" && len(b.Elements) > 0 && len(b.Elements) <= 10:
			for _, f := range b.Elements {
				f.check(t, 2000, false)
			}
		default:
			t.Errorf("a block %+v", b)
		}
	}
}

type slackText struct{ Type, Text string }

func (x slackText) check(t *testing.T, most int, link bool) {
	t.Helper()
	const ours = "<https://bluegreen.example.com/api/ui/apps/shop|Open the app's page>"
	switch {
	case x.Type == "mrkdwn" && link && x.Text == ours:
	case x.Type != "plain_text" || strings.ContainsAny(x.Text, "<>"):
		t.Errorf("text that can be markup: %.80q", x.Text)
	case x.Text == "" || utf8.RuneCountInString(x.Text) > most || strings.ContainsFunc(x.Text, release.Hidden):
		t.Errorf("%d characters, at most %d: %.80q", utf8.RuneCountInString(x.Text), most, x.Text)
	}
}

func TestAChatThatAnswersWronglyHasNotGotTheMessage(t *testing.T) {
	chats := map[string]func(string) (engine.Notifier, error){
		"teams": func(at string) (engine.Notifier, error) { return notify.NewTeams(at, http.DefaultTransport) },
		"slack": func(at string) (engine.Notifier, error) { return notify.NewSlack(at, http.DefaultTransport) },
	}
	for _, c := range []struct {
		chat   string
		status int
		body   string
		good   bool
	}{
		{"teams", 202, "", true}, {"teams", 200, "1", true},
		{"teams", 200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413", false},
		{"teams", 200, `{"error":{"code":"WorkflowTriggerIsNotEnabled"}}`, false}, {"teams", 404, "", false}, {"teams", 302, "", false},
		{"slack", 200, "ok", true}, {"slack", 200, "", false}, {"slack", 200, "invalid_payload", false}, {"slack", 200, "<html>proxy</html>", false},
		{"slack", 400, "invalid_payload", false}, {"slack", 403, "action_prohibited", false}, {"slack", 410, "channel_is_archived", false},
		{"slack", 500, "/services/s3cr3tpart?sig=s3cr3tsig", false},
	} {
		t.Run(fmt.Sprint(c.chat, c.status, c.body), func(t *testing.T) {
			s := newReceiver(t, status(c.status, c.body))
			n, err := chats[c.chat](s.URL + "/services/s3cr3tpart?sig=s3cr3tsig")
			if err != nil {
				t.Fatal(err)
			}
			err = n.Notify(t.Context(), switched)
			if (err == nil) != c.good {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error has a secret: %v", err)
			}
			s.Close()
			if err := n.Notify(t.Context(), switched); err == nil || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("a receiver that is away: %v", err)
			}
		})
	}
}
