#!/usr/bin/env bash
# Holds this many streams at once for this long: ranks as one run (--coordinate) on one core, against twice as many mocks
# on another, because a process may have fewer open files than that. Each stream lasts two minutes, with a token every GAP
# seconds, on a connection of its own; another follows it.
#
#   [GAP=6] [RANKS=6] [SERVER_CPUS=0] [CLIENT_CPUS=1] [BIN=target/release/llmload-uring] scripts/hundred-thousand.sh [STREAMS] [SECONDS]
#
# (100000 and 600.) Prints what both sides used meanwhile, the figures of the merged document, and the mocks' own counts
# of requests and tokens, which have to be equal to it for each mock. Exit status 1: they differ, a request failed, or
# fewer streams than that were there at once. Everything is on 127.0.0.0/8. Needs about 14 KiB of memory a stream for
# both sides and the kernel, and ends by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in -h | --help)
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
[ -n "${BIN:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
export LLMLOAD_COORDINATE_SECRET
LLMLOAD_COORDINATE_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
exec python3 scripts/hundred_thousand.py "${BIN:-target/release/llmload-uring}" "${RANKS:-6}" \
    "${SERVER_CPUS:-0}" "${CLIENT_CPUS:-1}" "${1:-100000}" "${2:-600}"
