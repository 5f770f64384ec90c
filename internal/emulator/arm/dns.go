package arm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// addressTTL is the TTL of the zone's addresses in seconds: longer than any profile's TTL in
// a test, so that only the profile's TTL matters.
const addressTTL = 3600

// nameServer answers for the profiles and for a small zone, over UDP and TCP. Like a
// resolver it answers NXDOMAIN for unknown names.
type nameServer struct {
	emulator *Emulator
	fails    atomic.Bool
	udp      net.PacketConn
	tcp      net.Listener
}

// listenDNS listens on a port that is free for UDP and TCP.
func (e *Emulator) listenDNS() error {
	var err error
	for range 20 {
		n := &nameServer{emulator: e}
		if n.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			break
		}
		if n.udp, err = net.ListenPacket("udp", n.tcp.Addr().String()); err != nil {
			n.tcp.Close()
			continue
		}
		e.names = n
		go n.serveUDP()
		go n.serveTCP()
		return nil
	}
	return fmt.Errorf("listen for DNS: %w", err)
}

// DNS is the address of the name server, for UDP and TCP.
func (e *Emulator) DNS() string { return e.names.tcp.Addr().String() }

// DNSFails turns SERVFAIL answers to every query on or off.
func (e *Emulator) DNSFails(fails bool) { e.names.fails.Store(fails) }

// AddName sets the addresses of a name in DNS. Without addresses the name is removed.
func (e *Emulator) AddName(name string, addresses ...string) error {
	var list []netip.Addr
	for _, a := range addresses {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			return fmt.Errorf("add name %s: %w", name, err)
		}
		list = append(list, addr)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.zone[canonical(name)] = list
	if len(list) == 0 {
		delete(e.zone, canonical(name))
	}
	return nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// addresses returns the addresses of a target, which is an address or a name of the zone.
func (e *Emulator) addresses(target string) []netip.Addr {
	if addr, err := netip.ParseAddr(target); err == nil {
		return []netip.Addr{addr}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.zone[canonical(target)]
}

// dial connects to a name of the zone, as external probes do.
func (e *Emulator) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	all := e.addresses(host)
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return (&net.Dialer{Timeout: 4 * time.Second}).DialContext(ctx, network, net.JoinHostPort(all[0].String(), port))
}

func (n *nameServer) close() {
	n.udp.Close()
	n.tcp.Close()
}

func (n *nameServer) serveUDP() {
	buffer := make([]byte, 4096)
	for {
		size, from, err := n.udp.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply := n.reply(buffer[:size]); reply != nil {
			n.udp.WriteTo(reply, from)
		}
	}
}

func (n *nameServer) serveTCP() {
	for {
		conn, err := n.tcp.Accept()
		if err != nil {
			return
		}
		go n.serveConn(conn)
	}
}

func (n *nameServer) serveConn(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(n.emulator.ctx, func() { conn.Close() })()
	var length [2]byte
	for {
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.reply(query)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// reply answers a query, or returns nil where it is none.
func (n *nameServer) reply(query []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	q, err := parser.Question()
	if err != nil {
		return nil
	}
	rcode, records := dnsmessage.RCodeServerFailure, []dnsmessage.Resource(nil)
	if !n.fails.Load() {
		rcode, records = n.emulator.resolve(q)
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true,
			RecursionDesired: header.RecursionDesired, RecursionAvailable: true, RCode: rcode,
		},
		Questions: []dnsmessage.Question{q}, Answers: records,
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// resolve answers a query from the zone and the profiles.
func (e *Emulator) resolve(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource) {
	name := canonical(q.Name.String())
	if p := e.profileNamed(name); p != nil {
		return p.resolve(q)
	}
	all := e.addresses(name)
	if len(all) == 0 {
		return dnsmessage.RCodeNameError, nil
	}
	return dnsmessage.RCodeSuccess, records(q.Name, q.Type, addressTTL, all)
}

func (e *Emulator) profileNamed(name string) *Profile {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.profiles {
		if p.name == name {
			return p
		}
	}
	return nil
}

// resolve answers for the profile's own name.
func (p *Profile) resolve(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	chosen := p.choose()
	if q.Type == dnsmessage.TypeA {
		p.count(chosen)
	}
	ttl := uint32(number(object(p.known.properties(), "dnsConfig"), "ttl"))
	switch len(chosen) {
	case 0:
		return dnsmessage.RCodeNameError, nil
	case 1:
		return p.emulator.lead(q, ttl, targetOf(chosen[0]))
	}
	var all []dnsmessage.Resource
	for _, e := range chosen { // a name may have only one CNAME, so these are addresses
		all = append(all, records(q.Name, q.Type, ttl, p.emulator.addresses(targetOf(e)))...)
	}
	return dnsmessage.RCodeSuccess, all
}

func (p *Profile) count(chosen []map[string]any) {
	for _, e := range chosen {
		p.answered[nameOf(e)]++
	}
	if len(chosen) == 0 {
		p.answered[""]++
	}
}

func targetOf(endpoint map[string]any) string {
	target, _ := object(endpoint, "properties")["target"].(string)
	return target
}

// lead answers with a target: its address, or a CNAME with the addresses of its name.
func (e *Emulator) lead(q dnsmessage.Question, ttl uint32, target string) (dnsmessage.RCode, []dnsmessage.Resource) {
	all := e.addresses(target)
	if isIP(target) {
		return dnsmessage.RCodeSuccess, records(q.Name, q.Type, ttl, all)
	}
	alias, err := dnsmessage.NewName(canonical(target) + ".")
	if err != nil {
		return dnsmessage.RCodeServerFailure, nil
	}
	answers := []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.CNAMEResource{CNAME: alias},
	}}
	if len(all) == 0 {
		return dnsmessage.RCodeNameError, answers
	}
	return dnsmessage.RCodeSuccess, append(answers, records(alias, q.Type, addressTTL, all)...)
}

// records returns the addresses of the queried type.
func records(name dnsmessage.Name, kind dnsmessage.Type, ttl uint32, all []netip.Addr) []dnsmessage.Resource {
	var found []dnsmessage.Resource
	header := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: ttl}
	for _, a := range all {
		switch {
		case kind == dnsmessage.TypeA && a.Is4():
			found = append(found, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case kind == dnsmessage.TypeAAAA && a.Is6():
			found = append(found, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return found
}
