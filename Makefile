# Every command of the project. `make help` lists them.
#
# Needs a Rust toolchain (rustup), Node 20.11+, Python 3.11+ and, for the tests, Chromium (installed from Debian's
# packages where make runs as root); everything else is installed from the package registries, most of it into a cache
# folder outside the tree, so that a second clone builds in minutes.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CACHE ?= $(HOME)/.cache/headwater
export CARGO_TARGET_DIR ?= $(CACHE)/target
TOOLS := $(CACHE)/tools
PYTHON := $(CACHE)/python/bin/python
export PATH := $(TOOLS)/bin:$(PATH)
export HEADWATER_TEST_PYTHON := $(PYTHON)

DEMO_ARGS ?=
BENCH_ARGS ?= --write docs/reference/benchmarks.md
NEXTEST_PROFILE ?= $(if $(CI),ci,default)
WASM := $(CARGO_TARGET_DIR)/wasm32-unknown-unknown/worker/edge_collector.wasm
# The command must be of the very version that Cargo.toml pins for the library.
WASM_BINDGEN := 0.2.129
say = @printf '\033[1m== %s\033[0m\n' "$(1)" >&2

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: demo
demo: build ## The main job: serve on an empty folder, send a shop's traffic over HTTP, ask questions
	$(call say,starting the demo: Ctrl-C ends it)
	$(CARGO_TARGET_DIR)/debug/headwater demo $(DEMO_ARGS)

.PHONY: build
build: ## Build the binary that demo and tests run (the first time takes a quarter of an hour on two cores)
	$(call say,building headwater)
	cargo build --locked -p headwater

.PHONY: worker
worker: worker-tools ## Build the edge Worker into infra/worker/dist, and hold it to its size
	$(call say,building the Worker)
	WASM_BINDGEN_USE_JS_SYS=1 cargo rustc --locked --profile worker --target wasm32-unknown-unknown -p edge-collector --lib --crate-type cdylib
	node infra/worker/build.mjs $(WASM) $(TOOLS)/bin/wasm-bindgen infra/worker/dist

.PHONY: worker-speed
worker-speed: worker-tools
	$(call say,building the steps of the Worker for benchmarks)
	WASM_BINDGEN_USE_JS_SYS=1 cargo rustc --locked --profile worker --target wasm32-unknown-unknown -p edge-collector --lib --crate-type cdylib --features worker-speed
	node infra/worker/build.mjs $(WASM) $(TOOLS)/bin/wasm-bindgen infra/worker/dist/speed infra/worker/bench/entry.mjs

.PHONY: worker-tools
worker-tools: infra/worker/node_modules/.installed
	@rustup target list --installed | grep -qx wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
	@[ "$$($(TOOLS)/bin/wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $(WASM_BINDGEN)" ] || { printf '== installing wasm-bindgen (two minutes)\n' >&2; cargo install --locked --debug --root $(TOOLS) wasm-bindgen-cli@$(WASM_BINDGEN) --bin wasm-bindgen; }

.PHONY: test
test: test-tools worker ## Install what the tests need and run all of them
	$(call say,building the binary and the tests)
	cargo build --locked --workspace --all-targets
	$(call say,checking that the light crates compile for the edge)
	cargo check --locked --target wasm32-unknown-unknown -p event-model -p event-queue -p query-model -p edge-collector
	$(call say,running the tracker's own tests)
	npm test --prefix sdks/javascript
	$(call say,running the Worker in workerd)
	node --test infra/worker/test/*.test.mjs
	$(call say,running the tests)
	cargo nextest run --locked --workspace --profile $(NEXTEST_PROFILE)
	$(call say,deploying to an imitated AWS and asking there)
	$(MAKE) --no-print-directory -j3 --output-sync=target cloud-modules cloud-worker cloud-examples cloud-deployment cloud-collector cloud-faults

.PHONY: test-cloud
test-cloud: test-tools worker build-lambdas ## Deploy examples/minimal to an imitated AWS with Terraform, send events through it, and live through bad days
	$(MAKE) --no-print-directory -j3 --output-sync=target cloud-modules cloud-worker cloud-examples cloud-deployment cloud-collector cloud-faults

# They spend most of their time waiting.
CLOUD_TESTS := cloud-modules cloud-worker cloud-examples cloud-deployment cloud-collector cloud-faults
.PHONY: $(CLOUD_TESTS)
$(CLOUD_TESTS): cloud-%:
	cd tests/cloud && $(PYTHON) -B -m unittest -v test_$*

# Beside the binary, so that the features, and with them the build of the query engine, are the same (decision 0006).
.PHONY: build-lambdas
build-lambdas:
	cargo build --locked -p headwater -p lambdas

CARGO_LAMBDA := 1.9.2
ZIG := 0.17.0
FUNCTIONS := collector compactor publisher query
# Each with the features of its own, so that only the one that answers questions carries the query engine.
CARGO_LAMBDA_BUILD = PATH="$(CACHE)/lambda-tools/bin:$$PATH" cargo lambda build --locked --release --arm64 --output-format zip --lambda-dir $(CARGO_TARGET_DIR)/lambda -p lambdas --no-default-features

.PHONY: lambdas
lambdas: $(CACHE)/lambda-tools/.installed-$(CARGO_LAMBDA)-$(ZIG) ## Build the functions for AWS Lambda (arm64) into dist/lambdas (optimised: up to an hour the first time)
	@rustup target list --installed | grep -qx aarch64-unknown-linux-gnu || rustup target add aarch64-unknown-linux-gnu
	$(call say,building the functions optimised for arm64)
	$(CARGO_LAMBDA_BUILD) --features collector --bin collector-function
	$(CARGO_LAMBDA_BUILD) --features compactor --bin compactor-function
	$(CARGO_LAMBDA_BUILD) --features publisher --bin publisher-function
	$(CARGO_LAMBDA_BUILD) --features query --bin query-function
	mkdir -p dist/lambdas
	for name in $(FUNCTIONS); do cp $(CARGO_TARGET_DIR)/lambda/$$name-function/bootstrap.zip dist/lambdas/$$name.zip; done
	@ls -l dist/lambdas | awk 'NR > 1 { printf "%s %.1f MB\n", $$9, $$5 / 1e6 }'

$(CACHE)/lambda-tools/.installed-$(CARGO_LAMBDA)-$(ZIG):
	$(call say,installing cargo-lambda and zig)
	python3 -m venv --clear $(CACHE)/lambda-tools
	$(CACHE)/lambda-tools/bin/python -m pip install --quiet --disable-pip-version-check cargo-lambda==$(CARGO_LAMBDA) ziglang==$(ZIG) cargo-zigbuild==0.24.0
	touch $@

NPM_FOLDERS := sdks/javascript tests/sdks/browser tests/sdks/node

.PHONY: test-tools
test-tools: $(CACHE)/python/.installed $(NPM_FOLDERS:%=%/node_modules/.installed) chromium ## Install what the tests need
	@cargo nextest --version >/dev/null 2>&1 || { printf '== installing cargo-nextest (a few minutes)\n' >&2; cargo install --locked --debug --root $(TOOLS) cargo-nextest; }
	@rustup target list --installed | grep -qx wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown

PYTHON_PACKAGES := tests/sdks/python/requirements.txt tests/readers/requirements.txt

$(CACHE)/python/.installed: $(PYTHON_PACKAGES)
	$(call say,installing the Python packages that tests run)
	mkdir -p $(CACHE)
	python3 -m venv --clear $(CACHE)/python
	$(PYTHON) -m pip install --quiet --disable-pip-version-check $(PYTHON_PACKAGES:%=-r %)
	touch $@

%/node_modules/.installed: %/package-lock.json
	$(call say,installing the npm packages of $*)
	npm ci --prefix $* --no-audit --no-fund --loglevel=error
	touch $@

# Tests of pages need a browser. Where it cannot be installed here, they fail and say what to install.
.PHONY: chromium
chromium:
	@[ -x "$${HEADWATER_CHROMIUM:-/usr/bin/chromium}" ] || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { printf '== installing chromium\n' >&2; { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || printf 'chromium could not be installed: the tests of pages will fail\n' >&2; }

.PHONY: tracker
tracker: sdks/javascript/node_modules/.installed ## Build the tracker for web pages into sdks/javascript/dist
	npm run build --prefix sdks/javascript

.PHONY: check
check: format-check lint deny test ## What a change must pass: format, clippy, licences and bans, all tests

.PHONY: format
format: ## Format the code
	cargo fmt --all

.PHONY: format-check
format-check:
	cargo fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --target wasm32-unknown-unknown -p edge-collector --features worker-speed -- -D warnings

.PHONY: deny
deny: ## Licences, banned crates and sources of all dependencies
	@cargo deny --version >/dev/null 2>&1 || { printf '== installing cargo-deny (a few minutes)\n' >&2; cargo install --locked --debug --root $(TOOLS) cargo-deny; }
	cargo deny --log-level error check bans licenses sources

.PHONY: bench
bench: ## Measure the budgets and write docs/reference/benchmarks.md (builds optimised: half an hour the first time)
	$(call say,building optimised)
	cargo build --locked --release --workspace
	$(MAKE) worker worker-speed
	$(CARGO_TARGET_DIR)/release/budgets $(BENCH_ARGS)

.PHONY: bench-cloud
bench-cloud: $(CACHE)/python/.installed worker ## Measure cold starts of the functions in HEADWATER_LAMBDA_FOLDER, else of the development build, into docs/reference/benchmarks-cloud.md
	[ -n "$${HEADWATER_LAMBDA_FOLDER:-}" ] || $(MAKE) --no-print-directory build-lambdas
	cd tests/cloud && $(PYTHON) -B measure.py --write $(CURDIR)/docs/reference/benchmarks-cloud.md

.PHONY: nightly
nightly: test-tools ## Long runs: 100 crashes of a loaded server, 1000 seeds of every simulation, 100 bad days of each kind, odd requests
	cargo build --locked --workspace
	$(MAKE) worker
	node --test infra/worker/test/nightly/*.test.mjs
	HEADWATER_CRASHES=100 SEEDS=1000 HEADWATER_FUZZ_SECONDS=1800 cargo nextest run --locked --workspace --profile nightly
	HEADWATER_CLOUD_SEEDS=100 $(MAKE) cloud-faults
	$(MAKE) bench BENCH_ARGS=--full

.PHONY: update
update: ## Write the generated files anew: OpenAPI, reference pages, snapshots
	UPDATE=1 INSTA_UPDATE=always cargo nextest run --locked -p event-model -p query-lambda -p headwater
