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
. scripts/bench_lib.sh

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

# Appends requests/s, CPU in us per request and median latency in us to a file.
measure() {
    measured "$bin" "$work/closed.yaml" --target "http://$address/v1/chat/completions" --cpus "$client_cpu" "${@:2}"
    local latency
    latency=$(awk '/"latency_ok": \{/ { found = 1 } found && /"p50":/ { gsub(/[ ,]/, "", $2); print $2 * 1000; exit }' \
        "$work/result.json")
    echo "$(($(counted requests) / seconds)) $(cpu_per requests) $latency" >>"$1"
}

column() { # of FILE, as its median
    cut -d' ' -f"$1" "$2" | spread | awk '{ printf "%.0f", $1 }'
}

ratio() { # of a column, default / none
    paste -d' ' "$work/default" "$work/none" | awk -v c="$1" '{ print $c / $(c + 3) }' | shown %.2f
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

described_host
echo "client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s per run, $repeats repeats in turns; CPU in us per request, latency in us"
printf '| %-7s | %-16s | %8s | %8s | %-18s | %6s | %6s | %-18s | %8s | %8s |\n' answer load \
    "req/s, 0" default ratio "CPU, 0" default ratio "p50, 0" default
for answer in 0us 100us 300us 1ms 10ms 100ms 1s; do
    start_mock "$server_cpu" --ttft "$answer" --tokens 1
    row "$users users"
    for rate in 1000 10000; do
        # An answer of a second needs a user for each request in it.
        row "$rate/s" --rate "$rate/s" --duration "${seconds}s" --max-in-flight 12000
    done
    stop_mock
done
