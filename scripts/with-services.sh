# Sourced by the recipes that run tests beside a Postgres and a Redis of their own, for hours or with nothing else running:
# builds everything once, then runs one test after the other and remembers whether any of them failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SQLX_OFFLINE=true
target=${CARGO_TARGET_DIR:-target}
status=0

cargo test --workspace --no-run

# run TEST ARGS…: a test binary with the arguments of its harness.
run() {
    local name=$1
    shift
    printf '\n%s %s\n' "$name" "$*"
    "$target/debug/with-services" -- cargo test --workspace --test "$name" -- --nocapture "$@" || status=$?
}
