# docker build -t llmload-uring .
# Running it needs io_uring and locked memory: see docs/CI.md, "Containers".

FROM rust:1.95-slim-trixie AS build
# glommio builds a C library.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY profiles profiles
COPY src src
RUN cargo build --profile dist --locked --bin llmload-uring

# The same Debian release, so the same C library.
FROM debian:trixie-slim
# System roots, for https targets.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /results llmload
COPY --from=build /src/target/dist/llmload-uring /usr/local/bin/llmload-uring
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/llmload-uring/
USER llmload
# Relative paths of --output end up here: mount a volume on it.
WORKDIR /results
ENTRYPOINT ["llmload-uring"]
CMD ["--help"]
