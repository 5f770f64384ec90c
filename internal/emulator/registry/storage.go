package registry

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

var blobPath = regexp.MustCompile(`^/v2/.+/blobs/sha256:[0-9a-f]{64}$`)

// storage is the storage account that keeps a registry's blobs, on an address of its own: the
// registry sends clients there, with a signature in the address. Like the real one it refuses a
// request that carries a token besides.
type storage struct {
	host   string
	key    string
	blobs  http.Handler
	server *http.Server
}

func startStorage(blobs http.Handler) (*storage, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry's storage: %w", err)
	}
	s := &storage{host: l.Addr().String(), key: rand.Text(), blobs: blobs}
	s.server = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(l)
	return s, nil
}

// send answers a request for a blob with its address.
func (s *storage) send(w http.ResponseWriter, req *http.Request) {
	at := url.URL{Scheme: "http", Host: s.host, Path: req.URL.Path, RawQuery: url.Values{"sig": {s.key}}.Encode()}
	w.Header().Set("Location", at.String())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// ServeHTTP implements http.Handler.
func (s *storage) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.Header.Get("Authorization") != "":
		refuse(w, http.StatusBadRequest, "InvalidAuthenticationInfo", "Authentication information is not given in the correct format.")
	case req.URL.Query().Get("sig") != s.key || req.Method != http.MethodGet || !blobPath.MatchString(req.URL.Path):
		refuse(w, http.StatusForbidden, "AuthenticationFailed", "Server failed to authenticate the request.")
	default:
		s.blobs.ServeHTTP(w, req)
	}
}
