package outbound

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Skew is by how much the clock of a service differs from that of this process: positive where
// the service is ahead, and zero where the time of the request explains it. The service need not
// accept the request: any answer has a date.
func Skew(ctx context.Context, over http.RoundTripper, address string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, Host.Try)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	sent := time.Now()
	resp, err := Client(over).Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	received := time.Now()
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("the answer of %s has no date", req.URL.Host)
	}
	switch early, late := there, there.Add(time.Second); { // a date has whole seconds
	case late.Before(sent):
		return late.Sub(sent), nil
	case early.After(received):
		return early.Sub(received), nil
	}
	return 0, nil
}
