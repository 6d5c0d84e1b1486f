#!/usr/bin/env bash
# Measures what a long trace costs in memory: traces of 1,000, 100,000 and 1,000,000 rows in Mooncake's form, ten rows per
# second of their time, of each of which one window is replayed to the mock, ten times as fast: the same thousand requests
# in ten seconds, whatever the length of the file. The last run has no window: all million rows are due one day, and
# `duration` ends it after the first thousand. Prints the peak of resident memory and the time from the start of the program
# to the first request.
#
#   [BIN=target/release/llmload-uring] scripts/trace-million.sh [SERVER_CPU] [CLIENT_CPU]
#
# Fails if a run misses a row, or if a million rows take more than LIMIT_BYTES bytes of memory each.
set -euo pipefail
cd "$(dirname "$0")/.."
server_cpu=${1:-0} client_cpu=${2:-1} limit_bytes=${LIMIT_BYTES:-100}
[ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${BIN:-target/release/llmload-uring}
work=$(mktemp -d)
mock=
trap '[ -z "$mock" ] || kill "$mock" 2>/dev/null || true; rm -rf "$work"' EXIT

"$bin" mock --cpus "$server_cpu" --ttft 20ms --gap 1ms --tokens 8 --max-seconds 300 >"$work/mock" 2>&1 &
mock=$!
until grep -qs listening "$work/mock"; do kill -0 "$mock"; done
address=$(sed -n 's#^listening ##p' "$work/mock")

cat >"$work/trace.yaml" <<PROFILE
executor: trace
time_scale: 0.1
dataset: { format: mooncake, file: $work/trace.jsonl }
models: [m]
requests:
  - { name: row, stream: true, timeout: 10s }
PROFILE

echo "host: $(uname -r), $(nproc) CPUs, $(date +%F)"
echo "      rows     file    requests  peak KiB  first request after"
first=
for part in 1000 100000 1000000 whole; do
    rows=${part/whole/1000000}
    awk -v n="$rows" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "{\"timestamp\": %d, \"input_length\": 1600, \"output_length\": 8, \"hash_ids\": [0, %d, %d, %d]}\n",
                i * 100, 3 * i + 1, 3 * i + 2, 3 * i + 3
    }' >"$work/trace.jsonl"
    # The last hundred seconds of the trace.
    select=(--trace-window "$((rows / 10 - 100))s..")
    [ "$part" != whole ] || select=(--duration 10s)
    "$bin" "$work/trace.yaml" --target "$address/v1/completions" "${select[@]}" --cpus "$client_cpu" \
        --quiet --output "$work/result.json" 2>"$work/err" &
    client=$!
    peak=0
    while rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$client/status" 2>/dev/null) && [ -n "$rss" ]; do
        peak=$rss
        sleep 0.1
    done
    code=0
    wait "$client" || code=$?
    [ "$code" = 0 ] || { cat "$work/err"; echo "FAIL: exit code $code"; exit 1; }
    python3 - "$work/result.json" "$part" "$peak" "$(stat -c %s "$work/trace.jsonl")" <<'PYTHON'
import json, sys
path, part, (peak, size) = sys.argv[1], sys.argv[2], map(int, sys.argv[3:])
result = json.load(open(path))
sent, trace = result["totals"]["requests"], result["trace"]
print(f"{part:>10} {size / 2**20:5.0f} MiB {sent:10,} {peak:9,} {result['run']['startup_seconds']:8.2f} s")
in_window = 1000 if part != "whole" else trace["rows"]
assert sent == 1000 and trace["rows_in_window"] == in_window, trace
PYTHON
    first=${first:-$peak}
done
each=$(((peak - first) * 1024 / 1000000))
echo "memory per row of a million: $each bytes (limit $limit_bytes)"
[ "$each" -le "$limit_bytes" ] || { echo "FAIL: above the limit"; exit 1; }
echo "ok"
