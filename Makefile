SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY_VERSION := 0.20.2
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milvus-refresh-operator/tools
# The one on PATH when it is of this version, else one that is built into the user's cache.
CARGO_DENY := $(if $(filter $(CARGO_DENY_VERSION),$(shell cargo-deny --version 2>/dev/null)),cargo-deny,$(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny)

.PHONY: demo demo-watch dev check e2e test fmt fmt-check lint deny crds docs all-tests chaos help programs

demo: programs ## run four refreshes on a real API server, watch them, leave nothing behind
	@cargo run --quiet -p controlplane --bin demo

demo-watch: programs ## a real S3 server, a file that is put there, and the refresh that nobody asked for
	@cargo run --quiet -p controlplane --bin demo -- --watch

dev: programs ## the same, but keeps running for kubectl until Ctrl-C
	@cargo run --quiet -p controlplane --bin demo -- --keep

programs:
	@echo "== Building the operator, the simulator and the demo (the first time takes some minutes)"
	cargo build --bin milvus-refresh-operator
	cargo build -p milvus-simulator
	cargo build -p controlplane

check: fmt-check ## what to run after each change: formatting, clippy and the unit tests, under a minute when warm
	@echo "== Lints and unit tests"
	cargo clippy --all-targets -- -D warnings
	MODEL_HISTORIES=$(or $(MODEL_HISTORIES),1000) cargo test --lib --quiet

e2e: ## one test of the whole operator against a real API server, e.g. NAME=a_deleted_object_frees_its_collection
	cargo test --test operator -- --nocapture $(NAME)

test: fmt-check lint deny all-tests ## everything: formatting, lints, dependencies, all tiers of tests

fmt: ## format the code
	cargo fmt --all

fmt-check:
	@echo "== Formatting"
	cargo fmt --all --check

lint: ## clippy, without a warning
	@echo "== Lints"
	cargo clippy --workspace --all-targets -- -D warnings

deny: $(filter /%,$(CARGO_DENY)) ## dependencies: bans, licenses, sources, known vulnerabilities
	@echo "== Dependencies"
	$(CARGO_DENY) check bans licenses sources
	@if GIT_HTTP_LOW_SPEED_LIMIT=1000 GIT_HTTP_LOW_SPEED_TIME=20 $(CARGO_DENY) fetch db >/dev/null 2>&1; then \
		$(CARGO_DENY) check --disable-fetch advisories; \
	else \
		echo "The database of known vulnerabilities (github.com/RustSec/advisory-db) cannot be had: NOT checked."; \
	fi

$(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny:
	@echo "== Building cargo-deny $(CARGO_DENY_VERSION) into $(TOOLS); this takes some minutes and is done once"
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)

all-tests:
	@echo "== Tests, also against a real etcd and kube-apiserver (built once, into the user's cache)"
	@# Most of the long tests wait for the protocol's own times, not for a core.
	@# Fixed seeds, so that what passes passes again; a bare `cargo test` and `make chaos` draw others.
	RUST_TEST_THREADS=8 PROPTEST_RNG_SEED=$(or $(PROPTEST_RNG_SEED),20261126) CHAOS_SEED=$(or $(CHAOS_SEED),7) cargo test --workspace

chaos: ## the chaos run alone, e.g. SEED=7 N=500; prints its seed
	CHAOS_SEED=$(or $(SEED),$$RANDOM) CHAOS_N=$(or $(N),500) cargo test --test chaos -- --nocapture

CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS := $(TOOLS)/cargo-mutants-$(CARGO_MUTANTS_VERSION)/bin/cargo-mutants

# Where starts are decided, who may start, what Milvus' errors prove, and what keeps secrets out of messages.
MUTATED := src/refresh src/leader src/milvus/grpc/classify.rs src/milvus/scrub

.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## change the code that decides, and see that a test notices (hours), e.g. ONLY=src/leader SHARD=0/8
	@# Compiled dependencies are kept for the next time; debug information would only be linked again for each mutant.
	CARGO_TARGET_DIR=$(CURDIR)/target/mutants CARGO_PROFILE_DEV_DEBUG=0 MODEL_HISTORIES=300 \
		$(CARGO_MUTANTS) mutants --output target $(foreach path,$(or $(ONLY),$(MUTATED)),-f $(path) -f '$(path)/**') $(if $(SHARD),--shard $(SHARD))

$(CARGO_MUTANTS):
	@echo "== Building cargo-mutants $(CARGO_MUTANTS_VERSION) into $(TOOLS); this takes some minutes and is done once"
	cargo install cargo-mutants --version $(CARGO_MUTANTS_VERSION) --locked --root $(TOOLS)/cargo-mutants-$(CARGO_MUTANTS_VERSION)

.PHONY: bench
bench: ## measure the release build and write docs/performance.md (eleven minutes), e.g. ONLY=polls,short BENCH_SCALE=0.05
	@echo "== Building the operator as it is released, and the bench"
	cargo build --release --bin milvus-refresh-operator
	cargo build --release -p bench
	target/release/bench

.PHONY: dist chart chart-docs
dist: ## write dist/install.yaml and deploy/rbac.yaml from the chart
	@echo "== Writing dist/install.yaml and deploy/rbac.yaml"
	@cargo run --quiet -p chart -- dist

chart: ## pack the Helm chart into dist/
	@echo "== Packing the chart"
	@cargo run --quiet -p chart -- package dist

chart-docs: ## write the chart's README from values.yaml
	@cargo run --quiet -p chart -- docs

crds: ## write crds/, and the chart's copy, from the code
	@echo "== Writing crds/"
	@cargo run --quiet -- crds | awk ' \
		/^---$$/ { n++ } \
		{ text[n] = text[n] $$0 "\n" } \
		/^  name: [a-z]+\.milvus-refresh\.dev$$/ { split($$2, name, "."); file[n] = "crds/" name[1] ".yaml" } \
		END { for (i in text) printf "%s", text[i] > file[i] }'
	@cp crds/*.yaml charts/milvus-refresh-operator/files/crds/

docs: ## write docs/failures.md and docs/reference.md from the code
	@echo "== Writing docs/failures.md and docs/reference.md"
	@for name in failures reference; do page=$$(cargo run --quiet -- $$name) && printf '%s\n' "$$page" > docs/$$name.md; done

.PHONY: recording
recording: ## write the plugin's screens and docs/plugin/recording.svg from real terminals
	@echo "== Writing plugin/tests/plugin/screens and docs/plugin/recording.svg"
	cargo build --bin milvus-refresh-operator
	WRITE_SCREENS=1 cargo test -p kubectl-ecrefresh --test plugin screens::

CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_CYCLONEDX := $(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)/bin/cargo-cyclonedx
ARCH ?= $(if $(filter aarch64,$(shell uname -m)),arm64,amd64)
CARGO_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE := target/image/milvus-refresh-operator-$(CARGO_VERSION)-linux-$(ARCH).tar

# For the image alone: what compiles C would do so anew for each commit.
image: export SOURCE_DATE_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))

.PHONY: image image-start release release-again record-release
image: ## build the image as an OCI archive, without an engine; ARCH=amd64 or arm64
	@echo "== Building the image for linux/$(ARCH) (the first time takes some minutes)"
	@mkdir -p $(dir $(IMAGE))
	@release/image $(ARCH) $(CARGO_VERSION) $(IMAGE)

image-start: image ## build the image of this machine and start it from its root filesystem alone; as root
	@release/start $(IMAGE)

release: $(CARGO_CYCLONEDX) ## everything that is published, into dist/VERSION; VERSION=0.1.0, optionally SIGN=command
	@CARGO_CYCLONEDX=$(CARGO_CYCLONEDX) release/artefacts "$(VERSION)" "dist/$(VERSION)"

release-again: $(CARGO_CYCLONEDX) ## make a release again elsewhere and compare it byte for byte; VERSION=0.1.0
	@CARGO_CYCLONEDX=$(CARGO_CYCLONEDX) release/reproduce "$(VERSION)" "dist/$(VERSION)"

record-release: ## note this release's schema and statuses, which the next one is held to
	@release/record

$(CARGO_CYCLONEDX):
	@echo "== Building cargo-cyclonedx $(CARGO_CYCLONEDX_VERSION) into $(TOOLS); this takes some minutes and is done once"
	cargo install cargo-cyclonedx --version $(CARGO_CYCLONEDX_VERSION) --locked --root $(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
