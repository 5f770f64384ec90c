package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
)

// reservationPort marks a loopback network as taken: the process that listens
// on it at the network's first address owns the network. It is below the
// ephemeral port range of Linux.
const reservationPort = 29999

// network is 127.N.0.0/16 for one N, with one owner in this process or another.
// So any port on one of its addresses is free, unless a process listens on all
// addresses.
type network struct {
	second byte
	hold   net.Listener

	mu   sync.Mutex
	next uint16
}

func reserveNetwork() (*network, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("the test bed needs Linux, where all of 127.0.0.0/8 can be bound; this is %s", runtime.GOOS)
	}
	var last error
	for _, n := range rand.Perm(253) {
		second := byte(n + 1) // 127.0 is in general use, 127.255 has the broadcast address
		first := netip.AddrFrom4([4]byte{127, second, 0, 1})
		hold, err := net.Listen("tcp", netip.AddrPortFrom(first, reservationPort).String())
		if err == nil {
			return &network{second: second, hold: hold, next: 256}, nil
		}
		last = err
	}
	return nil, fmt.Errorf("reserve a loopback network: all are taken: %w", last)
}

func (n *network) close() { n.hold.Close() }

// address gives an address of the network that was not given before (until
// all 65,000 were).
func (n *network) address() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		n.next++
		// The first 256 hold the reservation; .0 and .255 look odd in logs.
		if low := byte(n.next); n.next >= 256 && low != 0 && low != 255 {
			return netip.AddrFrom4([4]byte{127, n.second, byte(n.next >> 8), low})
		}
	}
}

// freePort finds a port that is free on every one of the addresses.
func freePort(ips ...netip.Addr) (int, error) {
	const tries = 20
	var last error
	for range tries {
		l, err := net.Listen("tcp", netip.AddrPortFrom(ips[0], 0).String())
		if err != nil {
			return 0, fmt.Errorf("find a free port on %s: %w", ips[0], err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if last = listenable(ips, port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a port free on all of %v: %w", ips, last)
}

func listenable(ips []netip.Addr, port int) error {
	var errs []error
	for _, ip := range ips {
		l, err := net.Listen("tcp", netip.AddrPortFrom(ip, uint16(port)).String())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.Close()
	}
	return errors.Join(errs...)
}

// podIP is the pod's address in Kubernetes: the API server refuses loopback
// addresses in EndpointSlices, so 127.N.x.y is reported as 10.N.x.y.
func podIP(listen netip.Addr) netip.Addr {
	b := listen.As4()
	b[0] = 10
	return netip.AddrFrom4(b)
}

// Dialable converts the IP of a pod in Kubernetes (10.N.x.y) to the loopback
// address on which the pod listens (127.N.x.y). Other text is returned unchanged.
func Dialable(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is4() || addr.As4()[0] != 10 {
		return ip
	}
	b := addr.As4()
	b[0] = 127
	return netip.AddrFrom4(b).String()
}
