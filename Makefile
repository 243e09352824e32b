# Every target builds what it needs. `make help` lists them.
SHELL := /bin/bash
GO ?= go
BIN := bin/sidecar
KUBECTL := bin/kubectl
RELEASE ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.release=$(RELEASE) -X main.commit=$(COMMIT)
FUZZTIME ?= 20000x
MODULES := test/kubectl test/interop/harness test/interop/devices test/interop/works test/interop/sdk12 test/interop/sdk015 bench

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/sidecar
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/sidecar

.PHONY: lite
lite: ## build bin/sidecar-lite, without the Kubernetes API: a quarter of the size
	CGO_ENABLED=0 $(GO) build -tags lite -trimpath -ldflags '$(LDFLAGS)' -o bin/sidecar-lite ./cmd/sidecar

.PHONY: demo
demo: build ## broker, source and agent on this machine, and what to type (ONCE=1: play the story and exit)
	$(BIN) demo $(if $(ONCE),--once)

.PHONY: test
test: ## all tests but the slow suites, under the race detector
	$(GO) test -race -tags lite $$($(GO) list -tags lite ./... | grep -v /pkg/workapi)

.PHONY: works
works: ## the tests of the Kubernetes API, under the race detector, whose first build of k8s.io/apiserver takes minutes
	$(GO) test -race ./pkg/workapi ./cmd/sidecar
	$(GO) test -race -run TestWorks ./examples

.PHONY: race
race: test ## the same as test: it always runs under the race detector

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./... && $(GO) vet -tags e2e ./test/e2e/ && $(GO) vet -tags lite ./cmd/sidecar/
	$(GO) tool staticcheck ./...
	@set -e; for module in $(MODULES); do echo "vet $$module"; (cd $$module && $(GO) vet ./...); done

.PHONY: docs
docs: ## docs/reference.md, from openapi.yaml
	$(GO) run ./docs/generate > docs/reference.md.new && mv docs/reference.md.new docs/reference.md

# -fuzz would instrument k8s.io/apiserver, too: minutes to build, and 20 inputs a
# second. Of the Kubernetes API only our own packages are.
.PHONY: fuzz
fuzz: ## every fuzz target, FUZZTIME inputs each (20000x; a time such as 10s works too)
	@set -e; for dir in $$(grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=interop --exclude-dir=bench . | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | sed 's/func //'); do \
	    echo "$$dir $$target"; \
	    if [ $$dir = ./pkg/workapi ]; then \
	      $(GO) test -timeout 0 -run '^$$' -gcflags='github.com/pillion-dev/pillion/...=-d=libfuzzer' $$dir -args -test.fuzz="^$$target\$$" \
	        -test.fuzztime=$(FUZZTIME) -test.fuzzminimizetime=10x -test.fuzzcachedir="$$($(GO) env GOCACHE)/fuzz/workapi"; \
	    else \
	      $(GO) test -tags lite -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$dir; \
	    fi; \
	  done; done

.PHONY: interop
interop: build ## the OCM SDK v1.2.0 and v0.15.0 against bin/sidecar (needs mosquitto)
	cd test/interop/harness && $(GO) test -count=1 ./...
	cd test/interop/sdk12 && SIDECAR_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 20m ./...
	cd test/interop/sdk015 && SIDECAR_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 20m ./...

.PHONY: kubectl
kubectl: ## build bin/kubectl, which e2e drives bin/sidecar with
	cd test/kubectl && version=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubectl) && CGO_ENABLED=0 $(GO) build -trimpath \
	  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.$${version#v0.}" -o $(CURDIR)/$(KUBECTL) .

.PHONY: e2e
e2e: build kubectl ## failure stories against bin/sidecar: killed brokers, kill -9, full disks (needs mosquitto)
	SIDECAR_BIN=$(CURDIR)/$(BIN) KUBECTL_BIN=$(CURDIR)/$(KUBECTL) $(GO) test -tags e2e -count=1 -timeout 30m ./test/e2e/

.PHONY: clients
clients: build ## the client libraries against bin/sidecar (needs mypy, npm, openssl)
	cd clients/python && mypy pillion_client && SIDECAR_BIN=$(CURDIR)/$(BIN) python3 -W error::ResourceWarning -m unittest
	cd clients/typescript && npm ci --no-fund --no-audit && npm run check && SIDECAR_BIN=$(CURDIR)/$(BIN) npm test

.PHONY: bench
bench: build ## side by side with the OCM SDK; prints ratios
	cd bench && $(GO) run . -sidecar $(CURDIR)/$(BIN)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
