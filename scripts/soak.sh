#!/usr/bin/env bash
# Loads the mock for a long time while it fails on purpose, 1 % of the requests with each of its faults, and users
# cancel some: does memory grow, are descriptors given back, and does every outcome agree with the mock's own counts?
# Runs with io_uring and with epoll at the same time, a generator and a mock each. Prints tables, and FAIL with exit
# code 1 if something is wrong. The samples, results and outputs are kept in target/soak.
#
#   [SKIP_BUILD=1] [DRIVERS="uring epoll"] [ONE_BY_ONE=1] scripts/soak.sh [MINUTES=30] [USERS=2000]
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-30} users=${2:-2000}
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
seconds=$(awk -v m="$minutes" 'BEGIN { s = int(m * 60 + 0.5); if (s < 10 || s > 86400) exit 1; print s }') ||
    { echo "MINUTES: $minutes is not from 0.2 to 1440" >&2; exit 2; }
read -ra drivers <<<"${DRIVERS:-uring epoll}"
every=10
[ "$seconds" -ge 300 ] || every=1
kept=target/soak
rm -rf "$kept"
mkdir -p "$kept"
ulimit -n "$(ulimit -Hn)"
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap finish EXIT

# 10 of 1000 requests each.
faults=$(printf '%s=10,' 429 500 503 404 reset cut unfinished error_event bad_json bad_chunk hang stall close)

# The CPUs that this script may use. The mock of one driver and the load of the other share one.
read -ra cpus <<<"$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')"

# DRIVER NUMBER: a mock and, for the time given, a load of it.
soak() {
    local io=$1 mock url sampler status=0
    local mock_cpu=${cpus[$(($2 % ${#cpus[@]}))]} load_cpu=${cpus[$((($2 + 1) % ${#cpus[@]}))]}
    "$bin" mock --io "$io" --cpus "$mock_cpu" --ttft 500ms --gap 200ms --tokens 20 --spread --faults "${faults%,}" \
        --max-seconds $((seconds + 600)) >"$kept/$io.mock" 2>&1 &
    mock=$!
    until grep -qs listening "$kept/$io.mock"; do kill -0 "$mock" || { cat "$kept/$io.mock"; return 1; }; done
    url=$(sed -n 's#^listening ##p' "$kept/$io.mock")
    curl -sf --max-time 10 "$url/mock/stats" >"$kept/$io.before"
    python3 scripts/soak.py idle "$mock" >"$kept/$io.samples"
    "$bin" run scripts/soak.yaml --io "$io" --cpus "$load_cpu" --vus "$users" --duration "${seconds}s" --progress none \
        --target "$url/v1/chat/completions" --output "$kept/$io.json" --summary full >"$kept/$io.printed" 2>&1 &
    local load=$!
    python3 scripts/soak.py sample "$every" "$load" "$mock" >>"$kept/$io.samples" &
    sampler=$!
    wait "$load" || status=$?
    echo "$status" >"$kept/$io.status"
    wait "$sampler"
    curl -sf --max-time 10 "$url/mock/stats" >"$kept/$io.after"
    kill "$mock"
    wait "$mock" || true
}

for number in "${!drivers[@]}"; do
    io=${drivers[number]}
    # Each ends its own processes with it: a group that `finish` reaches through the shell that leads it.
    (
        trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
        trap 'exit 143' TERM
        soak "$io" "$number"
    ) &
    pids+=($!)
    [ -z "${ONE_BY_ONE:-}" ] || wait "${pids[-1]}"
done
for pid in "${pids[@]}"; do wait "$pid"; done
pids=()
echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  $minutes min  $users users"
python3 scripts/soak.py table "$kept" "$seconds" "$users" "${drivers[@]}"
