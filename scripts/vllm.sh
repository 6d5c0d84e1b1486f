#!/usr/bin/env bash
# Runs built-in profiles against a real vLLM on the CPU with a tiny model of random weights: real routes, real errors,
# no download of weights. No option but --target is needed; `--time-scale 0.1` shortens load and spike from 15 minutes
# to under two. After each run our counts and tokens are compared with the server's own /metrics. Everything is kept in
# target/vllm: about 6 GB and 3 minutes of installing the first time, 4 GB of memory.
#
# With PROXY=litellm the load goes through a real LiteLLM proxy in front of the same server.
#
#   [SKIP_BUILD=1] [PROXY=litellm] [PROFILES="smoke load spike"] scripts/vllm.sh [options of every run]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
. scripts/servers_lib.sh
install_vllm
python=$vllm_home/v/bin/python
[ "${PROXY:-}" != litellm ] || install_litellm

start_vllm
what=$(vllm_version) target=$server
vllm=$server
if [ "${PROXY:-}" = litellm ]; then
    start_litellm "alias-1 tiny-llama $vllm"
    what="$(litellm_version) before $what" target=$server
fi
server=$vllm

# What one look at /health costs the server: a LiteLLM proxy asks each of its models.
finished() { curl -s "$server/metrics" | awk '/^vllm:request_success_total[{]/ { n += $2 } END { print n + 0 }'; }
was=$(finished)
curl -sf -o "$work/answer" "$target/health"
health=$(($(finished) - was))

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  $what"
bad=0
for profile in ${PROFILES:-smoke load spike}; do
    echo
    echo "\$ llmload-uring $profile --target $target $*"
    curl -s "$server/metrics" >"$work/before"
    status=0
    "$bin" "$profile" --target "$target" --output "$work/result.json" --progress plain "$@" >"$work/printed" 2>&1 || status=$?
    cat "$work/printed"
    echo "exit code $status"
    # Requests that the end of the run cut are aborted by the server a moment later.
    until curl -s "$server/metrics" | awk '/^vllm:num_requests_(running|waiting)[{]/ { n += $2 } END { exit n > 0 }'; do
        kill -0 "${pids[0]}"
    done
    curl -s "$server/metrics" >"$work/after"
    "$python" scripts/vllm_counts.py "$work/result.json" "$work/printed" "$work/before" "$work/after" "$health" || bad=1
done
exit $bad
