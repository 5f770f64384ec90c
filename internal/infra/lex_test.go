package infra_test

import (
	"fmt"
	"strings"
)

// token is a word of a Bicep file. A string has parts: text and, between, expressions.
type token struct {
	kind  byte // i identifier, s string, n number, p punctuation, l line end
	text  string
	line  int
	parts []part
}

type part struct {
	text string
	code []token // nil for text
}

// turn is 1 where brackets open and -1 where they close.
func (t token) turn() int {
	switch {
	case t.kind != 'p':
	case t.text == "(" || t.text == "{" || t.text == "[" || t.text == "[?":
		return 1
	case t.text == ")" || t.text == "}" || t.text == "]":
		return -1
	}
	return 0
}

var marks = []string{"=>", "==", "!=", "=~", "!~", "<=", ">=", "&&", "||", "??", "::", ".?", "[?"}

// lex takes a file apart; comments are left out.
func lex(text string) ([]token, error) {
	l := lexer{text: text, line: 1}
	return l.until("")
}

type lexer struct {
	text string
	at   int
	line int
}

func (l *lexer) rest() string { return l.text[l.at:] }

// until reads up to a closing mark at the same depth, "" for the end of the file.
func (l *lexer) until(end string) (found []token, err error) {
	depth := 0
	for l.at < len(l.text) {
		t, ok, err := l.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if t.kind == 'p' && depth == 0 && end != "" && t.text == end {
			return found, nil
		}
		depth += t.turn()
		found = append(found, t)
	}
	if end != "" {
		return nil, fmt.Errorf("line %d: no %s", l.line, end)
	}
	return found, nil
}

func (l *lexer) next() (t token, ok bool, err error) {
	rest := l.rest()
	switch c := rest[0]; {
	case c == ' ' || c == '\t' || c == '\r':
		l.at++
		return t, false, nil
	case strings.HasPrefix(rest, "//"):
		l.at += len(before(rest, "\n"))
		return t, false, nil
	case c == '\n':
		l.at++
		l.line++
		return token{kind: 'l', line: l.line - 1}, true, nil
	case strings.HasPrefix(rest, "'''"):
		body := before(rest[3:], "'''")
		l.at += len(body) + 6
		t = token{kind: 's', line: l.line, parts: []part{{text: body}}}
		l.line += strings.Count(body, "\n")
		return t, true, nil
	case c == '\'':
		t, err = l.quoted()
		return t, true, err
	case letter(c) || c >= '0' && c <= '9':
		n := 1
		for n < len(rest) && (letter(rest[n]) || rest[n] >= '0' && rest[n] <= '9') {
			n++
		}
		l.at += n
		kind := byte('i')
		if !letter(c) {
			kind = 'n'
		}
		return token{kind: kind, text: rest[:n], line: l.line}, true, nil
	}
	for _, m := range marks {
		if strings.HasPrefix(rest, m) {
			l.at += len(m)
			return token{kind: 'p', text: m, line: l.line}, true, nil
		}
	}
	l.at++
	return token{kind: 'p', text: rest[:1], line: l.line}, true, nil
}

// quoted reads a string with its interpolations.
func (l *lexer) quoted() (token, error) {
	t := token{kind: 's', line: l.line}
	var text strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		switch rest := l.rest(); {
		case rest[0] == '\'':
			l.at++
			t.parts = append(t.parts, part{text: text.String()})
			return t, nil
		case rest[0] == '\\' && len(rest) > 1:
			text.WriteByte(rest[1])
			l.at++
		case strings.HasPrefix(rest, "${"):
			t.parts = append(t.parts, part{text: text.String()})
			text.Reset()
			l.at += 2
			code, err := l.until("}")
			if err != nil {
				return t, err
			}
			t.parts = append(t.parts, part{code: code})
			l.at--
		default:
			text.WriteByte(rest[0])
		}
	}
	return t, fmt.Errorf("line %d: a string does not end", t.line)
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func before(text, mark string) string {
	found, _, _ := strings.Cut(text, mark)
	return found
}
