#!/usr/bin/env bash
# Runs this many users, each streaming from `llmload-uring mock`, through one worker core: errors and resident memory.
#
#   [PROGRAM=FILE] scripts/many-users.sh [VUS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
vus=${1:-10000} server_cpu=${2:-0} client_cpu=${3:-1}
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=target/release/llmload-uring program=${PROGRAM:-target/release/llmload-uring}
work=$(mktemp -d)
mock=
trap '[ -z "$mock" ] || kill "$mock" 2>/dev/null || true; rm -rf "$work"' EXIT
"$bin" mock --cpus "$server_cpu" --ttft 1s --gap 1s --tokens 15 --spread --max-seconds 60 >"$work/mock" 2>&1 &
mock=$!
until grep -qs listening "$work/mock"; do kill -0 "$mock"; done
"$program" scripts/bench-stream.yaml --vus "$vus" --duration 15s --graceful-stop 5s --cpus "$client_cpu" --quiet \
    --target "$(sed -n 's#^listening ##p' "$work/mock")" --output "$work/result.json" 2>"$work/err" &
client=$!
peak=0
while rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$client/status" 2>/dev/null) && [ -n "$rss" ]; do
    peak=$rss
    sleep 0.2
done
wait "$client"
echo "host: $(uname -r), $(nproc) CPUs, $(date +%F)"
grep -m1 -A12 '"totals": {' "$work/result.json" | grep -E '"(requests|ok|failed|interrupted)":'
echo "resident memory at its peak: $peak KiB, $(awk -v k="$peak" -v n="$vus" 'BEGIN { printf "%.1f", k / n }') KiB per user"
