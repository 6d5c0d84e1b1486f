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
home=target/vllm
mkdir -p "$home"
home=$(cd "$home" && pwd)
python=$home/v/bin/python
model=$home/tiny

scripts/install-vllm.sh "$home"

proxy_home=target/litellm
if [ "${PROXY:-}" = litellm ] && [ ! -e "$proxy_home/installed" ]; then
    python3.11 -m venv "$proxy_home/v"
    "$proxy_home/v/bin/pip" install --quiet --disable-pip-version-check 'litellm[proxy]'
    touch "$proxy_home/installed"
fi

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# URL LOG: until the newest process answers there.
wait_for() {
    until curl -sf -o "$work/answer" "$1"; do
        kill -0 "${pids[-1]}" 2>/dev/null || { tail -20 "$2"; exit 1; }
        sleep 1
    done
}

port=$(free_port)
server=http://127.0.0.1:$port target=$server
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1
"$home/v/bin/vllm" serve "$model" --load-format dummy --served-model-name tiny-llama --host 127.0.0.1 --port "$port" \
    --max-model-len 2048 --enforce-eager >"$work/vllm.log" 2>&1 &
pids+=($!)
wait_for "$server/health" "$work/vllm.log"
what="vLLM $("$home/v/bin/vllm" --version 2>/dev/null | tail -1)"

if [ "${PROXY:-}" = litellm ]; then
    port=$(free_port)
    target=http://127.0.0.1:$port
    cat >"$work/config.yaml" <<YAML
model_list:
  - model_name: alias-1
    litellm_params: { model: openai/tiny-llama, api_base: "$server/v1", api_key: none }
YAML
    HOME=$work LITELLM_TELEMETRY=False LITELLM_LOCAL_MODEL_COST_MAP=True \
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true \
        "$proxy_home/v/bin/litellm" --config "$work/config.yaml" --host 127.0.0.1 --port "$port" >"$work/proxy.log" 2>&1 &
    pids+=($!)
    wait_for "$target/health/liveliness" "$work/proxy.log"
    what="LiteLLM $("$proxy_home/v/bin/pip" show litellm 2>/dev/null | sed -n 's/^Version: //p') before $what"
fi

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
