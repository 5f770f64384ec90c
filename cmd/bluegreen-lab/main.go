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
	"strings"
	"syscall"
	"time"

	"bluegreen/internal/lab"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit status: 0 for success, 1 for a lab that failed, 2 for a command line
// that is not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var demo, verbose, showVersion bool
	o := lab.Options{Root: "."}
	flags := flag.NewFlagSet("bluegreen-lab", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&demo, "demo", false, "play the main story and end; fails when a step is not seen in the data plane")
	flags.StringVar(&o.Gateway, "gateway", lab.AppGateway, "what moves the traffic: "+strings.Join(lab.Gateways, " or "))
	flags.BoolVar(&verbose, "verbose", false, "print the logs of the app and the host as well")
	flags.BoolVar(&showVersion, "version", false, "print the version and end")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bluegreen-lab: unexpected argument %q; see bluegreen-lab --help\n", flags.Arg(0))
		return 2
	}
	if showVersion {
		fmt.Fprintln(stdout, "bluegreen-lab version", version)
		return 0
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

// explore stays up until it is interrupted.
func explore(ctx context.Context, o lab.Options, stdout io.Writer) error {
	began := time.Now()
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintf(stdout, "The lab is up after %.1f s, with 1.0.0 live on blue.\n\n%s\n\n", time.Since(began).Seconds(), l.Guide())
	fmt.Fprintln(stdout, "Now 2.0.0 is pushed. Ctrl-C ends the lab.")
	fmt.Fprintln(stdout)
	if err := l.Push(ctx, "2.0.0", ""); err != nil {
		return err
	}
	l.Watch(ctx, stdout)
	fmt.Fprintln(stdout, "\nThe lab is down.")
	return nil
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
