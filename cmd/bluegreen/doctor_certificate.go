package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	"bluegreen/internal/api"
)

const (
	certificateTime = 10 * time.Second
	// renewal is how long before its end a certificate should have been renewed.
	renewal = 14 * 24 * time.Hour
)

// certificate examines that of the app's address; nil for an address without TLS.
func (r *remote) certificate(ctx context.Context) []api.Check {
	at, err := url.Parse(r.address())
	if err != nil || at.Scheme != "https" {
		return nil
	}
	port := at.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, certificateTime)
	defer cancel()
	c, err := new(tls.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return []api.Check{{Name: "certificate", Target: at.Host, State: api.CheckUnknown, Reason: err.Error()}}
	}
	defer c.Close()
	return []api.Check{r.valid(at.Host, c.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter)}
}

// valid examines the end of a certificate.
func (s *shell) valid(host string, until time.Time) api.Check {
	check := api.Check{Name: "certificate", Target: host, State: api.CheckOK}
	if until.Sub(s.now()) <= renewal {
		check.State, check.Reason = api.CheckWarning, "the certificate of the app ends on "+when(until)
		check.Fix = "renew it: az functionapp config ssl create --resource-group GROUP --name APP --hostname " + host
	}
	return check
}
