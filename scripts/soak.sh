#!/bin/bash
# Runs faults at random on real processes for as long as the arguments say (see Options in tests/chaos/soak.rs), and
# then the simulation with many seeds (SIMULATION_SEEDS, 10,000 by default). Fails when either broke a promise.
set -euo pipefail
cd "$(dirname "$0")/.."
export SQLX_OFFLINE=true
target=${CARGO_TARGET_DIR:-target}

cargo test --workspace --no-run
status=0
SOAK_ARGS="$*" "$target/debug/with-services" -- \
    cargo test --workspace --test chaos -- --ignored --nocapture --exact soak::soak || status=$?
if [ -d tests/simulation ] || [ -d cluster/tests/simulation ]; then
    SIMULATION_SEEDS=${SIMULATION_SEEDS:-10000} "$target/debug/with-services" -- \
        cargo test --workspace --test simulation -- --nocapture || status=$?
fi
exit "$status"
