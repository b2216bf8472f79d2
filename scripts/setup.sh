#!/usr/bin/env bash
# Makes sure that what builds and the demo need is here: a C compiler, Rust, and the server programs of PostgreSQL and
# Redis. `setup.sh tests` sees to what the tests run besides: Chromium, Prometheus, and through setup-outside.sh the client libraries
# and PostgREST. Installs what is missing with apt; elsewhere it says what is needed.
# No service is started or enabled, no database cluster is created, and servers that run are left alone.
set -euo pipefail

oldest_postgres=15 oldest_redis=7
mode=${1:-base}
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# The newest server program of PostgreSQL, as src/up/services/binaries.rs finds it.
postgres_program() {
  local dir newest= newest_major=0 major
  local IFS=:
  for dir in $PATH /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
    /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] || continue
    major=$(first_number "$("$dir/postgres" --version)")
    [ "$major" -le "$newest_major" ] || { newest=$dir/postgres newest_major=$major; }
  done
  printf '%s' "$newest"
}

redis_program() { command -v redis-server || command -v valkey-server || true; }

chromium_program() {
  command -v chromium || command -v chromium-browser || command -v google-chrome ||
    command -v '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' || true
}

# venv alone is not enough: Debian keeps what fills it, ensurepip, in a package of its own.
python_works() { python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

first_number() { grep -oE '[0-9]+' <<<"$1" | head -n 1; }

missing_packages() {
  command -v cc >/dev/null || printf 'gcc libc6-dev '
  [ -n "$(postgres_program)" ] || printf 'postgresql '
  [ -n "$(redis_program)" ] || printf 'redis-server '
  [ "$mode" = tests ] || return 0
  python_works || printf 'python3 python3-venv '
  # Without fonts a page has no letters in it; Chromium's package only recommends them.
  # promtool comes with it.
  command -v prometheus >/dev/null && command -v promtool >/dev/null || printf 'prometheus '
  [ -n "$(chromium_program)" ] || printf 'chromium fonts-liberation fonts-noto-color-emoji '
}

install_with_apt() {
  local packages=("$@")
  [ -z "$sudo" ] || command -v sudo >/dev/null || fail "missing: ${packages[*]}; run as root or install sudo: apt-get install ${packages[*]}"
  say "installing ${packages[*]} with apt-get (no service will be started)"
  hold_services_back
  local apt=($sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update >/dev/null || fail "apt-get update failed: is there a network?"
  "${apt[@]}" install -y --no-install-recommends "${packages[@]}" </dev/null >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "apt-get could not install ${packages[*]}"
  }
  # These packages enable their service for the next start of the machine; nobody asked for that.
  local service
  for service in redis-server prometheus; do
    case " ${packages[*]} " in *" $service "*) $sudo update-rc.d "$service" disable >/dev/null 2>&1 || true ;; esac
  done
  let_services_go
}

# Debian starts what it installs and creates a first cluster. policy-rc.d and createcluster.d are its own switches
# against that (man invoke-rc.d, man pg_createcluster); those that somebody set before stay as they are.
policy=/usr/sbin/policy-rc.d
cluster_conf=/etc/postgresql-common/createcluster.d/helpline-setup.conf
created=() created_dirs=() log=
hold_services_back() {
  log=$(mktemp)
  trap let_services_go EXIT
  if [ ! -e "$policy" ]; then
    created+=("$policy")
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
  fi
  local dir=${cluster_conf%/*}
  for path in "${dir%/*}" "$dir"; do
    [ -d "$path" ] || { created_dirs=("$path" ${created_dirs[@]+"${created_dirs[@]}"}); $sudo mkdir "$path"; }
  done
  created+=("$cluster_conf")
  echo 'create_main_cluster = false' | $sudo tee "$cluster_conf" >/dev/null
}

let_services_go() {
  local path
  for path in ${created[@]+"${created[@]}"}; do $sudo rm -f "$path"; done
  # Only those that are empty again: the packages put files of their own beside ours.
  for path in ${created_dirs[@]+"${created_dirs[@]}"}; do $sudo rmdir "$path" 2>/dev/null || true; done
  [ -z "$log" ] || rm -f "$log"
  created=() created_dirs=() log=
  trap - EXIT
}

tell_what_is_needed() {
  say "not found: $1"
  say "needed: a C compiler, PostgreSQL $oldest_postgres or newer (initdb, postgres), Redis $oldest_redis or newer (redis-server)"
  [ "$mode" != tests ] || say "needed by the tests: Python 3.10 or newer with venv, Chromium, Prometheus with promtool"
  if command -v dnf >/dev/null; then
    say "try: sudo dnf install gcc postgresql-server valkey   (for the tests: python3 chromium golang-github-prometheus)"
  elif command -v brew >/dev/null; then
    say "try: brew install postgresql@17 redis   (for the tests: python prometheus; --cask google-chrome; xcode-select --install for the compiler)"
  elif command -v pacman >/dev/null; then
    say "try: sudo pacman -S gcc postgresql valkey   (for the tests: python chromium prometheus)"
  elif command -v apk >/dev/null; then
    say "try: sudo apk add build-base postgresql17 redis   (for the tests: python3 chromium prometheus)"
  fi
  exit 1
}

case $mode in base | tests) ;; *) fail "usage: $0 [tests]" ;; esac
command -v cargo >/dev/null || fail 'Rust is missing: install it as https://rustup.rs says, then open a new shell'

missing=$(missing_packages)
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || tell_what_is_needed "$missing"
  # shellcheck disable=SC2086 # a list of words
  install_with_apt $missing
fi

major=$(first_number "$("$(postgres_program)" --version)")
[ "$major" -ge "$oldest_postgres" ] || fail "PostgreSQL $major is too old: $oldest_postgres or newer is needed (https://www.postgresql.org/download/)"
major=$(first_number "$("$(redis_program)" --version)")
[ "$major" -ge "$oldest_redis" ] || fail "Redis $major is too old: $oldest_redis or newer is needed (https://redis.io/docs/latest/operate/oss_and_stack/install/)"
[ "$mode" != tests ] || "$(dirname "$0")/setup-outside.sh" "$(chromium_program)"
[ -z "$missing" ] || say 'done'
