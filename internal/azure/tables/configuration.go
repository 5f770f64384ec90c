package tables

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The configuration that is kept has a partition of its own; no app has such a name. A text that
// fits is the row kept itself. A larger one is compressed and cut: its pieces are rows of their
// own, named by its hash, and kept says which. They are written before it and deleted after the
// next one, so that kept never names a text that is half written.
const (
	configPartition = "|configuration"
	configRow       = "kept"
	// configPiece is the size of a piece in base64, and mostPieces bounds their number.
	configPiece = unitsPerProperty * mostProperties
	mostPieces  = 64
	// mostText bounds what is unpacked, in bytes.
	mostText = 256 << 20
)

// packed is the row kept of a text that is in pieces.
type packed struct {
	Pieces int    `json:"pieces"`
	Hash   string `json:"hash"`
}

func (p packed) key(piece int) string { return fmt.Sprintf("%s|%s|%03d", configRow, p.Hash, piece) }

// readPacked reads a row kept; of a text that is there itself, Pieces is 0.
func readPacked(data string) (p packed) {
	if len(data) < 1000 {
		_ = json.Unmarshal([]byte(data), &p) // any other text is there itself
	}
	return p
}

// Configuration returns the text that KeepConfiguration was last given; nil when there is none.
func (s *Store) Configuration(ctx context.Context) ([]byte, error) {
	var before string
	for {
		kept, err := s.get(ctx, configPartition, configRow)
		if errors.Is(err, engine.ErrNotFound) {
			return nil, nil
		}
		var text []byte
		p := readPacked(kept.data)
		switch {
		case err != nil:
		case p.Pieces == 0:
			return []byte(kept.data), nil
		default:
			text, err = s.pieces(ctx, p)
		}
		switch {
		case err == nil:
			return text, nil
		case !errors.Is(err, engine.ErrNotFound):
			return nil, fmt.Errorf("read the configuration that is kept: %w", err)
		case kept.data == before: // no other writer took a piece away: what is left is of no use
			return nil, nil
		}
		before = kept.data
	}
}

// pieces puts a text together; ErrNotFound where a piece is missing.
func (s *Store) pieces(ctx context.Context, p packed) ([]byte, error) {
	var all strings.Builder
	found := 0
	for r, err := range s.rows(ctx, between(configPartition, p.key(0), p.key(p.Pieces)), everything) {
		if err != nil {
			return nil, err
		}
		found++
		all.WriteString(r.data)
	}
	if found < p.Pieces {
		return nil, engine.ErrNotFound
	}
	unpacked, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(all.String())))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, mostText))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return text, nil
}

// KeepConfiguration keeps a text in the place of the last one. One that takes more than 23 MiB
// when it is compressed is refused with engine.ErrDenied.
func (s *Store) KeepConfiguration(ctx context.Context, text []byte) error {
	if err := s.keepConfiguration(ctx, text); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return nil
}

func (s *Store) keepConfiguration(ctx context.Context, text []byte) error {
	last, err := s.get(ctx, configPartition, configRow)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	var now packed
	if _, units := split(string(text)); units > configPiece-mostProperties { // a property may end before a character of two units
		if now, text, err = s.keepPieces(ctx, text); err != nil {
			return err
		}
	}
	if err := s.put(ctx, configRow, text); err != nil {
		return err
	}
	before := readPacked(last.data)
	if before.Hash == now.Hash {
		return nil
	}
	var gone []aztables.TransactionAction
	for piece := range before.Pieces {
		gone = append(gone, remove(configPartition, before.key(piece), ""))
	}
	if err := s.submitAll(ctx, gone); !refusedWith(err, aztables.ResourceNotFound, aztables.EntityNotFound) {
		return err
	}
	return nil // another writer has deleted them
}

// keepPieces writes the pieces of a text, and returns what the row kept says of it.
func (s *Store) keepPieces(ctx context.Context, text []byte) (p packed, head []byte, err error) {
	var small bytes.Buffer
	to := base64.NewEncoder(base64.StdEncoding, &small)
	zip := gzip.NewWriter(to)
	_, err = zip.Write(text)
	if err = errors.Join(err, zip.Close(), to.Close()); err != nil {
		return p, nil, err
	}
	hash := sha256.Sum256(text)
	p = packed{Pieces: (small.Len() + configPiece - 1) / configPiece, Hash: hex.EncodeToString(hash[:8])}
	if p.Pieces > mostPieces {
		return p, nil, fmt.Errorf("it would take %d rows, more than %d: %w", p.Pieces, mostPieces, engine.ErrDenied)
	}
	for piece := range p.Pieces {
		if err := s.put(ctx, p.key(piece), small.Next(configPiece)); err != nil {
			return p, nil, err
		}
	}
	head, err = json.Marshal(p)
	return p, head, err
}

// put writes a row of the configuration.
func (s *Store) put(ctx context.Context, rowKey string, data []byte) error {
	entity, err := encode(configPartition, rowKey, data, nil, nil)
	if err == nil {
		_, err = s.submit(ctx, action(aztables.TransactionTypeInsertReplace, entity, ""))
	}
	return err
}
