# Recipes for people and for CI. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Queries are checked against the committed .sqlx, so that a build needs no database; `make prepare` renews it.
export SQLX_OFFLINE := true
ARGS ?=

.PHONY: chart-readme help setup base-setup demo screenshots test simulate lint bench bench-sim bench-schema bench-config bench-limits bench-moves bench-retrieval bench-failover soak test-plans previous-queries prepare prepare-check clean

help: ## List the recipes
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: ## Install what is missing: Postgres, Redis, and what the tests run besides; check for Rust and a C compiler
	@scripts/setup.sh tests

# What building and the demo need, without the tests' browser and client libraries.
base-setup:
	@scripts/setup.sh

demo: base-setup ## Watch the cluster answer questions in a simulated Discord: make demo ARGS='--for 30s --keep'
	@# A test target along with the programs makes cargo choose the tests' features, so that nothing is built twice.
	@cargo build --workspace --bins --test layout
	@$(TARGET)/debug/demo $(ARGS)

test: setup ## Run every test beside a private Postgres and Redis: make test ARGS='--test layout'
	@cargo test --workspace --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --no-fail-fast $(ARGS)

simulate: ## Run the cluster in a simulated world: SEED=17 for one run, SIMULATION_SEEDS=10000 for many, MUTATION=... broken
	@cargo test --workspace --test simulation --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test simulation -- --nocapture $(ARGS)

screenshots: setup ## Take the pictures of docs/images anew, from the real Helpline in the playground
	@cargo test --workspace --no-run
	@SCREENSHOTS=$(CURDIR)/docs/images $(TARGET)/debug/with-services -- cargo test --workspace --test playground --test status seen_in_the_browser

lint: ## Formatting, clippy, dependencies and their licences
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings -D clippy::too_many_lines
	@scripts/check-dependencies.sh

bench: base-setup ## Measure the answering path: make bench ARGS='--for 60s'
	@scripts/bench.sh $(ARGS)

bench-sim: ## Measure what the simulated Discord delivers per core: make bench-sim ARGS='--compress none --seconds 20'
	@cargo bench --package helpline-sim --bench load -- $(ARGS)

bench-retrieval: base-setup ## Measure the search of 10,000 passages among a million, and with EVAL_DIR=sets how well questions are answered
	@cargo test --workspace --test retrieval --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test retrieval -- --ignored --nocapture bench_
	@[ -z "$(EVAL_DIR)" ] || $(TARGET)/debug/with-services -- cargo bench --workspace --bench retrieval --profile dev

bench-schema: base-setup ## Measure the promotion of a server with 100,000 of a million conversations, under load
	@cargo test --workspace --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test schema -- --ignored --nocapture bench_

bench-failover: base-setup ## Measure takeovers, drains, repairs and moves while members ask: make bench-failover ARGS='--kills 50'
	@scripts/bench-failover.sh $(ARGS)

soak: base-setup ## Faults at random on real processes, and 10,000 seeds of the simulation: make soak ARGS='--hours 1 --seed 7'
	@scripts/soak.sh $(ARGS)

bench-moves: base-setup ## Measure plans of placement at full size, 1,000 moves of servers under load, and growth
	@cargo bench --package helpline-cluster --bench placement
	@cargo test --workspace --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test moving -- --ignored --nocapture --test-threads 1 bench_

bench-limits: base-setup ## Measure three proxies at Discord's limits, and how soon interactions are acknowledged without a worker
	@cargo test --workspace --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test proxy -- --ignored --nocapture --test-threads=1 bench_

bench-config: base-setup ## Measure how soon a change of a config is seen by twenty workers
	@cargo test --workspace --test server_config --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test server_config -- --ignored --nocapture bench_

test-plans: base-setup ## Check the plans of hot queries at a million rows and 500 partitions, and time the planning
	@cargo test --workspace --no-run
	@$(TARGET)/debug/with-services -- cargo test --workspace --test schema -- --ignored --nocapture with_a_million

chart-readme: setup ## Write the list of values in the chart's README anew, from the comments of values.yaml
	@UPDATE_README=1 cargo test --workspace --test chart the_readme

previous-queries: ## At a release: keep its queries, which the next one's schema is held against
	@PREVIOUS_COMMIT=$$(git rev-parse --short HEAD) cargo test --workspace --test schema -- --ignored renew_the_previous_queries

prepare: base-setup ## Renew .sqlx, the compile-time knowledge of the queries, after a query or a migration changed
	@scripts/prepare.sh

prepare-check: base-setup ## Fail when .sqlx is not what `make prepare` would write
	@scripts/prepare.sh --check

clean: ## Remove what was built
	@cargo clean
