# Bare `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Neither make nor the shell may run what is in it, so it is handed over as it is written.
given := $(value VERSION)
override VERSION := $(shell scripts/version.sh '$(subst ','\'',$(given))')
$(if $(VERSION),,$(error there is no version))
HANDLER := dist/handler
ZIP := dist/bluegreen.zip
# The same for whatever is compiled here, so that one compilation of a package serves all: what is
# deployed, the lab, vet, the tests. Without the tag the request traces of gRPC, which nothing here
# uses, keep the linker from dropping unused methods: 23 MB.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath -tags=grpcnotrace
# Compiles, and shows how many packages are done. Flags are single words.
COMPILE := go run ./internal/compile
STAMP := '-ldflags=-s -w -X main.version=$(VERSION)'
SBOM := go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -std
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
GATEWAY ?= appgateway
# The folder too, whose time changes when a file of it is gone.
CONFIGURATION := $(wildcard bluegreen.yaml bluegreen.d bluegreen.d/*.yaml bluegreen.d/*.yml)
COMMANDS := $(notdir $(wildcard cmd/*))
FUNCTIONS := $(patsubst %/function.json,%,$(wildcard */function.json))
FUZZ = $(shell grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z]+' internal -H | sed -E 's,/[^/]*\.go:func ,:,')
GO_SOURCES := $(shell find handler internal cmd docs -name '*.go' -not -name '*_test.go' 2>/dev/null) $(wildcard docs/openapi.json) go.mod go.sum

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: run
run: lab ## bring up the lab, release an image in it, and stay up (GATEWAY=appgateway or trafficmanager)
	@exec dist/bluegreen-lab --gateway $(GATEWAY)

.PHONY: demo
demo: lab ## the same as a script that ends by itself: good release, bad release, manual switch
	@exec dist/bluegreen-lab --demo --gateway $(GATEWAY)

.PHONY: lab
lab: ## build the lab, and the command line to use in it
	@$(COMPILE) build -o=dist/ ./cmd/...

.PHONY: build
build: $(HANDLER) ## build the handler, the command line and the lab
	$(COMPILE) build '-ldflags=-X main.version=$(VERSION)' -o=dist/ ./cmd/...

$(HANDLER): $(GO_SOURCES)
	go run -exec 'env GOOS=linux GOARCH=amd64' ./internal/compile build $(STAMP) -o=$@ ./handler

.PHONY: package
package: $(ZIP) ## make dist/bluegreen.zip, what is deployed

# The zip holds what the Functions host wants at its root. zip keeps the run bit, which
# the host needs on plans where it does not set it itself.
$(ZIP): $(HANDLER) host.json $(FUNCTIONS:=/function.json) $(CONFIGURATION) internal/pack/main.go
	go run ./internal/pack -o $@ -handler $(HANDLER) host.json $(FUNCTIONS:=/function.json) $(wildcard bluegreen.yaml bluegreen.d)

# What is deployed, the command line and the lab for each platform, what they are made of,
# checksums.
.PHONY: release
release: ## make dist/release, what a release publishes
	@$(MAKE) --no-print-directory -B package # the version may be another one now
	rm -rf dist/release && mkdir -p dist/release
	cp $(ZIP) dist/release/bluegreen.zip
	for command in $(COMMANDS); do for platform in $(PLATFORMS); do \
		name=dist/release/$$command-$${platform/\//-}; [ $${platform%/*} != windows ] || name=$$name.exe; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} go build $(STAMP) -o $$name ./cmd/$$command; \
	done; done
	$(SBOM) -version $(VERSION) -output dist/release/bluegreen.zip.cdx.json $(HANDLER)
	for command in $(COMMANDS); do \
		$(SBOM) -version $(VERSION) -output dist/release/$$command.cdx.json dist/release/$$command-linux-amd64; \
	done
	cd dist/release && sha256sum * > SHA256SUMS

.PHONY: unit
unit: ## everything that needs no test bed: two minutes, seven when nothing is compiled yet
	$(COMPILE) vet ./...
	go test -vet=off -short ./...

.PHONY: testbed
testbed: ## build the control plane and install Azurite, for the tests on real parts
	@$(MAKE) --no-print-directory -C testbed

# The simulation only computes, and takes what the rest, which mostly waits, leaves of the machine.
# The longest of the rest is first. vet has run, so go test need not do a part of it again.
.PHONY: test
test: testbed $(ZIP) ## everything, on real parts
	@[ -z "$$(gofmt -l $$(git ls-files '*.go'))" ] || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(COMPILE) vet ./...
	go tool staticcheck ./...
	go tool gocyclo -over 12 internal/simulation
	@set -m; nice go test -vet=off -timeout 45m ./internal/simulation & simulation=$$!; set +m; \
	trap 'kill -- -$$simulation 2>/dev/null || true' EXIT; well=0; \
	go test -vet=off -timeout 45m ./e2e $$(go list ./... | grep -v /internal/simulation$$) || well=1; \
	wait $$simulation || well=1; trap - EXIT; exit $$well
	@command -v chromium chromium-browser google-chrome >/dev/null || echo "LEFT OUT: the tests of the pages in a browser. For them install the package chromium of Debian or Ubuntu, or another Chromium"

.PHONY: check
check: ## fuzz every decoder of bytes from outside, 30 s each
	@for target in $(FUZZ); do \
		echo "fuzzing $${target#*:} of $${target%:*}"; \
		go test -run '^$$' -fuzz "^$${target#*:}\$$" -fuzztime 30s -fuzzminimizetime 20x ./$${target%:*}; \
	done

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities in what is built; asks vuln.go.dev
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

.PHONY: models
models: ## ask the Go module proxy for newer models of Azure's gateways, and fail when there are any
	go test -count=1 -run TestNoNewerModelsExist ./internal/azure/resource -newest

.PHONY: words
words: ## count the words that this project avoids; AT="way back" lists where one of them is
	@go run ./internal/words $(if $(AT),-at "$(AT)")

.PHONY: soak
soak: ## more runs than the tests make: make soak SEEDS=1000000
	go test -count=1 -timeout 24h -run TestACrashAnywhereChangesNoOutcome -v ./internal/simulation -every 1
	go test -count=1 -timeout 24h -run TestNoRunBreaksAPromise -v ./internal/simulation -seeds $(or $(SEEDS),1000000) -seed $(or $(SEED),100000)

.PHONY: soak-apps
soak-apps: testbed ## an hour of virtual time with 10,000 apps, 500 releases and 2,000 alerts
	go test -count=1 -timeout 6h -run TestAnHourOfManyAppsLosesNothing -v ./e2e -soak-apps $(or $(APPS),10000)

# A mutant may take all memory before its time is over.
.PHONY: mutants
mutants: ## change the core in one place at a time and list what no test notices: make mutants SAMPLE=600
	ulimit -v 12000000 || true; nice go run ./internal/mutants -seed $(or $(SEED),1) -sample $(or $(SAMPLE),600)

.PHONY: bench
bench: testbed $(ZIP) ## measure, as ratios to a bare loop of the same run; writes docs/benchmarks.md
	{ go test -run '^$$' -bench . -benchtime 1x -timeout 45m ./e2e ./internal/kube ./internal/pages ./internal/config ./internal/matching ./handler && \
	go test -run '^$$' -bench . ./internal/release ./internal/record; } | go run ./internal/bench -o docs/benchmarks.md -version '$(VERSION)'

.PHONY: screenshots
screenshots: ## draw the pages of docs/pages.md anew; needs chromium
	mkdir -p docs/pages
	go test -count=1 -run TestScreenshots ./internal/pages -screenshots $(CURDIR)/docs/pages

# The settings of these are in scripts/common.sh: AZURE_ENV_NAME, BLUEGREEN_SETUP and others.
.PHONY: azure-up
azure-up: ## deploy all to Azure with az: BLUEGREEN_SETUP=main, shared or controller
	scripts/infra.sh
	scripts/configure.sh
	scripts/entra.sh browser || echo "nobody can sign in to the pages with a browser yet, see above"
	@$(MAKE) --no-print-directory azure-publish

.PHONY: azure-publish
azure-publish: ## deploy bluegreen.yaml and the handler again, after a change of either
	go run ./cmd/bluegreen config check bluegreen.yaml
	@$(MAKE) --no-print-directory package
	scripts/publish.sh
	scripts/events.sh
	scripts/health.sh

.PHONY: azure-what-if
azure-what-if: ## say what azure-up would change
	scripts/infra.sh what-if

.PHONY: azure-down
azure-down: ## delete from Azure all that azure-up made, after asking
	scripts/azure-down.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf dist
