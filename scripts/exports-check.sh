#!/usr/bin/env bash
# Makes two runs against `llmload-uring mock`, one of users and one at a rate, and lets the code of other tools read their
# exports and compute their figures again: vLLM's `calculate_metrics` and timeline, AIPerf's models and the loader of
# `aiperf plot`, guidellm's statistics of a request, the models of llm-d's report, and our own reader of k6's summaries.
# docs/EXPORTS.md shows what it prints. About a minute; everything goes to 127.0.0.1, and no tool may send anything home.
#
#   [VLLM_PYTHON=PATH] [AIPERF_PYTHON=PATH] [GUIDELLM_PYTHON=PATH] [LLM_D=CHECKOUT] [LLMLOAD=PROGRAM]
#       scripts/exports-check.sh [install]
#
# The paths are Pythons in which each tool is installed (by default where scripts/compare-peers.sh installs them, in
# target/); LLM_D is a checkout of llm-d-benchmark, whose models need pydantic and PyYAML: AIPerf's Python has both.
# `install` installs what is missing. A tool that is absent is named as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
"" | install) ;;
*) echo "usage: scripts/exports-check.sh [install]" >&2; exit 2 ;;
esac
export VLLM_PYTHON=${VLLM_PYTHON:-$PWD/target/vllm/v/bin/python}
export AIPERF_PYTHON=${AIPERF_PYTHON:-$PWD/target/peers/aiperf/bin/python}
export GUIDELLM_PYTHON=${GUIDELLM_PYTHON:-$PWD/target/peers/guidellm/bin/python}
export LLM_D=${LLM_D:-$PWD/target/llm-d-benchmark}
if [ "${1:-}" = install ]; then
    ONLY="vllm aiperf guidellm" scripts/compare-peers.sh install
    [ -d "$LLM_D" ] || git clone --quiet --depth 1 https://github.com/llm-d/llm-d-benchmark "$LLM_D"
fi
[ -n "${LLMLOAD:-}" ] || cargo build --release --quiet --bin llmload-uring
export LLMLOAD=${LLMLOAD:-$PWD/target/release/llmload-uring}
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 NO_COLOR=1
folder=$(mktemp -d)
trap 'kill "${mock:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
"$LLMLOAD" mock --listen 127.0.0.1:0 --ttft 50ms --gap 10ms --tokens 20 >"$folder/mock.txt" 2>&1 &
mock=$!
for _ in $(seq 100); do
    url=$(grep -o 'http://127[^ ]*' "$folder/mock.txt" | head -1) && [ -n "$url" ] && break
    sleep 0.1
done
: "${url:?the mock did not start: $(cat "$folder/mock.txt")}"

# NAME OPTION…: a run with every export, and its document.
made() {
    name=$1
    shift
    "$LLMLOAD" smoke --target "${url%/}/v1/chat/completions" --streaming-ratio 1 --think-time 0 --quiet "$@" \
        --output "$folder/$name.json" --export "vllm=$folder/$name.vllm.json" \
        --export "vllm-detailed=$folder/$name.detailed.json" --export "aiperf=$folder/$name.aiperf" \
        --export "llm-d=$folder/$name.report.json" --export "k6=$folder/$name.k6.json"
}
made users --vus 4 --iterations 200
made rate --rate 100 --duration 3s
status=0
for tool in vllm aiperf guidellm llm-d k6; do
    python3 -B scripts/exports_check.py "$tool" "$folder" users rate || status=1
done
exit $status
