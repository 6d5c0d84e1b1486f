#!/usr/bin/env bash
# Compares what the tool reports with what the server did: 1000 paced streams (TTFT 50 ms, gap 10 ms) from
# `llmload-uring mock`, which writes the instant of each send into its events and keeps its own figures.
# Runs with kernel and user stamps, with and without a busy process on the worker core.
#
# Prints the first table of docs/EVIDENCE.md. Milliseconds; `off` is arrival as stamped minus send, per token event.
#
#   scripts/accuracy.sh [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
server_cpu=${1:-0} client_cpu=${2:-1}
cargo build --release --quiet --bin llmload-uring
bin=target/release/llmload-uring
work=$(mktemp -d)
pids=
# shellcheck disable=SC2086
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT

# field FILE OBJECT KEY: a number from pretty-printed JSON, the first KEY after OBJECT.
field() {
    awk -v object="\"$2\": {" -v key="\"$3\":" \
        'index($0, object) { in_it = 1 } in_it && index($0, key) { gsub(/[ ,]/, "", $2); print $2; exit }' "$1"
}

run() { # NAME STAMP HOG
    rm -f "$work/mock" # or the last one's address would be found
    "$bin" mock --cpus "$server_cpu" --ttft 50ms --gap 10ms --tokens 100 --event-bytes 200 --spread --stamp \
        --max-seconds 60 >"$work/mock" 2>&1 &
    local mock=$! hog=
    pids="$pids $mock"
    until grep -qs listening "$work/mock"; do kill -0 $mock; done
    local address
    address=$(sed -n 's#^listening ##p' "$work/mock")
    if [ "$3" = hog ]; then
        timeout 30 taskset -c "$client_cpu" sh -c 'while :; do :; done' &
        hog=$!
        pids="$pids $hog"
    fi
    "$bin" scripts/bench-accuracy.yaml --target "$address" --cpus "$client_cpu" --stamp "$2" --verify-stamps \
        --output "$work/r.json" --quiet
    curl -s "$address/mock/stats" | sed 's/[,{}]/&\n/g; s/:/: /g' >"$work/truth"
    [ -z "$hog" ] || kill $hog 2>/dev/null || true
    kill $mock
    wait $mock 2>/dev/null || true
    row "$1"
}

row() {
    local m=$work/r.json
    printf '| %s ' "$1"
    printf '| %.2f / %.2f ' "$(field "$m" ttft p50)" "$(truth ttft_ms p50)"
    printf '| %.2f / %.2f ' "$(field "$m" ttft p99)" "$(truth ttft_ms p99)"
    printf '| %.2f / %.2f ' "$(field "$m" tbt p50)" "$(truth gap_ms p50)"
    printf '| %.2f / %.2f ' "$(field "$m" tbt p99)" "$(truth gap_ms p99)"
    printf '| %.2f / %.2f ' "$(field "$m" tbt p999)" "$(truth gap_ms p999)"
    printf '| %s / %s / %s ' "$(field "$m" stamp_lag p50)" "$(field "$m" stamp_lag p99)" "$(field "$m" stamp_lag p999)"
    printf '| %s |\n' "$(grep -m1 -o '"coalesced_events": [0-9]*' "$m" | grep -o '[0-9]*$')"
}

truth() {
    awk -v object="\"$1\":" -v key="\"$2\":" \
        'index($0, object) { in_it = 1 } in_it && index($0, key) { gsub(/[ ,}]/, "", $2); print $2; exit }' "$work/truth"
}

echo "host: $(uname -r), $(nproc) CPUs, client on CPU $client_cpu, server on CPU $server_cpu"
echo
echo '| stamps, worker core | ttft p50 | ttft p99 | tbt p50 | tbt p99 | tbt p99.9 | off p50 / p99 / p99.9 | coalesced |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
run 'kernel, idle' kernel idle
run 'kernel, shared with a busy process' kernel hog
run 'user, idle' user idle
run 'user, shared with a busy process' user hog
