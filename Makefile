# Bare `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
HANDLER := dist/handler
ZIP := dist/bluegreen.zip
FUNCTIONS := $(patsubst %/function.json,%,$(wildcard */function.json))
FUZZ = $(shell grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z]+' internal -H | sed -E 's,/[^/]*\.go:func ,:,')
GO_SOURCES := $(shell find handler internal cmd -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: ## bring up the lab, release an image in it, and stay up
	@[ -x dist/bluegreen ] || echo "building: about two minutes the first time, seconds later"
	@go build -o dist/bluegreen ./cmd/bluegreen
	@exec dist/bluegreen lab

.PHONY: demo
demo: ## the same as a script that ends by itself: good release, bad release, manual switch
	@[ -x dist/bluegreen ] || echo "building: about two minutes the first time, seconds later"
	@go build -o dist/bluegreen ./cmd/bluegreen
	@exec dist/bluegreen lab --demo

.PHONY: build
build: $(HANDLER) ## build the handler and the command line
	go build -o dist/bluegreen ./cmd/bluegreen

$(HANDLER): $(GO_SOURCES)
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./handler

.PHONY: package
package: $(ZIP) ## make dist/bluegreen.zip, what is deployed

# The zip holds what the Functions host wants at its root. zip keeps the run bit, which
# the host needs on plans where it does not set it itself.
$(ZIP): $(HANDLER) host.json $(FUNCTIONS:=/function.json) $(wildcard bluegreen.yaml) internal/pack/main.go
	go run ./internal/pack -o $@ -handler $(HANDLER) host.json $(FUNCTIONS:=/function.json) $(wildcard bluegreen.yaml)

.PHONY: unit
unit: ## what takes seconds: everything that needs no other process
	go vet ./...
	go test -short ./...

.PHONY: testbed
testbed: ## build the control plane and install Azurite, for the tests on real parts
	@$(MAKE) --no-print-directory -C testbed

.PHONY: test
test: testbed $(ZIP) ## everything, on real parts
	@[ -z "$$(gofmt -l $$(git ls-files '*.go'))" ] || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test -timeout 25m ./...

.PHONY: check
check: ## fuzz every decoder of bytes from outside, 30 s each
	@for target in $(FUZZ); do \
		echo "fuzzing $${target#*:} of $${target%:*}"; \
		go test -run '^$$' -fuzz "^$${target#*:}\$$" -fuzztime 30s -fuzzminimizetime 20x ./$${target%:*}; \
	done

.PHONY: soak
soak: ## more histories than the tests run: make soak SEEDS=1000000
	go test -count=1 -timeout 24h -run TestNoHistoryBreaksAPromise -v ./internal/proof -seeds $(or $(SEEDS),1000000) -seed $(or $(SEED),100000)

.PHONY: bench
bench: testbed $(ZIP) ## measure: ratios to a bare loop, taken in the same run
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./e2e

.PHONY: clean
clean: ## remove what was built
	rm -rf dist
