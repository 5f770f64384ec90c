package testbed

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
)

// The account that every Azurite knows; its key is public.
// Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azurite is a running storage emulator. It keeps tables in memory and saves
// them from time to time, so killing it loses data: kill its clients instead.
type Azurite struct {
	dir                string
	ownDir             bool
	starter            *launcher
	network            *network
	process            *process
	blob, queue, table netip.AddrPort
	closing            sync.Once
}

// StartAzurite returns when blobs, queues and tables answer. With dir empty, a
// temporary folder is used and removed by Close. ctx bounds the start only.
func StartAzurite(ctx context.Context, dir string) (*Azurite, error) {
	binary, err := azuriteBinary()
	if err != nil {
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	a := &Azurite{starter: newLauncher()}
	if err := a.start(ctx, binary, dir); err != nil {
		a.Close()
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	return a, nil
}

func (a *Azurite) start(ctx context.Context, binary, dir string) (err error) {
	if a.dir, a.ownDir, err = workDir(dir, "azurite"); err != nil {
		return err
	}
	if a.network, err = reserveNetwork(); err != nil {
		return err
	}
	ip := a.network.address()
	args := []string{"--location", a.dir, "--skipApiVersionCheck", "--disableTelemetry", "--silent"}
	for _, service := range []struct {
		name string
		addr *netip.AddrPort
	}{{"blob", &a.blob}, {"queue", &a.queue}, {"table", &a.table}} {
		port, err := freePort(ip)
		if err != nil {
			return err
		}
		*service.addr = netip.AddrPortFrom(ip, uint16(port))
		args = append(args, "--"+service.name+"Host", ip.String(), "--"+service.name+"Port", fmt.Sprint(port))
	}
	if a.process, err = a.starter.start(a.dir, "azurite", binary, args...); err != nil {
		return err
	}
	return a.process.waitFor(ctx, a.listening)
}

func (a *Azurite) listening(ctx context.Context) error {
	for _, addr := range []netip.AddrPort{a.blob, a.queue, a.table} {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

// Close kills Azurite.
func (a *Azurite) Close() {
	a.closing.Do(func() {
		a.process.stop()
		a.starter.close()
		if a.network != nil {
			a.network.close()
		}
		if a.ownDir {
			os.RemoveAll(a.dir)
		}
	})
}

// ConnectionString is for the SDKs and for the setting AzureWebJobsStorage.
func (a *Azurite) ConnectionString() string {
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;QueueEndpoint=%s;TableEndpoint=%s;",
		azuriteAccount, azuriteKey, a.BlobURL(), a.QueueURL(), a.TableURL())
}

// BlobURL is the blob service with the account in its path.
func (a *Azurite) BlobURL() string { return accountURL(a.blob) }

// QueueURL is the queue service with the account in its path.
func (a *Azurite) QueueURL() string { return accountURL(a.queue) }

// TableURL is the table service with the account in its path.
func (a *Azurite) TableURL() string { return accountURL(a.table) }

func accountURL(addr netip.AddrPort) string {
	return fmt.Sprintf("http://%s/%s", addr, azuriteAccount)
}
