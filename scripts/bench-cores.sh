#!/usr/bin/env bash
# Measures how the client scales over cores: events/s and CPU per event with 1, 2, 4, ... cores, against a mock on cores of
# its own, as fast as the server sends and at a pace of 10,000 events/s for each core. With one core as 1.00, what each
# further core adds says what they share (docs/ARCHITECTURE.md, "What cores share").
#
#   [BIN=target/release/llmload-uring] scripts/bench-cores.sh [REPEATS] [SECONDS] [SERVER_CPUS] [CLIENT_CPUS]
#
# CPUs are lists such as 0-31; by default the first half of the host's CPUs is the server's and the second the client's.
# A mock's core sends about as much as a client's core reads, so give both the same number, from one socket each. On a
# host of two CPUs there is one core for each, and a second line with both programs on both CPUs, which says little.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in -h | --help)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
half=$(($(nproc) / 2))
[ "$half" -ge 1 ] || { echo "error: two CPUs are needed, and there is $(nproc)" >&2 && exit 2; }
repeats=${1:-3} seconds=${2:-5} server_cpus=${3:-0-$((half - 1))} client_cpus=${4:-$half-$((2 * half - 1))}
[ -n "${BIN:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${BIN:-target/release/llmload-uring}
. scripts/bench_lib.sh

# Prints each CPU of a list such as 1-3,5.
each() { tr , '\n' <<<"$1" | while IFS=- read -r from to; do seq "$from" "${to:-$from}"; done; }

# Prints the first N CPUs of a list, as a list.
first() { each "$2" | head -n "$1" | paste -sd,; }

# Prints events/s and CPU in us per event.
measure() { # CPUS USERS
    measured "$bin" scripts/bench-stream.yaml --vus "$2" --duration "${seconds}s" --target "http://$address" --cpus "$1"
    echo "$(($(counted token_events) / seconds)) $(cpu_per token_events)"
}

row() { # NAME CORES SERVER_CPUS CLIENT_CPUS MOCK_OPTIONS
    # shellcheck disable=SC2086
    start_mock "$3" --event-bytes 200 $5
    for _ in $(seq "$repeats"); do measure "$4" $((1000 * $2)) >>"$work/figures"; done
    stop_mock
    read -r rate _ < <(cut -d' ' -f1 "$work/figures" | spread)
    [ "$2" != 1 ] || one=$rate
    printf '| %-28s | %5s | %-30s | %5.2f | %-20s |\n' "$1" "$2" \
        "$(cut -d' ' -f1 "$work/figures" | shown %.0f)" \
        "$(awk -v a="$rate" -v b="$one" -v n="$2" 'BEGIN { print a / b / n }')" \
        "$(cut -d' ' -f2 "$work/figures" | shown %.2f)"
    rm "$work/figures"
}

described_host
echo "server on CPUs $server_cpus, client on the first of CPUs $client_cpus, 1000 connections a core, ${seconds} s per run, $repeats repeats: median (lowest-highest)"
printf '| %-28s | %5s | %-30s | %5s | %-20s |\n' load cores events/s "a core" "CPU per event in us"
most=$(each "$client_cpus" | wc -l)
for load in "saturated|--unpaced --tokens 200" "paced, 10 thousand a core|--spread --ttft 100ms --gap 100ms --tokens 50"; do
    for ((cores = 1; cores <= most; cores *= 2)); do
        # As many of the server's, so that it is the same load for each.
        row "${load%%|*}" "$cores" "$(first "$cores" "$server_cpus")" "$(first "$cores" "$client_cpus")" "${load#*|}"
    done
    if [ "$(nproc)" = 2 ]; then
        row "${load%%|*}, shared CPUs" 2 0,1 0,1 "${load#*|}"
    fi
done
