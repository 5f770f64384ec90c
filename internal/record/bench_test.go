package record_test

import (
	"testing"

	"bluegreen/internal/record"
)

// BenchmarkDecode measures reading a record in which every field is set.
func BenchmarkDecode(b *testing.B) {
	text, err := record.Encode(full())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(text)), "bytes")
}
