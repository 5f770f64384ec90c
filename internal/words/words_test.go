package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestWordsThatAreGoneStayAway(t *testing.T) {
	all, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range table {
		var places bytes.Buffer
		if list(&places, all, w.not); w.held && places.Len() > 0 {
			t.Errorf("%q is back, write %q:\n%s", w.not, w.but, places.String())
		}
	}
}

func TestAWordIsFoundInEveryKindOfText(t *testing.T) {
	all, err := source("x.go", []byte("package x\n\n// owed is the way\n// back of a blueway.\nvar wayBackAt, backWay = 1, `no\nway-back`\n"))
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, piece{pages, "x.md", 1, "a door\n\nto the way back"})
	var places bytes.Buffer
	if !list(&places, all, "way back") || list(&places, all, "unheard of") {
		t.Error("only words of the table are listed")
	}
	for _, place := range []string{"x.go:3: comments: way\n back\n", "x.go:5: names: way back\n", "x.go:6: strings: way-back\n", "x.md:3: pages: way back\n"} {
		if !strings.Contains(places.String(), place) {
			t.Errorf("%q is not in\n%s", place, places.String())
		}
	}
	if n := strings.Count(places.String(), "x."); n != 4 {
		t.Errorf("%d places:\n%s", n, places.String())
	}
}

func TestNamesAreSplitIntoWords(t *testing.T) {
	for name, words := range map[string]string{"WayBackObserved": "way back observed", "tellHTTPDoor": "tell http door", "a": "a", "fitFor2Pods": "fit for2 pods"} {
		if got := split(name); got != words {
			t.Errorf("%s: %q, expected %q", name, got, words)
		}
	}
}
