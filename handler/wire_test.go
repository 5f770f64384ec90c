package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestTheChecksOfTheAppReachNoPlatformAddress: probe has the rule, and its transport is made here.
func TestTheChecksOfTheAppReachNoPlatformAddress(t *testing.T) {
	_, public := outside("")
	resp, err := (&http.Client{Transport: public}).Get("http://169.254.0.7/")
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "gives out credentials") {
		t.Errorf("a platform's address: %v", err)
	}
}
