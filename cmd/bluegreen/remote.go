package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// remote is how a command reaches the API and how it prints.
type remote struct {
	*shell
	url, key string
}

func (r *remote) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.url, "url", "", "address of the Functions app (BLUEGREEN_URL)")
	cmd.Flags().StringVar(&r.key, "key", "", "function key; better in the environment, as BLUEGREEN_KEY")
	own := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if own != nil {
			if err := own(cmd, args); err != nil {
				return err
			}
		}
		if r.address() == "" {
			return errors.New("where is bluegreen? Set BLUEGREEN_URL or --url to the address of the Functions app")
		}
		return nil
	}
}

func (r *remote) address() string { return or(r.url, r.getenv("BLUEGREEN_URL")) }

// client makes a client from flags and environment. BLUEGREEN_TOKEN is a bearer token, for
// apps that sign people in; it proves who asks, and a key does not.
func (r *remote) client() *api.Client {
	c := &api.Client{Base: r.address(), Key: or(r.key, r.getenv("BLUEGREEN_KEY")), Pause: r.every}
	if token := r.getenv("BLUEGREEN_TOKEN"); token != "" {
		c.Token = func(context.Context) (string, error) { return token, nil }
	}
	return c
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// answered marks a failure after which it is not known how things are: the app was not reached, or
// could not answer.
func answered(err error) error {
	var lost *api.Unanswered
	var e *api.Error
	if errors.As(err, &lost) || errors.As(err, &e) && e.Status >= http.StatusInternalServerError {
		return unknown{err}
	}
	return err
}

func (s *shell) json(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// clean takes out what could play tricks with a terminal: some texts come from pods.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if release.Hidden(c) && c != '\n' {
			return ' '
		}
		return c
	}, text)
}

func say(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, clean(fmt.Sprintf(format, args...)))
}
