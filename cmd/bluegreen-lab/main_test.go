package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestTheCommandLineIsAnsweredWithAnExitStatus(t *testing.T) {
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{0, "version dev", []string{"--version"}},
		{0, "appgateway or trafficmanager", []string{"--help"}},
		{1, "start it there (make run)", nil}, // this folder has no host.json
		{1, "start it there (make run)", []string{"--demo", "--gateway", "trafficmanager"}},
		{2, "unexpected argument", []string{"demo"}},
		{2, "not defined", []string{"--gatewy", "appgateway"}},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%v: exit status %d, expected %d with %q\n%s", c.args, code, c.code, c.text, out.String())
		}
	}
}

func TestTheLabStaysUpUntilItIsInterrupted(t *testing.T) {
	t.Chdir("../..")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var out bytes.Buffer
	if code := run(ctx, nil, &out, &out); code != 0 || !strings.Contains(out.String(), "release 1: 2.0.0") || !strings.HasSuffix(out.String(), "The lab is down.\n") {
		t.Errorf("exit status %d\n%s", code, out.String())
	}
}
