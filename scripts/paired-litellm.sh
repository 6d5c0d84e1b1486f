#!/usr/bin/env bash
# Measures what a real LiteLLM proxy adds to the mock behind it, with `--paired`, twice: before a mock of the same pace as
# the direct one, and before one that takes 20 ms longer to the first token. The second difference less the first must be
# those 20 ms, which is the truth that the runs are checked against.
#
#   [SKIP_BUILD=1] [SECONDS_EACH=30] [LITELLM_HOME=FOLDER] scripts/paired-litellm.sh [OPTIONS OF EACH RUN]
#
# The proxy is installed in that folder, target/litellm without it, if it is not there; this takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
seconds=${SECONDS_EACH:-30}
. scripts/servers_lib.sh
install_litellm
kept=target/paired-litellm
rm -rf "$kept"
mkdir -p "$kept"

# NAME TTFT: starts a mock; its address is in $address.
start() {
    "$bin" mock --cpus 0 --ttft "$2" --gap 5ms --tokens 21 --max-seconds 3600 >"$kept/$1.log" 2>&1 &
    pids+=($!)
    until grep -qs listening "$kept/$1.log"; do kill -0 "${pids[-1]}"; done
    address=$(sed -n 's#^listening ##p' "$kept/$1.log")
}

start fast 10ms
fast=$address
start slow 30ms
slow=$address
start_litellm "fast mock $fast" "slow mock $slow"
echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  $(litellm_version) before llmload-uring mock"
for model in fast slow; do
    cat >"$kept/$model.yaml" <<EOF
servers:
  - { name: direct, base_url: '$fast/v1/chat/completions' }
  - { name: litellm, base_url: '$server/v1/chat/completions', model_alias: $model }
workload: { users: 1, duration_seconds: $seconds, ramp_up_seconds: 0, warmup_seconds: 3 }
models: [mock]
prompts: { prompt_tokens: 50, max_tokens: 21 }
EOF
    echo
    echo "\$ llmload-uring run $model.yaml --paired $*"
    "$bin" run "$kept/$model.yaml" --paired --cpus 1 --summary full --progress none --output "$kept/$model.json" "$@" \
        >"$kept/$model.txt" 2>"$kept/$model.notes"
    sed -n '/=== Pairs ===/,/^$/p' "$kept/$model.txt"
done
echo
echo "\$ llmload-uring compare fast.json slow.json"
"$bin" compare "$kept/fast.json" "$kept/slow.json" | grep -E '^ +unit|^paired_(ttft|latency)' | sed 's/ \[.*//' | head -5
echo "the truth: +20 ms"
