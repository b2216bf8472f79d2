#!/usr/bin/env bash
# Measures the answering path at Discord's default limit and at a large bot's, in the build that demo and tests use
# (opt-level 1): it is there already, and what holds in it holds in a release build.
# With EVAL_DIR it measures retrieval first (benches/retrieval.rs says how a set looks). Nothing else should run.
# docs/benchmarks.md tells what was seen and how to read it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --workspace --bins --test layout
demo=${CARGO_TARGET_DIR:-target}/debug/demo
run() {
  printf '%s\n' "$1"
  shift
  "$demo" --json "$@" | tail -n 1
}
if [ -n "${EVAL_DIR:-}" ]; then
  "${demo%/demo}/with-services" -- cargo bench --workspace --bench retrieval --profile dev
fi
# Two follow-ups come for every three first questions: 9 a second are about 15 in all.
run '15 questions/s in all, 50 REST/s' --questions-per-second 9 --rest-per-second 50 "$@"
run '25 questions/s in all, 50 REST/s: the limit' --questions-per-second 15 --rest-per-second 50 "$@"
run '50 questions/s in all, 1,000 REST/s' --questions-per-second 30 --rest-per-second 1000 "$@"
run '200 questions/s by /ask, 5,000 REST/s: how soon they are acknowledged' --for 20s --questions-per-second 200 \
  --slash-share 1 --rest-per-second 5000 --patience 10m --kill none "$@"
run '6 questions/s, 50 REST/s, proxy killed' --kill proxy@10s "$@"
