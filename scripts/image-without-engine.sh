#!/usr/bin/env bash
# Carries out the steps of the Dockerfile's build stage on this machine, as far as they go without an engine, and starts the
# program in what would be the image: for whoever has no Docker. Needs root (mounts of its own, chroot) and some minutes.
# What it does not show: that the base image is to be had, and what a layer's cache saves.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${1:-$(mktemp -d)}
say() { printf 'image: %s\n' "$*" >&2; }
[ "$(id -u)" -eq 0 ] || { say 'needs root'; exit 1; }
mkdir -p "$root/build" "$root/images"

# What .dockerignore lets through, of what git knows.
context() {
  local entry
  sed -n 's/^!//p' .dockerignore | grep -v '\*' | while read -r entry; do git ls-files --cached --others --exclude-standard -- "$entry"; done |
    grep -v '\.md$'
}

# The instructions of the stage, one a line, with a tab after the first word.
steps() {
  sed -e :join -e '/\\$/{N;s/\\\n//;b join' -e '}' Dockerfile | sed -n '/ AS build$/,/^FROM scratch/p' |
    sed -n -E 's/^(ENV|COPY|RUN) /\1\t/p'
}

for mount in /build /images; do [ -e "$mount" ] || { mkdir "$mount"; made+=("$mount"); }; done
trap 'for mount in ${made[@]+"${made[@]}"}; do rmdir "$mount" || true; done' EXIT
export root
steps >"$root/steps"
context | sort -u >"$root/context"
unshare --mount bash -euo pipefail -c '
  mount --bind "$root/build" /build
  mount --bind "$root/images" /images
  source=$PWD
  cd /build
  while IFS=$(printf "\t") read -r word rest; do
    printf "image: %s %.90s\n" "$word" "$rest" >&2
    case $word in
      ENV) export $rest ;;
      COPY)
        set -- $rest
        if [ "$*" = ". ." ]; then tar -C "$source" -cf - -T "$root/context" | tar -xf -
        else
          to=${!#}
          mkdir -p "$to"
          for file in "${@:1:$#-1}"; do cp "$source/$file" "$to"; done
        fi ;;
      RUN) sh -euc "$rest" </dev/null ;;
    esac
  done <"$root/steps"
'
say "in $root/images"
for image in "$root"/images/*; do
  say "$(basename "$image"): $(du -sb "$image" | cut -f1) bytes, $(tar -C "$image" -cf - . | gzip -6 | wc -c) compressed"
  chroot --userspec=65532:65532 "$image" "/usr/local/bin/$(basename "$image")" --help >/dev/null
done
