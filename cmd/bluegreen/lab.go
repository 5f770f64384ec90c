package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/lab"
)

func newLab(s *shell) *cobra.Command {
	var demo, verbose bool
	o := lab.Options{Root: "."}
	cmd := &cobra.Command{
		Use: "lab", Short: "Bring everything up on this machine and show a release", Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			if verbose {
				o.Log = slog.New(slog.NewTextHandler(s.stderr, nil))
			}
			if demo {
				return s.demo(cmd.Context(), o)
			}
			return s.lab(cmd.Context(), o)
		}),
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "play the main story and end; fails when a step is not seen in the data plane")
	cmd.Flags().StringVar(&o.Gateway, "gateway", lab.AppGateway, "what moves the traffic: "+strings.Join(lab.Gateways, " or "))
	cmd.Flags().BoolVar(&verbose, "verbose", false, "print the logs of the app and the host as well")
	return cmd
}

// lab stays up until it is interrupted.
func (s *shell) lab(ctx context.Context, o lab.Options) error {
	began := time.Now()
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	say(s.stdout, "The lab is up after %.1f s, with 1.0.0 live on blue.\n\n%s\n", time.Since(began).Seconds(), l.Guide())
	say(s.stdout, "Now 2.0.0 is pushed. Ctrl-C ends the lab.\n")
	if err := l.Push(ctx, "2.0.0", ""); err != nil {
		return err
	}
	l.Watch(ctx, s.stdout)
	say(s.stdout, "\nThe lab is down.")
	return nil
}

func (s *shell) demo(ctx context.Context, o lab.Options) error {
	o.Bake, o.Retire, o.Users = 4*time.Second, 4*time.Second, 100
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { l.Watch(watching, s.stdout); close(done) }()
	err = l.Demo(ctx, s.stdout)
	stop()
	<-done
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("interrupted")
	}
	if err == nil {
		say(s.stdout, "\nEvery step was seen in the data plane.")
	}
	return err
}
