#!/usr/bin/env bash
# Measures what the minimum wait (--min-wait, default up to 1 ms) costs and saves, for answers that take from as little as
# the server can to 1 s, in a closed loop of users without pauses and in an open loop at a rate: with the default wait and
# with --min-wait 0, in turns. A line for each: requests/s, CPU of the whole client per request, median latency, and the
# ratios default / none of each pair of runs; medians (lowest to highest).
#
#   [BIN=target/release/llmload-uring] [LLMLOAD_IO=epoll] scripts/bench-wait.sh [REPEATS] [SECONDS] [USERS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-3} seconds=${2:-3} users=${3:-64} server_cpu=${4:-0} client_cpu=${5:-1}
[ -n "${BIN:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${BIN:-target/release/llmload-uring}
work=$(mktemp -d)
mock_pid=
trap '[ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null || true; rm -rf "$work"' EXIT

cat >"$work/closed.yaml" <<PROFILE
executor: constant-vus
vus: $users
duration: ${seconds}s
graceful_stop: 2s
think_time: 0s
models: [m]
prompts: [Hi]
validate: false
requests:
  - { name: whole, stream: false, max_tokens: 1, timeout: 10s }
PROFILE

start_mock() {
    "$bin" mock --cpus "$server_cpu" --ttft "$1" --tokens 1 --max-seconds 300 >"$work/mock" 2>&1 &
    mock_pid=$!
    until grep -qs listening "$work/mock"; do kill -0 "$mock_pid"; done
    address=$(sed -n 's#^listening http://##p' "$work/mock")
}

stop_mock() {
    kill "$mock_pid"
    wait "$mock_pid" 2>/dev/null || true
    mock_pid=
    rm "$work/mock"
}

# Appends requests/s, CPU in us per request and median latency in us to a file.
measure() {
    local file=$1 options=("${@:2}")
    TIMEFORMAT='%U %S'
    { time "$bin" "$work/closed.yaml" --target "http://$address/v1/chat/completions" --cpus "$client_cpu" --quiet \
        --output "$work/result.json" "${options[@]}" >"$work/out" 2>"$work/err"; } 2>"$work/time" ||
        { cat "$work/out" "$work/err" >&2 && exit 1; }
    python3 - "$work/result.json" "$work/time" "$seconds" >>"$file" <<'PYTHON'
import json, sys
document, cpu = json.load(open(sys.argv[1])), sum(map(float, open(sys.argv[2]).read().split()))
requests = document["totals"]["requests"]
print(requests / float(sys.argv[3]), cpu * 1e6 / requests, document["metrics"]["latency_ok"]["p50"] * 1e3)
PYTHON
}

column() { # of FILE, as its median
    cut -d' ' -f"$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { printf "%.0f", v[int((NR + 1) / 2)] }'
}

ratio() { # of a column, default / none
    paste -d' ' "$work/default" "$work/none" | awk -v c="$1" '{ print $c / $(c + 3) }' | sort -n |
        awk '{ v[NR] = $1 } END { printf "%.2f (%.2f-%.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

row() { # NAME OPTIONS…
    local name=$1
    shift
    for _ in $(seq "$repeats"); do
        measure "$work/default" "$@"
        measure "$work/none" --min-wait 0 "$@"
    done
    printf '| %-7s | %-16s | %8s | %8s | %-18s | %6s | %6s | %-18s | %8s | %8s |\n' "$answer" "$name" \
        "$(column 1 "$work/none")" "$(column 1 "$work/default")" "$(ratio 1)" \
        "$(column 2 "$work/none")" "$(column 2 "$work/default")" "$(ratio 2)" \
        "$(column 3 "$work/none")" "$(column 3 "$work/default")"
    rm "$work/default" "$work/none"
}

echo "host: $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(date +%F)"
echo "client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s per run, $repeats repeats in turns; CPU in us per request, latency in us"
printf '| %-7s | %-16s | %8s | %8s | %-18s | %6s | %6s | %-18s | %8s | %8s |\n' answer load \
    "req/s, 0" default ratio "CPU, 0" default ratio "p50, 0" default
for answer in 0us 100us 300us 1ms 10ms 100ms 1s; do
    start_mock "$answer"
    row "$users users"
    for rate in 1000 10000; do
        # An answer of a second needs a user for each request in it.
        row "$rate/s" --rate "$rate/s" --duration "${seconds}s" --max-in-flight 20000
    done
    stop_mock
done
