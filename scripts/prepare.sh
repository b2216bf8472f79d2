#!/usr/bin/env bash
# Renews .sqlx: starts a Postgres of its own, applies migrations/ to it and compiles every query against it. sqlx's
# macros write what they learn to SQLX_OFFLINE_DIR when they are online. Written in shell, because the programs of
# this workspace cannot be built while .sqlx does not fit the queries.
# usage: prepare.sh [--check]    --check only compares
set -euo pipefail
cd "$(dirname "$0")/.."

check=
[ "${1:-}" != --check ] || check=1
bin=
for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
  [ ! -x "$dir/initdb" ] || bin=$dir
done
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)") || { echo 'prepare: no initdb: run make setup' >&2; exit 1; }
psql=$(command -v psql || echo "$bin/psql")

dir=$(mktemp -d /tmp/helpline-prepare-XXXXXX)
as=()
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$dir"
  as=(setpriv --reuid postgres --regid "$(id -g postgres)" --clear-groups)
fi
end() {
  ${as[@]+"${as[@]}"} "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap end EXIT

(cd "$dir" && ${as[@]+"${as[@]}"} "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
  # A socket in the directory alone: no port can be taken.
  ${as[@]+"${as[@]}"} "$bin/pg_ctl" -w -D data -l log -o "-c listen_addresses= -k $dir -c fsync=off" start >/dev/null)
query() { "$psql" -X -q -v ON_ERROR_STOP=1 -h "$dir" -U postgres "$@" >/dev/null; }
query -d postgres -c 'create database prepare'
for migration in migrations/*.sql; do
  PGOPTIONS='-c client_min_messages=warning' query -d prepare --single-transaction -f "$migration" ||
    { echo "prepare: $migration cannot be applied" >&2; exit 1; }
done

mkdir "$dir/sqlx"
# Only what is compiled is written, so every file of the workspace has to look new.
find src cluster/src sim/src demo tests cluster/tests sim/tests benches -name '*.rs' -exec touch {} + 2>/dev/null || true
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$dir/sqlx \
  DATABASE_URL="postgres://postgres@localhost/prepare?host=${dir//\//%2F}" \
  cargo check --workspace --all-targets

if [ -n "$check" ]; then
  diff -r .sqlx "$dir/sqlx" >&2 || { echo 'prepare: .sqlx is out of date: run make prepare and commit it' >&2; exit 1; }
  echo 'prepare: .sqlx is up to date'
else
  rm -rf .sqlx
  mkdir .sqlx
  cp "$dir"/sqlx/*.json .sqlx/
  echo "prepare: .sqlx holds $(ls .sqlx | wc -l) queries"
fi
