# docker build -t llmload-uring --build-arg COMMIT="$(git rev-parse HEAD)" .
# Running it needs io_uring and locked memory: see docs/CI.md, "Containers".

# Both of one Debian release, so that both have one C library.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-trixie
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

FROM ${BUILD_IMAGE} AS build
# glommio builds a C library, and its build script runs git.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc git libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY profiles profiles
COPY src src
# Git is not copied: `llmload-uring --version` says the commit that is given here.
ARG COMMIT=
RUN BUILD_COMMIT="$COMMIT" cargo build --profile dist --locked --bin llmload-uring \
    && strip --strip-all -o /llmload-uring target/dist/llmload-uring

FROM ${BASE_IMAGE}
# System roots, for https targets.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /results llmload
COPY --from=build /llmload-uring /usr/local/bin/llmload-uring
COPY LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md /usr/share/doc/llmload-uring/
USER llmload
# Relative paths of --output end up here: mount a volume on it.
WORKDIR /results
ENTRYPOINT ["llmload-uring"]
CMD ["--help"]
