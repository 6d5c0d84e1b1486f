#!/usr/bin/env bash
# Measures CPU per token event at the same 10,000 events/s over 100, 1,000 and 10,000 connections, of the program and of
# the bare epoll loop, in turns; and the resident memory of the program per user. Each connection gets an event every
# 10 ms, 100 ms and 1 s. scripts/hundred-thousand.sh has the same figures for as many connections.
#
# To connect 10,000 users costs as much as seconds of their events. So each is run twice, for a time that is over when
# all are connected and for SECONDS more, and what is shown is the difference of the CPU over that of the events.
#
#   [BIN=target/release/llmload-uring] scripts/bench-flat.sh [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-5} seconds=${2:-8} connecting=4 server_cpu=${3:-0} client_cpu=${4:-1}
[ -n "${BIN:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
cargo build --release --locked --quiet --example floor
bin=${BIN:-target/release/llmload-uring} floor=target/release/examples/floor
. scripts/bench_lib.sh

# Prints CPU in us and events of a run, and KiB per user at its peak.
of_program() { # CONNECTIONS SECONDS
    python3 - "$bin" "$1" "$2" "http://$address" "$client_cpu" "$work/result.json" <<'PYTHON'
import json, resource, subprocess, sys
binary, users, seconds, target, cpus, result = sys.argv[1:]
# A run too short for any answer to end (exit code 115) still counts events.
code = subprocess.run(
    [binary, "scripts/bench-stream.yaml", "--vus", users, "--duration", f"{seconds}s", "--target", target,
     "--cpus", cpus, "--output", result, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
assert code in (0, 115), code
events = json.load(open(result))["totals"]["token_events"]
print((used.ru_utime + used.ru_stime) * 1e6, events, used.ru_maxrss / int(users))
PYTHON
}

of_bare() { # CONNECTIONS SECONDS
    "$floor" epoll "$address" "$1" "$2" 206 "$client_cpu" | awk '{ print $2 * $4, $2, 0 }'
}

column() { cut -d' ' -f"$1" "$2" | shown %.2f; }

described_host
echo "client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s more of two runs, $repeats repeats in turns: CPU per event in us, median (lowest-highest)"
printf '| %11s | %-22s | %-22s | %-20s | %14s |\n' connections "bare epoll" program "program / bare" "KiB per user"
for connections in 100 1000 10000; do
    gap=$((connections / 10))ms
    start_mock "$server_cpu" --event-bytes 200 --spread --ttft "$gap" --gap "$gap" --tokens 1000
    for _ in $(seq "$repeats"); do
        per_event_of_more $connecting "$seconds" of_bare "$connections" >>"$work/bare"
        per_event_of_more $connecting "$seconds" of_program "$connections" >>"$work/program"
    done
    stop_mock
    paste -d' ' "$work/program" "$work/bare" | awk '{ print $1 / $3 }' >"$work/ratio"
    printf '| %11s | %-22s | %-22s | %-20s | %14s |\n' "$connections" "$(column 1 "$work/bare")" \
        "$(column 1 "$work/program")" "$(column 1 "$work/ratio")" "$(column 2 "$work/program" | cut -d' ' -f1)"
    rm "$work/bare" "$work/program"
done
