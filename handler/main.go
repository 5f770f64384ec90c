// Command handler is the Functions app's custom handler: it reads its settings once,
// picks the adapters, and answers the Functions host on loopback.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"bluegreen/internal/release"
)

// version is set by the build.
var version = "dev"

// garbage is how much the heap may grow by, in percent of what is in use, until it is cleaned: less
// than by default, since most of what many apps take up never changes.
const garbage = 40

func main() {
	debug.SetGCPercent(garbage)
	if err := run(context.Background(), os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bluegreen cannot start:", release.WithoutSecrets(err.Error()))
		os.Exit(1) // never 0: the host does not restart a handler that ended well
	}
}

// run serves until ctx ends; the host ends it by SIGKILL. It listens before anything slow
// is done, since the host gives a handler 30 s, and waits for nothing outside before it answers.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := readSettings(getenv)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", s.Port))
	if err != nil {
		return fmt.Errorf("listen where the host expects it: %w", err)
	}
	log := newLog(stdout, stderr)
	handler, err := wire(ctx, s, log)
	if err != nil {
		listener.Close()
		return err
	}
	log.Info("listening", "version", version, "address", listener.Addr().String())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
