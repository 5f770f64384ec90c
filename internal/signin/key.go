package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Key identifies the function key of a request without giving it away: it is the first 8
// hexadecimal digits of the key's SHA-256; "" without a key. As for the host, the header
// wins over the query, whose names it reads in any case.
func Key(r *http.Request) string {
	key, query := r.Header.Get("x-functions-key"), r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if key == "" && strings.EqualFold(name, "code") {
			key = query.Get(name)
		}
	}
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:4])
}
