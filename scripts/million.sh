#!/usr/bin/env bash
# Checks that memory stays flat: a million requests to a server that answers at once, every one of them in the
# details. Resident memory stays within 20 MiB of its value after the first 10,000, the assembly of the document
# included.
#
#   [BIN=target/release/llmload-uring] scripts/million.sh [REQUESTS] [SERVER_CPU] [CLIENT_CPU]
#
# Prints both figures; fails above the limit, or when a request is missing in the document.
set -euo pipefail
cd "$(dirname "$0")/.."
requests=${1:-1000000} server_cpu=${2:-0} client_cpu=${3:-1}
early=10000 limit_kib=$((20 * 1024)) vus=64
[ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${BIN:-target/release/llmload-uring}
work=$(mktemp -d)
mock= client=
trap 'for p in $client $mock; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT

"$bin" mock --cpus "$server_cpu" --unpaced --tokens 8 --max-seconds 1200 >"$work/mock" 2>&1 &
mock=$!
until grep -qs listening "$work/mock"; do kill -0 "$mock"; done
address=$(sed -n 's#^listening ##p' "$work/mock")

# The pause keeps it near 10,000 requests per second: details are written once per second, and the first second
# must not hold much more than the 10,000 that are the reference.
"$bin" scripts/bench-stream.yaml --vus $vus --think-time 5ms --iterations "$requests" --duration 15m \
    --target "$address" --cpus "$client_cpu" --details --output "$work/result.json" \
    >"$work/summary" 2>"$work/err" &
client=$!

rss() { # KiB, empty when it is gone
    awk '/^VmRSS:/ { print $2 }' "/proc/$client/status" 2>/dev/null || true
}
spool=$work/result.json.details.jsonl
reference= at= most=0 last=
while kill -0 "$client" 2>/dev/null; do
    now=$(rss)
    [ -n "$now" ] || break
    if [ -z "$reference" ] && [ -e "$spool" ]; then
        done_so_far=$(wc -l <"$spool")
        if [ "$done_so_far" -ge $early ]; then
            reference=$(rss) at=$done_so_far
        fi
    elif [ -n "$reference" ]; then
        last=$now
        [ "$now" -le "$most" ] || most=$now
    fi
    sleep 0.02
done
code=0
wait "$client" || code=$?
client=
[ "$code" = 0 ] || { cat "$work/summary" "$work/err"; echo "exit code $code"; exit 1; }

in_details=$(grep -c '"request_id"' "$work/result.json")
size=$(stat -c %s "$work/result.json")
grown=$((most - reference))
echo "requests in the details    $in_details of $requests (document of $((size / 1048576)) MiB)"
echo "resident after $at      $reference KiB"
echo "resident at the end        $last KiB"
echo "most after the reference   $most KiB, $grown KiB more (limit $limit_kib KiB)"
grep -E '^(requests|finished|rate|warning)' "$work/summary" || true
[ "$in_details" = "$requests" ] || { echo "FAIL: details are missing"; exit 1; }
[ "$grown" -le $limit_kib ] || { echo "FAIL: memory grew by more than the limit"; exit 1; }
echo "ok"
