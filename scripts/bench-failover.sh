#!/bin/bash
# Measures all that docs/benchmarks.md says of failover, moves and limits. The arguments are those of
# tests/chaos/failover.rs, which comes first. Nothing else should run. Fails when any of them broke a promise.
set -euo pipefail
cd "$(dirname "$0")/.."
export SQLX_OFFLINE=true
target=${CARGO_TARGET_DIR:-target}

cargo test --workspace --no-run
status=0
BENCH_ARGS="$*" "$target/debug/with-services" -- \
    cargo test --workspace --test chaos -- --ignored --nocapture --exact failover::bench_failover || status=$?

# What other tests measure: the test, and the beginning of the names.
run() {
    printf '\n%s %s\n' "$1" "$2"
    "$target/debug/with-services" -- \
        cargo test --workspace --test "$1" -- --ignored --nocapture --test-threads 1 "$2" || status=$?
}
run handoff bench_the_pause
run moving bench_
run proxy bench_rest_limits
cargo bench --package helpline-cluster --bench placement || status=$?
exit "$status"
