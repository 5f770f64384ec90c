package dns

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	tries    = 3
	patience = 3 * time.Second // with one try
)

// ask puts a question to the name server and returns the addresses and how long all of
// the answer may be kept.
func (r *Resolver) ask(ctx context.Context, host string) (found []netip.Addr, ttl time.Duration, err error) {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true}}
	name, err := dnsmessage.NewName(dotted(host))
	if err != nil {
		return nil, 0, r.failed(host, err)
	}
	query.Questions = []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
	packed, err := query.Pack()
	if err != nil {
		return nil, 0, r.failed(host, err)
	}
	var reply dnsmessage.Message
	for range tries {
		if reply, err = r.exchange(ctx, packed, query.ID); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, 0, r.failed(host, err)
	}
	if reply.RCode != dnsmessage.RCodeSuccess && reply.RCode != dnsmessage.RCodeNameError {
		return nil, 0, r.failed(host, errors.New("server misbehaving: "+reply.RCode.String()))
	}
	if found, ttl = read(reply); len(found) == 0 {
		return nil, 0, &net.DNSError{Err: "no such host", Name: host, Server: r.server, IsNotFound: true}
	}
	return found, ttl, nil
}

func dotted(host string) string {
	if host != "" && host[len(host)-1] != '.' {
		host += "."
	}
	return host
}

func (r *Resolver) failed(host string, err error) error {
	var slow net.Error
	return &net.DNSError{
		UnwrapErr: err, Err: err.Error(), Name: host, Server: r.server,
		IsTimeout: errors.As(err, &slow) && slow.Timeout(), IsTemporary: true,
	}
}

// read takes the addresses out of an answer. Aliases on the way count for its TTL.
func read(m dnsmessage.Message) (found []netip.Addr, ttl time.Duration) {
	for i, record := range m.Answers {
		if life := time.Duration(record.Header.TTL) * time.Second; i == 0 || life < ttl {
			ttl = life
		}
		if a, ok := record.Body.(*dnsmessage.AResource); ok {
			found = append(found, netip.AddrFrom4(a.A))
		}
	}
	return found, ttl
}

// exchange sends a query once and waits for the reply to it.
func (r *Resolver) exchange(ctx context.Context, query []byte, id uint16) (m dnsmessage.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", r.server)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() // ends the wait below
	if _, err := conn.Write(query); err != nil {
		return m, err
	}
	buffer := make([]byte, 4096) // the lab's name server sends no more
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return m, err
		}
		if err := m.Unpack(buffer[:n]); err == nil && m.ID == id && m.Response {
			return m, nil // anything else answers another question
		}
	}
}
