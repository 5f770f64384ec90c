package pages

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"bluegreen/internal/api"
)

const (
	// keyTime is how long a key counts after the host has taken it.
	keyTime = time.Minute
	// knownTime is how long the host is asked again about a key that it took, whatever other
	// keys were tried meanwhile.
	knownTime = 24 * time.Hour
	// mostWrong is how many wrong keys are asked about in a minute. A key has 40 random
	// bytes: this bounds the work, and what a stranger can make the host log.
	mostWrong = 20
	// mostKeys bounds how many keys are remembered.
	mostKeys = 1000
)

// keyring knows which keys the Functions host has taken. The host checks keys of functions
// that ask for one; the pages are a function that asks for none, so that browsers get to the
// login. A key is therefore checked with a read that needs it, through the host.
type keyring struct {
	verify func(ctx context.Context, key string, commands bool) (bool, error)
	now    func() time.Time

	mu     sync.Mutex
	known  map[keyID]known
	wrong  int // questions about unknown keys since since
	window time.Time
}

var (
	errWrongKey  = api.Errorf(http.StatusUnauthorized, "key", "the Functions host does not take this key")
	errReadsOnly = api.Errorf(http.StatusForbidden, "key", "this key opens the function look alone, which reads: commands need one that opens act as well, such as the host key")
)

func newKeyring(verify func(ctx context.Context, key string, commands bool) (bool, error), now func() time.Time) *keyring {
	return &keyring{verify: verify, now: now, known: map[keyID]known{}}
}

// known is what the host has answered about a key.
type known struct {
	taken bool
	at    time.Time
}

// keyID is a key, by its digest, and what it is for.
type keyID struct {
	digest   [sha256.Size]byte
	commands bool
}

// check reports why a key does not open the pages, or gives no commands; nil when it does.
func (k *keyring) check(ctx context.Context, key string, commands bool) error {
	if k.verify == nil {
		return api.Errorf(http.StatusUnauthorized, "keys", "no key opens these pages: sign in")
	}
	id := keyID{sha256.Sum256([]byte(key)), commands}
	taken, fresh, err := k.admit(id)
	if err != nil {
		return err
	}
	if !fresh {
		if taken, err = k.verify(ctx, key, commands); err != nil {
			return api.Errorf(http.StatusServiceUnavailable, "keys", "the key cannot be checked now: %v", err)
		}
		k.remember(id, taken)
	}
	switch {
	case taken:
		return nil
	case commands:
		return errReadsOnly
	}
	return errWrongKey
}

// admit returns what is known of a key, and whether that is fresh; an error when the host is
// not to be asked about it.
func (k *keyring) admit(id keyID) (taken, fresh bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	known, ok := k.known[id]
	if ok && now.Sub(known.at) < keyTime {
		return known.taken, true, nil
	}
	if ok && now.Sub(known.at) < knownTime || id.commands { // a key that reads asks for commands
		return false, false, nil
	}
	if now.Sub(k.window) >= time.Minute {
		k.wrong, k.window = 0, now
	}
	if k.wrong >= mostWrong {
		return false, false, api.Errorf(http.StatusTooManyRequests, "keys", "too many keys were tried: wait a minute, or sign in")
	}
	k.wrong++
	return false, false, nil
}

// remember keeps what the host has answered. A wrong key is forgotten: there is no end of them.
func (k *keyring) remember(id keyID, taken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !taken && !id.commands {
		delete(k.known, id)
		return
	}
	if _, ok := k.known[id]; !ok && !id.commands {
		k.wrong-- // it was counted before it was known to be right
	}
	if len(k.known) >= mostKeys {
		clear(k.known)
	}
	k.known[id] = known{taken, k.now()}
}
