#!/usr/bin/env bash
# Rules on dependencies that need no further tool: one TLS provider, licences, nothing declared and unused.
# cargo-deny (advisories, sources; deny.toml) and cargo-machete run as well where they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() { printf 'dependencies: %s\n' "$*" >&2; bad=1; }

tree() { cargo tree --workspace --locked --edges all --prefix none --format "$1" | sed 's/ (\*)$//' | sort -u; }

# ring is the provider of all TLS: two providers in one process panic at the first connection, and aws-lc needs cmake.
if tree '{p}' | grep -E '^aws-lc-(rs|sys) ' >&2; then
  complain 'aws-lc is in the tree (cargo tree -i aws-lc-rs): switch the feature off that brings it in'
fi

# A licence is fine when one alternative of it consists of these alone.
fine='MIT|MIT-0|Apache-2\.0|Apache-2\.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|0BSD|BSL-1\.0|CC0-1\.0|Unlicense|Unicode-3\.0|Unicode-DFS-2016|CDLA-Permissive-2\.0'
while IFS='|' read -r package licence; do
  plain=$(tr -d '()' <<<"$licence" | sed 's:/: OR :g')
  allowed=
  while read -r alternative; do
    rest=$(sed 's/ AND /\n/g' <<<"$alternative" | grep -vxE "$fine" || true)
    [ -n "$rest" ] || allowed=1
  done < <(sed 's/ OR /\n/g' <<<"$plain")
  [ -n "$allowed" ] || complain "licence of ${package%% (*}: ${licence:-none}"
done < <(tree '{p}|{l}' | grep -v '^helpline')

# A declared dependency must be named in the package's sources.
for manifest in Cargo.toml cluster/Cargo.toml embed/Cargo.toml sim/Cargo.toml demo/Cargo.toml; do
  dir=$(dirname "$manifest")
  sources=()
  for part in src tests benches examples; do [ ! -d "$dir/$part" ] || sources+=("$dir/$part"); done
  names=$(awk '/^\[/ { on = /^\[(dev-|build-)?dependencies\]$/ } on && /^[a-z]/ { sub(/[ .=].*/, ""); print }' "$manifest")
  for name in $names; do
    grep -rqE --include='*.rs' "\b${name//-/_}\b" "${sources[@]}" || complain "$manifest declares $name and nothing there uses it"
  done
done

if command -v cargo-deny >/dev/null; then cargo deny --all-features check || bad=1; fi
if command -v cargo-machete >/dev/null; then cargo machete || bad=1; fi
exit "$bad"
