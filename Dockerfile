# syntax=docker/dockerfile:1
# Images of Helpline: the program and what it is linked to, certificates, and nothing else: no shell, no package manager.
#   docker build -t helpline .                        the program; the chart and docker-compose.yml start it
#   docker build -t discord-sim --target simulator .  the simulated Discord, for `demo/compose.env`
ARG RUST=1.95.0
ARG DEBIAN=bookworm

FROM rust:${RUST}-slim-${DEBIAN} AS build
WORKDIR /build
# Queries are checked against the committed .sqlx. Debug information and symbols go: with them the image would come near its
# bound of 40 MB, and a panic names its file and line without them.
ENV SQLX_OFFLINE=true CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=symbols

# Dependencies first, with empty sources: this layer is built anew only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY cluster/Cargo.toml cluster/
COPY embed/Cargo.toml embed/
COPY sim/Cargo.toml sim/
COPY demo/Cargo.toml demo/
RUN for manifest in Cargo.toml */Cargo.toml; do \
      dir=$(dirname "$manifest"); \
      { echo src/lib.rs; sed -n 's/^path = "\(.*\.rs\)"/\1/p' "$manifest"; \
        awk '/^\[/ { tell(); bench = /^\[\[bench\]\]/; name = "" } \
          bench && /^name = / { name = $3; gsub("\"", "", name) } \
          bench && /^path = / { name = "" } \
          END { tell() } \
          function tell() { if (name != "") print "benches/" name ".rs" }' "$manifest"; \
      } | while read -r file; do mkdir -p "$(dirname "$dir/$file")"; echo 'fn main() {}' > "$dir/$file"; done; \
    done; \
    echo 'fn main() {}' > src/main.rs
RUN cargo build --release --locked --package helpline --package helpline-sim --bins \
    && find . -path ./target -prune -o -name '*.rs' -exec rm {} +

COPY . .
# Cargo goes by times, and the sources may be older than the empty ones were.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package helpline --package helpline-sim --bins

# What an image holds: a program, the libraries that it is linked to, certificates, a user who is not root.
RUN for program in helpline discord-sim; do \
      image=/images/$program; \
      mkdir -p "$image/usr/local/bin" "$image/etc/ssl/certs" "$image/tmp"; \
      chmod 1777 "$image/tmp"; \
      cp "target/release/$program" "$image/usr/local/bin/"; \
      for library in $(ldd "target/release/$program" | grep -o '/[^ ]*'); do \
        mkdir -p "$image$(dirname "$library")"; \
        cp --dereference "$library" "$image$library"; \
      done; \
      cp /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"; \
      echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' > "$image/etc/passwd"; \
      echo 'nonroot:x:65532:' > "$image/etc/group"; \
      echo 'hosts: files dns' > "$image/etc/nsswitch.conf"; \
    done

FROM scratch AS simulator
COPY --from=build /images/discord-sim/ /
USER 65532:65532
EXPOSE 8400
ENTRYPOINT ["/usr/local/bin/discord-sim"]

FROM scratch AS helpline
LABEL org.opencontainers.image.title="Helpline" \
      org.opencontainers.image.description="A Discord support bot that answers from a server's own documents and runs as a cluster" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /images/helpline/ /
USER 65532:65532
# Health and metrics; REST of the workers (proxies alone).
EXPOSE 9090 8300
ENTRYPOINT ["/usr/local/bin/helpline"]
CMD ["--help"]
