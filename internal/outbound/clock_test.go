package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"bluegreen/internal/outbound"
)

func TestTheClockOfAServiceIsCompared(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{0: 0, 10 * time.Minute: 10 * time.Minute, -10 * time.Minute: -10 * time.Minute} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		defer service.Close()
		skew, err := outbound.Skew(t.Context(), outbound.Transport(), service.URL)
		if err != nil || (skew-want).Abs() > 2*time.Second+slack {
			t.Errorf("a service that is %s ahead: %s, %v", ahead, skew, err)
		}
	}
	dateless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	defer dateless.Close()
	for _, address := range []string{dateless.URL, "http://127.0.0.1:1"} {
		if skew, err := outbound.Skew(t.Context(), outbound.Transport(), address); err == nil {
			t.Errorf("%s: %s", address, skew)
		}
	}
}
