#!/usr/bin/env bash
# Measures what the minimum wait costs a closed loop of short answers without pauses: requests/s with the default wait,
# with `--min-wait 0`, and the share of the first in the second. Rounds are interleaved; medians.
#
#   [BIN=target/release/llmload-uring] [LLMLOAD_IO=epoll] scripts/bench-loop.sh [REPEATS] [SECONDS] [USERS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-5} seconds=${2:-3} users=${3:-64} server_cpu=${4:-0} client_cpu=${5:-1}
bin=${BIN:-target/release/llmload-uring}
. scripts/bench_lib.sh

start_mock "$server_cpu" --ttft 0ms --tokens 1
cat >"$work/loop.yaml" <<PROFILE
executor: constant-vus
vus: $users
duration: ${seconds}s
think_time: 0s
models: [m]
prompts: [Hi]
requests:
  - name: whole
    stream: false
    weight: 1
    max_tokens: 1
    timeout: 10s
PROFILE

rate() {
    "$bin" "$work/loop.yaml" --target "http://$address/v1/chat/completions" --cpus "$client_cpu" --quiet \
        --output "$work/result.json" "$@"
    grep -m1 -o '"requests_per_second": [0-9.]*' "$work/result.json" | grep -o '[0-9.]*$'
}

echo "host: $(uname -r), $(nproc) CPUs; $users users, client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s per run, $repeats interleaved repeats"
for _ in $(seq "$repeats"); do
    rate >>"$work/default"
    rate --min-wait 0 >>"$work/none"
done
read -r default _ < <(spread <"$work/default")
read -r none _ < <(spread <"$work/none")
awk -v a="$default" -v b="$none" 'BEGIN { printf "default wait %.0f requests/s, no wait %.0f requests/s: %.0f %%\n", a, b, 100 * a / b }'
