package tables_test

import (
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"bluegreen/internal/azure/tables"
	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// random is a text that no compression makes smaller than three quarters.
func random(size int) string {
	text := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	for i := range text {
		text[i] = '!' + byte(source.Uint64()%90)
	}
	return string(text)
}

func TestAConfigurationIsKept(t *testing.T) {
	c := client(t, nil, retried)
	s := tables.New(c)
	if text, err := s.Configuration(t.Context()); err != nil || text != nil {
		t.Errorf("before the first: %q, %v", text, err)
	}
	const fits = 480 << 10
	large := random(3 << 20)
	for _, text := range []string{
		"{}", strings.Repeat("ä€🙂\n", 50_000), "short", strings.Repeat("x", fits-15), strings.Repeat("x", fits), strings.Repeat("x", fits+1), strings.Repeat("🙂", fits/2), large, large, large + "x",
		strings.Repeat("apps: 10,000\n", 1<<20), "short again",
	} {
		if err := s.KeepConfiguration(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Configuration(t.Context()); err != nil || string(got) != text {
			t.Errorf("%d bytes are %d, %v", len(text), len(got), err)
		}
	}
	if n := rowsOf(t, c); n != 1 {
		t.Errorf("%d rows are left for one that is short", n)
	}
	if err := s.KeepConfiguration(t.Context(), []byte(random(30<<20))); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("too much: %v", err)
	}
	if got, err := s.Configuration(t.Context()); err != nil || string(got) != "short again" {
		t.Errorf("then %q, %v", got, err)
	}
}

func rowsOf(t *testing.T, c *aztables.Client) (n int) {
	for pages := c.NewListEntitiesPager(nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Entities)
	}
	return n
}

// TestAConfigurationIsTheLastOneOrTheNext: a writer that dies at any of its calls leaves one of them.
func TestAConfigurationIsTheLastOneOrTheNext(t *testing.T) {
	last, next := random(1<<20), random(2<<20)
	for n := 1; ; n++ {
		table := "t" + crand.Text()
		c := clientOf(t, table, nil, retried)
		if err := tables.New(c).KeepConfiguration(t.Context(), []byte(last)); err != nil {
			t.Fatal(err)
		}
		dies := &dying{left: n}
		err := tables.New(clientOf(t, table, dies, 0)).KeepConfiguration(t.Context(), []byte(next))
		got, readErr := tables.New(c).Configuration(t.Context())
		if readErr != nil || string(got) != last && string(got) != next || err == nil && string(got) != next {
			t.Fatalf("after %d calls: %d bytes, %v; %v", n, len(got), readErr, err)
		}
		if dies.left > 0 {
			return
		}
	}
}

// TestAPieceThatIsGoneIsNoReasonToWait: the handler keeps its configuration then.
func TestAPieceThatIsGoneIsNoReasonToWait(t *testing.T) {
	c := client(t, nil, retried)
	s := tables.New(c)
	if err := s.KeepConfiguration(t.Context(), []byte(random(1<<20))); err != nil {
		t.Fatal(err)
	}
	var row struct{ PartitionKey, RowKey string }
	page, err := c.NewListEntitiesPager(nil).NextPage(t.Context())
	if err != nil || len(page.Entities) < 3 || json.Unmarshal(page.Entities[1], &row) != nil {
		t.Fatalf("%d rows, %v", len(page.Entities), err)
	}
	if _, err := c.DeleteEntity(t.Context(), row.PartitionKey, row.RowKey, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := s.Configuration(t.Context()); err != nil || text != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// dying answers a number of calls, and then none.
type dying struct{ left int }

func (d *dying) Do(r *http.Request) (*http.Response, error) {
	if d.left--; d.left < 0 {
		return nil, errors.New("the process has ended")
	}
	return http.DefaultClient.Do(r)
}
