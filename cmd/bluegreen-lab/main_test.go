package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/lab"
)

func TestMain(m *testing.M) {
	lab.Handle()
	os.Exit(m.Run())
}

// freePorts are two ports, one after the other, on which nothing listens.
func freePorts(t *testing.T) string {
	t.Helper()
	for range 100 {
		one, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := one.Addr().(*net.TCPAddr).Port
		two, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		one.Close()
		if err == nil {
			two.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("there are no two free ports, one after the other")
	return ""
}

func TestTheCommandLineIsAnsweredWithAnExitStatus(t *testing.T) {
	free := freePorts(t)
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{0, "version dev", []string{"--version"}},
		{0, "appgateway or trafficmanager", []string{"--help"}},
		{0, "lose-pods APP COLOR", []string{"help"}},
		{1, "the lab has no gateway", []string{"--demo", "--gateway", "frontdoor"}},
		{1, "no lab answers on port " + free, []string{"--port", free, "push", "shop", "2.0.0"}},
		{2, "not defined", []string{"--gatewy", "appgateway"}},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%v: exit status %d, expected %d with %q\n%s", c.args, code, c.code, c.text, out.String())
		}
	}
}

func TestHelpThatWasAskedForGoesToStdout(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}} {
		var out, wrong bytes.Buffer
		run(t.Context(), args, &out, &wrong)
		if wrong.Len() > 0 || !strings.Contains(out.String(), "-gateway") {
			t.Errorf("%v: stdout has %q, stderr %q", args, out.String(), wrong.String())
		}
	}
}

// TestTheLabNeedsNoFileAndTakesCommandsUntilItIsInterrupted runs it in an empty folder.
func TestTheLabNeedsNoFileAndTakesCommandsUntilItIsInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	at := freePorts(t)
	ended := make(chan int)
	var out, answers bytes.Buffer
	go func() { ended <- run(ctx, []string{"--port", at}, &out, &out) }()
	for code := 1; code != 0 || !strings.Contains(answers.String(), "2.0.0 on green"); {
		answers.Reset()
		code = run(t.Context(), []string{"--port", at, "who", "shop"}, &answers, &answers)
		time.Sleep(50 * time.Millisecond)
	}
	if code := run(t.Context(), []string{"--port", at, "push", "shop", "latest"}, &answers, &answers); code != 1 || !strings.Contains(answers.String(), "is not a version") {
		t.Errorf("exit status %d: %s", code, answers.String())
	}
	var second bytes.Buffer
	if code := run(t.Context(), []string{"--port", at}, &second, &second); code != 1 || !strings.Contains(second.String(), "another lab may be running") {
		t.Errorf("a second lab: exit status %d: %s", code, second.String())
	}
	stop()
	if code := <-ended; code != 0 || !strings.Contains(out.String(), "release 1: 2.0.0") || !strings.HasSuffix(out.String(), "The lab is down.\n") {
		t.Errorf("exit status %d\n%s", code, out.String())
	}
	port, _ := strconv.Atoi(at)
	if want := fmt.Sprintf("export BLUEGREEN_URL=http://127.0.0.1:%d BLUEGREEN_KEY=lab\n", port+1); !strings.Contains(out.String(), want) {
		t.Errorf("%q is not printed:\n%s", want, out.String())
	}
}
