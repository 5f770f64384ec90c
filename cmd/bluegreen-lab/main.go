// Command bluegreen-lab brings the lab up on this machine and shows a release in it. It is
// apart from the operator's command line, which links no emulator and no adapter.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bluegreen/internal/lab"
)

// version is set by the build.
var version = "dev"

func main() {
	lab.Handle()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// port is where the lab takes commands; the Functions app is at the next one, which is that of the
// Functions Core Tools.
const port = 7070

// run returns the exit status: 0 for success, 1 for what failed, 2 for a command line that is not
// understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var demo, verbose, showVersion bool
	o := lab.Options{}
	flags := flag.NewFlagSet("bluegreen-lab", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&demo, "demo", false, "play the main story and end; fails when a step is not seen in the data plane")
	flags.StringVar(&o.Gateway, "gateway", lab.AppGateway, "what moves the traffic of the app shop: "+strings.Join(lab.Gateways, " or "))
	flags.IntVar(&o.Port, "port", port, "where the lab takes commands, on loopback; the Functions app is at the next port")
	flags.BoolVar(&verbose, "verbose", false, "print the logs of the app and the host as well")
	flags.BoolVar(&showVersion, "version", false, "print the version and end")
	usage := func(to io.Writer) {
		fmt.Fprint(to, "bluegreen-lab [FLAGS] starts a lab. bluegreen-lab COMMAND gives a command to the one that runs:\n", lab.Usage(), "Flags:\n")
		flags.SetOutput(to)
		flags.PrintDefaults()
	}
	flags.Usage = func() {}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return 0
	} else if err != nil {
		usage(stderr)
		return 2
	}
	if showVersion {
		fmt.Fprintln(stdout, "bluegreen-lab version", version)
		return 0
	}
	if flags.Arg(0) == "help" {
		usage(stdout)
		return 0
	}
	if flags.NArg() > 0 {
		return command(ctx, o.Port, flags.Args(), stdout, stderr)
	}
	if verbose {
		o.Log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	show := explore
	if demo {
		show = play
	}
	if err := show(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "bluegreen-lab:", err)
		return 1
	}
	return 0
}

// command gives a command to the lab that runs.
func command(ctx context.Context, port int, words []string, stdout, stderr io.Writer) int {
	done, err := lab.Ask(ctx, port, words)
	if err != nil {
		fmt.Fprintln(stderr, "bluegreen-lab:", err)
		return 1
	}
	fmt.Fprintln(stdout, done)
	return 0
}

// explore stays up until it is interrupted.
func explore(ctx context.Context, o lab.Options, stdout io.Writer) error {
	began := time.Now()
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintf(stdout, "The lab is up after %.1f s, with 1.0.0 of shop and pay live on blue.\n\n%s\n\n", time.Since(began).Seconds(), l.Guide(programs(o.Port)))
	fmt.Fprintln(stdout, "Now 2.0.0 of shop is pushed. Ctrl-C ends the lab.")
	fmt.Fprintln(stdout)
	if err := l.Push(ctx, lab.Shop, "2.0.0", ""); err != nil {
		return err
	}
	l.Watch(ctx, stdout)
	fmt.Fprintln(stdout, "\nThe lab is down.")
	return nil
}

// programs is how a shell calls this one with its port, and the command line that lies beside it.
func programs(at int) (self, cli string) {
	self, cli = os.Args[0], "bluegreen"
	beside := strings.TrimSuffix(self, filepath.Base(self)) + cli
	if _, err := os.Stat(beside); err == nil && beside != cli {
		cli = beside
	}
	if at != port {
		self += fmt.Sprintf(" --port %d", at)
	}
	return self, cli
}

// play shows the main story and ends.
func play(ctx context.Context, o lab.Options, stdout io.Writer) error {
	o.Bake, o.Retire, o.Users = 4*time.Second, 4*time.Second, 100
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { l.Watch(watching, stdout); close(done) }()
	err = l.Demo(ctx, stdout)
	stop()
	<-done
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("interrupted")
	}
	if err == nil {
		fmt.Fprintln(stdout, "\nEvery step was seen in the data plane.")
	}
	return err
}
