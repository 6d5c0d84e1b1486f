#!/usr/bin/env bash
# Measures how late requests at a rate go out: from the instant at which each was due to its send by the client's clock
# (`schedule_lag`), and to its arrival at the mock by the kernel's stamp there (`client.errors.arrival`). At 1,000, 5,000
# and 10,000 arrivals a second, with the default wait and `--min-wait 0`, interleaved with a control that does nothing
# but wait for the same instants in the ring (benches/timers.rs). Microseconds; each cell is the median of the repeats.
#
# `busy` is the share of the core that the client worked, without polling; `CPU` is user and system time of the whole
# process over the run, with it. `taken` is the share of the run in which the worker could have run and another process
# had its CPU: more than 1 % of that alone makes a p99.
#
#   [BIN=PROGRAM] [RATES="1000 5000 10000"] [WAITS="1ms 0"] scripts/bench-arrivals.sh [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-5} seconds=${2:-4} server_cpu=${3:-1} client_cpu=${4:-0}
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring --example timers
bin=${BIN:-target/release/llmload-uring} timers=target/release/examples/timers
. scripts/bench_lib.sh

start_mock "$server_cpu" --ttft 2ms --tokens 1 --stamp
cat >"$work/one.yaml" <<PROFILE
executor: constant-vus
duration: 1s
models: [m]
prompts: [Hi]
requests:
  - { name: one, stream: true, max_tokens: 1, timeout: 10s }
PROFILE

# Prints p50, p99 and p99.9 of both distances in microseconds, then busy, CPU and taken in percent.
run() { # RATE WAIT
    local TIMEFORMAT='%U %S'
    { time "$bin" "$work/one.yaml" --target "http://$address/v1/chat/completions" --rate "$1" \
        --duration "${seconds}s" --min-wait "$2" --cpus "$client_cpu" --verify-stamps --quiet \
        --output "$work/result.json"; } 2>"$work/time"
    local used
    used=$(tail -1 "$work/time" | awk -v seconds="$seconds" '{ print 100 * ($1 + $2) / seconds }')
    awk -v used="$used" '
        { gsub(/[ ,]/, "", $2) }
        /"schedule_lag": \{/ && !lag { lag = 1; at = "lag" }
        /"arrival": \{/ { at = "arrival" }
        /"(p50|p99|p999)":/ && at { key = $1; gsub(/[":]/, "", key); if (!((at, key) in v)) v[at, key] = $2 * 1000 }
        /"busy_percent":/ { busy = $2 }
        /"run_delay_percent":/ { taken = $2 }
        /}/ { at = "" }
        END {
            print v["lag", "p50"], v["lag", "p99"], v["lag", "p999"], v["arrival", "p50"], v["arrival", "p99"],
                v["arrival", "p999"], busy, used, taken
        }' "$work/result.json"
}

# Prints the median of each column.
medians() {
    awk '{ for (i = 1; i <= NF; i++) v[i, NR] = $i }
        END { for (i = 1; i <= NF; i++) {
            for (a = 1; a <= NR; a++) for (b = a + 1; b <= NR; b++) if (v[i, b] < v[i, a]) {
                t = v[i, a]; v[i, a] = v[i, b]; v[i, b] = t }
            printf "%s ", v[i, int((NR + 1) / 2)] } print "" }'
}

echo "host: $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(date -u +%F)"
echo "client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s per run, $repeats interleaved repeats; p50 / p99 / p99.9 in us"
echo "| arrivals | wait | due to sent | due to the server | busy | CPU | taken |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
for rate in ${RATES:-1000 5000 10000}; do
    for _ in $(seq "$repeats"); do
        "$timers" uring "$rate" "$seconds" "$client_cpu" | awk '{ print $3, $5, $7, $9 }' >>"$work/control-$rate"
        for wait in ${WAITS:-1ms 0}; do run "$rate" "$wait" >>"$work/$rate-$wait"; done
    done
    medians <"$work/control-$rate" |
        awk -v rate="$rate" '{ printf "| %s/s | control | %.0f / %.0f / %.0f | | | %.0f %% | |\n", rate, $1, $2, $3, $4 }'
    for wait in ${WAITS:-1ms 0}; do
        medians <"$work/$rate-$wait" | awk -v rate="$rate" -v wait="$wait" '{
            printf "| %s/s | %s | %.0f / %.0f / %.0f | %.0f / %.0f / %.0f | %.0f %% | %.0f %% | %.1f %% |\n",
                rate, wait, $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
    done
done
