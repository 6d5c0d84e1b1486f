#!/usr/bin/env bash
# Compares what the tool reports with what the server did: 1000 paced streams (TTFT 50 ms, gap 10 ms) from
# `llmload-uring mock`, which writes the instant of each send into its events and keeps its own figures.
# Runs with kernel and user stamps, with and without a busy process on the worker core.
#
# Then errors request by request, at a closed loop and at rates: by how much the figures are off that a client reports,
# and how long after its instant a request arrives at the server.
#
# Prints the two tables of docs/EVIDENCE.md, "How true the times are". Milliseconds; `off` is arrival as stamped minus
# send, per token event. Each table takes about a minute; `stamps` or `loads` prints one of them.
#
#   scripts/accuracy.sh [SERVER_CPU] [CLIENT_CPU] [stamps|loads]
set -euo pipefail
cd "$(dirname "$0")/.."
server_cpu=${1:-0} client_cpu=${2:-1} table=${3:-both}
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

start_mock() { # OPTIONS
    rm -f "$work/mock" # or the last one's address would be found
    "$bin" mock --cpus "$server_cpu" --event-bytes 200 --spread --stamp --max-seconds 60 "$@" >"$work/mock" 2>&1 &
    mock=$! hog=
    pids="$pids $mock"
    until grep -qs listening "$work/mock"; do kill -0 $mock; done
    address=$(sed -n 's#^listening ##p' "$work/mock")
}

start_hog() {
    timeout 30 taskset -c "$client_cpu" sh -c 'while :; do :; done' &
    hog=$!
    pids="$pids $hog"
}

stop_both() {
    [ -z "$hog" ] || kill $hog 2>/dev/null || true
    kill $mock
    wait $mock 2>/dev/null || true
}

run() { # NAME STAMP HOG
    start_mock --ttft 50ms --gap 10ms --tokens 100
    [ "$3" != hog ] || start_hog
    "$bin" scripts/bench-accuracy.yaml --target "$address" --cpus "$client_cpu" --stamp "$2" --verify-stamps \
        --output "$work/r.json" --quiet
    curl -s "$address/mock/stats" | sed 's/[,{}]/&\n/g; s/:/: /g' >"$work/truth"
    stop_both
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

# load NAME HOG TOKENS OPTIONS...: one row of the second table.
load() {
    local name=$1 with=$2
    start_mock --ttft 10ms --gap 5ms --tokens "$3"
    shift 3
    [ "$with" != hog ] || start_hog
    "$bin" "$work/load.yaml" --target "$address" --cpus "$client_cpu" --verify-stamps --duration 6s "$@" \
        --output "$work/r.json" --quiet || true
    stop_both
    printf '| %s | %s ' "$name" "$(sed -n 's/.*"requests": \([0-9][0-9]*\).*/\1/p' "$work/r.json" | head -n 1)"
    printf '| %.0f ' "$(grep -m1 -o '"busy_percent": [0-9.]*' "$work/r.json" | grep -o '[0-9.]*$')"
    for figure in arrival ttft gap latency; do
        printf '| %s / %s / %s ' "$(error $figure p50)" "$(error $figure p99)" "$(error $figure p999)"
    done
    echo '|'
}

# error FIGURE KEY: a number of the run's errors.
error() {
    awk -v figure="\"$1\": {" -v key="\"$2\":" \
        'index($0, "\"errors\": {") { in_errors = 1 } in_errors && index($0, figure) { in_it = 1 }
         in_it && index($0, key) { gsub(/[ ,]/, "", $2); printf "%.3f", $2; exit }' "$work/r.json"
}

cat >"$work/load.yaml" <<'END'
description: streams
executor: constant-vus
vus: 1
duration: 6s
graceful_stop: 5s
think_time: 0s
models: [mock]
requests:
  - { name: stream, weight: 1, kind: chat, stream: true, max_tokens: 50, timeout: 60s, prompts: [Hi] }
END

echo "host: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), kernel $(uname -r), $(nproc) CPUs, $(date -u +%F);" \
    "client on CPU $client_cpu, server on CPU $server_cpu"
if [ "$table" != loads ]; then
    echo
    echo '| stamps, worker core | ttft p50 | ttft p99 | tbt p50 | tbt p99 | tbt p99.9 | off p50 / p99 / p99.9 | coalesced |'
    echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
    run 'kernel, idle' kernel idle
    run 'kernel, shared with a busy process' kernel hog
    run 'user, idle' user idle
    run 'user, shared with a busy process' user hog
fi
if [ "$table" != stamps ]; then
    echo
    echo '| load | requests | busy % | arrival p50 / p99 / p99.9 | ttft | gap | latency |'
    echo '| --- | --- | --- | --- | --- | --- | --- |'
    load '50 users' idle 50 --vus 50
    load '500 users' idle 50 --vus 500
    load '200/s' idle 50 --rate 200/s --max-in-flight 2000
    load '1,000/s, Poisson' idle 50 --rate 1000/s --arrival poisson --max-in-flight 4000
    load '10,000/s, one token' idle 1 --rate 10000/s --max-in-flight 4000
    load '500 users, shared with a busy process' hog 50 --vus 500
    load '1,000/s, shared with a busy process' hog 50 --rate 1000/s --max-in-flight 4000
fi
