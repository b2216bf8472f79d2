#!/usr/bin/env bash
# Measures the answering path in an optimised build, at Discord's default limit and at a large bot's.
# With EVAL_DIR it measures retrieval first (benches/retrieval.rs says how a set looks). Nothing else should run.
# docs/benchmarks.md tells what was seen and how to read it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --package helpline --package helpline-demo --package helpline-sim --bins
demo=${CARGO_TARGET_DIR:-target}/release/demo
run() {
  printf '%s\n' "$1"
  shift
  "$demo" --json "$@" | tail -n 1
}
if [ -n "${EVAL_DIR:-}" ]; then
  "${demo%/demo}/with-services" -- cargo bench --package helpline --bench retrieval
fi
run '15 questions/s, 50 REST/s' --questions-per-second 15 --rest-per-second 50 "$@"
run '30 questions/s, 1,000 REST/s' --questions-per-second 30 --rest-per-second 1000 "$@"
