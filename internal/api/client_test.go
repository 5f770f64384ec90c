package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// serve answers the n-th request (from 0) and returns a client to it.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *api.Client {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		answer(n-1, w, r)
	}))
	t.Cleanup(s.Close)
	return &api.Client{Base: s.URL, Key: "s3cr3t", Pause: time.Microsecond}
}

func TestAChangeIsRepeatedOnlyUnderTheSameKey(t *testing.T) {
	var seen []string
	c := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.Path+" "+r.Header.Get(api.KeyHeader)+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("x-functions-key")+" "+string(body))
		switch n {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, `{"outcome": "done"}`)
		}
	})
	a, err := c.Command(t.Context(), "shop", release.Switch, api.Request{Why: "x"}, "k1")
	if err != nil || a.Outcome != api.Done {
		t.Fatal(a, err)
	}
	want := `POST /api/apps/shop/switch k1 application/json s3cr3t {"why":"x"}`
	if len(seen) != 3 || slices.ContainsFunc(seen, func(s string) bool { return s != want }) {
		t.Errorf("%q", seen)
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	asked := 0
	c := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		asked = n + 1
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"type": "/api/problems#refused", "status": 409, "code": "refused", "detail": "blue is already live", "headline": "Blue is live"}`)
	})
	_, err := c.Command(t.Context(), "shop", release.Switch, api.Request{}, "k1")
	var e *api.Error
	if !errors.As(err, &e) || e.Status != 409 || e.Code != "refused" || e.Headline != "Blue is live" || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestTryingEndsAndSaysWhatWasAnswered(t *testing.T) {
	asked := 0
	c := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) { asked = n + 1; w.WriteHeader(502) })
	if _, err := c.Apps(t.Context()); err == nil || !strings.Contains(err.Error(), "502") || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	c.Base = "http://127.0.0.1:1"
	if _, err := c.Apps(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestTheHostsOwnAnswersAreExplained(t *testing.T) {
	for status, want := range map[int]string{401: "BLUEGREEN_KEY", 404: "is this the address of bluegreen?", 500: "the host answered 500"} {
		c := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if _, err := c.App(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	c := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>Your Functions app is up and running")
	})
	if _, err := c.App(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "is not bluegreen's") {
		t.Error(err)
	}
}

func TestAKeyIsNotSentInTheClear(t *testing.T) {
	for base, want := range map[string]string{"http://shop.example.com": "use https", "http://10.0.0.1/api": "use https", "ftp://x": "is not the address", "": "is not the address", "shop.example.com": "is not the address"} {
		_, err := (&api.Client{Base: base, Key: "s3cr3t"}).Apps(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestTheBaseMayNameAPIOrNot(t *testing.T) {
	var paths []string
	c := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.RequestURI()+" "+r.Header.Get("Authorization")+r.Header.Get("x-functions-key"))
		fmt.Fprint(w, "{}")
	})
	c.Key = "k" // a token is used in its place
	c.Token = func(context.Context) (string, error) { return "t", nil }
	base := c.Base
	for _, end := range []string{"", "/", "/api", "/api/"} {
		c.Base = base + end
		if _, err := c.History(t.Context(), "a b", 5, 9); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Health(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for _, p := range paths[:4] {
		if p != "/api/signed-in/apps/a%20b/history?before=9&limit=5 Bearer t" {
			t.Error(p)
		}
	}
	c.Token = nil
	if _, err := c.Apps(t.Context()); err != nil || paths[len(paths)-1] != "/api/apps?limit=500 k" {
		t.Error(err, paths)
	}
	c.Token = func(context.Context) (string, error) { return "", errors.New("not signed in") }
	if _, err := c.Apps(t.Context()); err == nil || !strings.Contains(err.Error(), "not signed in") {
		t.Error(err)
	}
}

func TestKeysOfTheClientAreAccepted(t *testing.T) {
	if a, b := api.NewKey(), api.NewKey(); a == b || len(a) < 20 || strings.ContainsFunc(a, func(r rune) bool { return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", r) }) {
		t.Error(a, b)
	}
}

// TestPagesAreFollowedToNoOtherPlace and not for ever: of a link the client takes the query alone.
func TestPagesAreFollowedToNoOtherPlace(t *testing.T) {
	var paths []string
	c := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.RequestURI())
		fmt.Fprintf(w, `{"apps": [{"name": "a%d"}], "next": "https://elsewhere.example/steal?after=%s"}`, n, []string{"a0", "a1", "a1"}[n])
	})
	_, err := c.Apps(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is not bluegreen's") || strings.Join(paths, " ") != "/api/apps?limit=500 /api/apps?after=a0 /api/apps?after=a1" {
		t.Errorf("%v, asked %q", err, paths)
	}
}
