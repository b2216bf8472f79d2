#!/bin/bash
# Measures what docs/benchmarks.md says of failover: kills, freezes, drains and wipes on real processes (the arguments are
# those of Options in tests/chaos/failover.rs), the pause of a shard in a planned handoff, and a proxy killed beside
# another (KILLS, 50 by default). `make bench-moves` and `make bench-limits` measure the rest. Nothing else should run.
# Fails when any of them broke a promise.
# shellcheck source=scripts/with-services.sh
source "$(dirname "$0")/with-services.sh"

BENCH_ARGS="$*" run chaos --ignored --exact failover::bench_failover
run handoff --ignored --test-threads 1 bench_the_pause
KILLS=${KILLS:-50} run proxy --ignored --test-threads 1 bench_proxy_failover
exit "$status"
