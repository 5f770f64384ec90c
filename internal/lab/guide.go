package lab

import (
	"fmt"
	"strings"
)

// Guide says where everything is and what to try. lab and cli are how a shell calls the lab and
// the command line.
func (l *Lab) Guide(lab, cli string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  pages          %s   (open with the key %s)\n", l.Pages(), Key)
	for _, s := range l.sites {
		note := ""
		if s.front.profile != nil {
			note = "   (only the lab's DNS knows this name)"
		}
		fmt.Fprintf(&b, "  users of %-5s %s%s\n", s.name, s.front.address, note)
	}
	fmt.Fprintf(&b, "  deployed       %s\n", l.dir)
	fmt.Fprintf(&b, "\nTry in another terminal, in this folder:\n")
	fmt.Fprintf(&b, "  export BLUEGREEN_URL=%s BLUEGREEN_KEY=%s\n", l.URL(), Key)
	try := [][2]string{
		{cli + " status", "what each app does; also watch, history, plan"},
		{lab + " who", "who answers the users"},
		{lab + " push shop 2.1.0", "a good image: it goes live by itself"},
		{lab + " push shop 2.2.0 errors", "a bad one: the alert returns traffic (also " + strings.ReplaceAll(flawNames(), "errors, ", "") + ")"},
		{lab + " push pay 2.0.0", "this app waits for an operator:"},
		{cli + " promote pay", "lets it go live"},
		{cli + " switch shop --why trying", "traffic to the other color; also rollback, failover, pause, resume"},
		{lab + " kill", "kills the handler in the middle of what it does; it comes back and goes on"},
		{lab + " reroute shop", "drift: someone changes the gateway"},
		{lab + " lose-pods shop green", "a color loses its pods; return-pods brings them back"},
		{lab + " help", "all commands: alert, edit, retag"},
	}
	widest := 0
	for _, t := range try {
		widest = max(widest, len(t[0]))
	}
	for _, t := range try {
		fmt.Fprintf(&b, "  %-*s   %s\n", widest, t[0], t[1])
	}
	return strings.TrimRight(b.String(), "\n")
}
