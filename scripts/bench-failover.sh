#!/bin/bash
# Measures what docs/benchmarks.md says of failover. The arguments are those of tests/chaos/failover.rs; the benches of
# moves, growth, placement and REST limits run after it, each in its own test, where they are.
set -euo pipefail
cd "$(dirname "$0")/.."
export SQLX_OFFLINE=true
target=${CARGO_TARGET_DIR:-target}

cargo test --workspace --no-run
status=0
BENCH_ARGS="$*" "$target/debug/with-services" -- \
    cargo test --workspace --test chaos -- --ignored --nocapture --exact failover::bench_failover || status=$?

# test binary, name of the measurement
others='moving bench_moves
moving bench_growth
placement bench_placement
limits bench_rest_limits'
while read -r binary name; do
    if grep -rqs --include='*.rs' "fn $name\b" tests cluster/tests; then
        printf '\n%s\n' "$name"
        "$target/debug/with-services" -- \
            cargo test --workspace --test "$binary" -- --ignored --nocapture --test-threads 1 "$name" || status=$?
    fi
done <<< "$others"
exit "$status"
