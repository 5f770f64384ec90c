package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
)

func TestTheThirdCrashStopsTheHost(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__extensions__queues__maxDequeueCount=10")
	w.put(exit(3).String())
	err := w.Wait()
	if err == nil || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("the host ended with %v", err)
	}
	if w.Restarts() != 2 {
		t.Errorf("%d restarts, want 2", w.Restarts())
	}
}

func TestAHandlerThatCannotStartReportsTheReason(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "FAKE_EXIT=7")
	if err := w.Wait(); err == nil || !strings.Contains(err.Error(), "the shelf is empty") {
		t.Errorf("the host ended with %v", err)
	}
}

func TestOldCrashesDoNotCount(t *testing.T) {
	t.Parallel()
	w := startWith(t, host.Options{Root: folder(t, queueApp), Times: host.Times{Strikes: time.Nanosecond}})
	dead := 0
	for n := range 4 {
		eventually(t, "the handler runs", func() bool { return w.Restarts() == n && w.PID() != dead })
		dead = w.ready().PID()
		if err := w.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a restart", func() bool { return w.Restarts() == n+1 })
	}
	w.put("still here")
	eventually(t, "an invocation", func() bool {
		for _, i := range w.Invocations("") {
			if i.Err == nil {
				return true
			}
		}
		return false
	})
}

func TestExitCode0IsTheEndOfTheHandlerButNotOfTheHost(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"on-event": eventFunction}).ready()
	event := func(o order) answer {
		return w.call("POST", w.EventGridURL("on-event"), `[{"id":"1","data":`+o.String()+`}]`, "aeg-event-type", "Notification")
	}
	event(exit(0))
	eventually(t, "the host logs it", func() bool { return strings.Contains(w.log.String(), "exit code 0") })
	for range 3 {
		if got := event(order{}); got.status != 500 {
			t.Errorf("got %+v", got)
		}
		if all := w.Invocations(""); !strings.Contains(fmt.Sprint(all[len(all)-1].Err), "refused") {
			t.Errorf("the reason is %v", all[len(all)-1].Err)
		}
	}
	if w.Restarts() != 0 {
		t.Errorf("%d restarts", w.Restarts())
	}
}

func TestExitCode200RestartsForFreeOnTheSamePort(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__extensions__queues__maxDequeueCount=100").ready()
	for n, name := range []string{"a", "b", "c", "d"} {
		o := exit(200)
		o.Once = name
		w.put(o.String())
		eventually(t, "a restart", func() bool { return w.Restarts() == n+1 })
	}
	eventually(t, "every message is done", func() bool { return len(w.queues.Texts("work-items")) == 0 })
	ports := map[string]bool{}
	for _, i := range w.Invocations("") {
		if i.Err == nil {
			ports[heard(t, i).Host] = true
		}
	}
	if len(ports) != 1 {
		t.Errorf("the handler listened on %v", ports)
	}
}

func TestAStepThatIsKilledIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp).ready()
	before := w.PID()
	w.put(order{Sleep: time.Hour, Once: "begun"}.String())
	eventually(t, "the step begins", func() bool {
		_, err := os.Stat(filepath.Join(w.dir, "begun"))
		return err == nil
	})
	if err := w.Kill(); err != nil {
		t.Fatal(err)
	}
	if first := w.ended("drain-queue", 1); first.Err == nil {
		t.Error("the killed step counts as done")
	}
	eventually(t, "the step is done", func() bool { return len(w.queues.Texts("work-items")) == 0 })
	if w.PID() == before || w.Restarts() != 1 {
		t.Errorf("pid %d as before, %d restarts", w.PID(), w.Restarts())
	}
}

func TestAFunctionThatRunsIntoItsTimeoutCostsTheHandlersLife(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "AzureFunctionsJobHost__functionTimeout=00:00:01").ready()
	w.put(order{Sleep: time.Hour, Once: "slow"}.String())
	if i := w.ended("drain-queue", 1); i.Err == nil || !strings.Contains(i.Err.Error(), "timeout") {
		t.Errorf("the invocation ended with %v", i.Err)
	}
	eventually(t, "a restart", func() bool { return w.Restarts() == 1 })
	eventually(t, "the message is done", func() bool { return len(w.queues.Texts("work-items")) == 0 })
}

func TestAFrozenHandlerAnswersOnceItIsThawed(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp).ready()
	if err := w.Freeze(); err != nil {
		t.Fatal(err)
	}
	w.put("cold")
	time.Sleep(300 * time.Millisecond) // nothing may happen in this time
	if n := len(w.Invocations("")); n != 0 {
		t.Errorf("%d invocations of a frozen handler", n)
	}
	if err := w.Thaw(); err != nil {
		t.Fatal(err)
	}
	w.ended("drain-queue", 1)
}

func TestTheHandlerIsFoundBesideHostJSONAndGetsItsFolder(t *testing.T) {
	dir := folder(t, queueApp)
	script := "#!/bin/sh\necho \"args $*; in $PWD; app $FUNCTIONS_APP_ROOT_PATH; own $OWN; same $((FUNCTIONS_CUSTOMHANDLER_PORT - FUNCTIONS_HTTPWORKER_PORT))\"\nexec " + os.Args[0] + "\n"
	write(t, filepath.Join(dir, "tool"), script)
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	at := "AzureFunctionsJobHost__customHandler__description__"
	w := startWith(t, host.Options{Root: filepath.Base(dir)}, "OWN=setting", at+"defaultExecutablePath=tool",
		at+"arguments__0=--own %OWN%", at+"arguments__1=%NOT_SET%", at+"arguments__2=last").ready()
	want := "args --own setting last; in " + dir + "; app " + dir + "; own setting; same 0"
	eventually(t, want, func() bool { return strings.Contains(w.log.String(), want) })
}

func TestAHandlerThatDoesNotListenIsACrash(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp, "FAKE_DEAF=1", "AzureFunctionsJobHost__customHandler__initializationTimeout=00:00:00.500")
	if err := w.Wait(); err == nil {
		t.Error("the host goes on")
	}
}

func TestOutputsOfTheHandlerHaveTheirLevels(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp).ready()
	eventually(t, "both lines", func() bool {
		return strings.Contains(w.log.String(), `level=INFO msg="the fake handler starts"`) &&
			strings.Contains(w.log.String(), `level=WARN msg="a warning without a category"`)
	})
}

func TestTheHandlerDiesWithTheHost(t *testing.T) {
	t.Parallel()
	w := start(t, queueApp).ready()
	pid := w.PID()
	w.Close()
	if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
		t.Errorf("process %d lives", pid)
	}
	if err := w.Wait(); err != nil {
		t.Errorf("closed with %v", err)
	}
}

// TestAHostThatIsStoppedWaitsForWorkInFlight has one message that ends in time, or does not, and
// one behind it.
func TestAHostThatIsStoppedWaitsForWorkInFlight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		patience time.Duration
		left     int
	}{{0, 1}, {200 * time.Millisecond, 2}} {
		w := startWith(t, host.Options{Root: folder(t, queueApp), Times: host.Times{Stop: test.patience}},
			"AzureFunctionsJobHost__extensions__queues__batchSize=1", "AzureFunctionsJobHost__extensions__queues__newBatchThreshold=0").ready()
		w.put(order{Sleep: time.Second, Once: "begun"}.String())
		w.put("next")
		eventually(t, "the step begins", func() bool {
			_, err := os.Stat(filepath.Join(w.dir, "begun"))
			return err == nil
		})
		pid := w.PID()
		w.Stop()
		if left := len(w.queues.Texts("work-items")); left != test.left {
			t.Errorf("%d messages are left, expected %d", left, test.left)
		}
		if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
			t.Error("the handler lives")
		}
	}
}

func TestAMessageBeingWorkedOnComesAgainAfterTheHostDied(t *testing.T) {
	t.Parallel()
	root := folder(t, queueApp)
	w := startWith(t, host.Options{Root: root, Times: host.Times{Lease: time.Second}}).ready()
	w.put(order{Sleep: time.Hour, Once: "begun"}.String())
	eventually(t, "the step begins", func() bool {
		_, err := os.Stat(filepath.Join(w.dir, "begun"))
		return err == nil
	})
	w.Close()
	next, err := host.Start(t.Context(), host.Options{Root: root, Queues: w.queues, Env: []string{"HOST_TEST_HANDLER=" + w.dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	eventually(t, "the message is done", func() bool { return len(w.queues.Texts("work-items")) == 0 })
	if all := next.Invocations(""); len(all) != 1 || all[0].Err != nil {
		t.Errorf("invocations %+v", all)
	}
}
