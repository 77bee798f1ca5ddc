# The entry point for people. `make` lists what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Where cargo puts things: CARGO_TARGET_DIR moves it, and every recipe below follows.
TARGET := $(or $(CARGO_TARGET_DIR),target)
TOOLS := scripts/with-tools
KEEP ?=
# make bench QUICK=1; make bench-sipp CALLS_PER_SECOND=2000 SECONDS_LONG=10
QUICK ?=
CALLS_PER_SECOND ?= 1000
SECONDS_LONG ?= 20
# make soak SEEDS=1000000 FROM=0
SEEDS ?= 100000
FROM ?= 0
# make fuzz SECONDS=60
SECONDS ?= 600

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Calls through both sample deciders on loopback, with ladders (KEEP=1 leaves the system running)
	@scripts/bootstrap demo
	@cargo build --locked -p sigbox -p lcr-rust
	@$(MAKE) --no-print-directory node-sdk
	@$(TOOLS) $(TARGET)/debug/sigbox demo $(if $(KEEP),--keep)

.PHONY: test
test: ## Everything: unit, simulated, contract, end to end with SIPp, Node, Python
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory node-sdk
	$(TOOLS) scripts/cargo-test
	$(TOOLS) npm test --workspaces --if-present
	$(TOOLS) scripts/python-test
	scripts/no-tokio

.PHONY: check
check: ## A quick look: does everything compile, lints included
	cargo clippy --locked --workspace --all-targets

.PHONY: lint
lint: ## Formatting, clippy, dependencies, shell scripts
	scripts/lint

.PHONY: fmt
fmt: ## Format the Rust sources
	cargo fmt --all

.PHONY: soak
soak: ## Random calls over a simulated network: SEEDS of them (default 100,000) from seed FROM
	@cargo run --locked --release -p sigbox-testkit --example soak -- $(SEEDS) $(FROM)

.PHONY: bench
bench: ## sigbox beside Kamailio, written to docs/benchmarks.md, 45 minutes (QUICK=1: 2 minutes, not written there)
	@scripts/bootstrap bench
	@$(MAKE) --no-print-directory node-sdk
	@scripts/bench $(if $(QUICK),--quick)

.PHONY: bench-sipp
bench-sipp: ## SIPp at 1,000 calls/s for 20 s through the Rust decider: no failed call, no retransmission
	@scripts/bootstrap bench
	@cargo build --locked --release -p sigbox -p lcr-rust -p e2e
	@$(TOOLS) $(TARGET)/release/sipp-load $(CALLS_PER_SECOND) $(SECONDS_LONG)

.PHONY: budgets
budgets: ## Instructions per step of a call, held against docs/budgets.md
	@scripts/bootstrap budgets
	@scripts/budgets

.PHONY: fuzz
fuzz: ## Fuzz targets for SECONDS each, default 600 (docs/fuzzing.md)
	@scripts/fuzz all $(SECONDS)

.PHONY: fuzz-api
fuzz-api: ## The HTTP API of a proxy of its own, with what openapi.yaml describes; EXAMPLES per operation, default 100
	@scripts/fuzz-api $(EXAMPLES)

# The Node SDK is TypeScript; its sample and its users import what tsc leaves in dist/.
NODE_SDK := decider-sdk/node
.PHONY: node-sdk
node-sdk: $(NODE_SDK)/dist/.built
$(NODE_SDK)/dist/.built: $(wildcard $(NODE_SDK)/src/*.ts $(NODE_SDK)/src/*/*.ts) $(NODE_SDK)/package.json $(NODE_SDK)/tsconfig.json package-lock.json
	@$(TOOLS) npm run --silent build --workspace $(NODE_SDK)
	@touch $@
