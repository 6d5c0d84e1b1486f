#!/usr/bin/env bash
# Shows what a closed and an open loop report of the same frozen server: `llmload-uring mock` is stopped for three seconds
# in the middle of each run. Draws docs/load-shapes.svg and prints the summaries that docs/LOAD-SHAPES.md quotes. It takes
# three minutes.
#
#   [SKIP_BUILD=1] [ONLY="closed open drop queue arrivals"] scripts/load-shapes.sh [SERVER_CPU] [CLIENT_CPU]
#
# Runs and the times of the freezes are kept in target/load-shapes; `scripts/load_shapes.py` draws from them.
set -euo pipefail
cd "$(dirname "$0")/.."
server_cpu=${1:-0} client_cpu=${2:-1}
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
only=${ONLY:-closed open drop queue arrivals}
kept=target/load-shapes
mkdir -p "$kept"
mock=
# A stopped process must run again before it can end.
finish() { [ -z "$mock" ] || kill -CONT "$mock" 2>/dev/null && kill "$mock" 2>/dev/null || true; }
trap finish EXIT

# OPTIONS...: starts a mock; its address is in $address.
start() {
    rm -f "$kept/mock" # or the last one's address would be found
    "$bin" mock --cpus "$server_cpu" --ttft 50ms --gap 5ms --tokens 11 --max-seconds 120 "$@" >"$kept/mock" 2>&1 &
    mock=$!
    until grep -qs listening "$kept/mock"; do kill -0 "$mock"; done
    address=$(sed -n 's#^listening ##p' "$kept/mock")
}

stop() {
    kill "$mock"
    wait "$mock" 2>/dev/null || true
    mock=
}

# NAME OPTIONS...: one run, without the lines that differ from host to host.
load() {
    local name=$1
    shift
    echo "\$ llmload-uring load --target \$address --streaming-ratio 1 --think-time 0 $*"
    "$bin" load --target "$address" --streaming-ratio 1 --think-time 0 --cpus "$client_cpu" --progress none --yes \
        --details --output "$kept/$name.json" "$@" | tee "$kept/$name.txt"
    echo
}

# NAME OPTIONS...: one run of 20 s, whose server stands still from the 8th second to the 11th.
frozen() {
    case " $only " in *" $1 "*) ;; *) return 0 ;; esac
    start
    (
        sleep 8
        kill -STOP "$mock"
        date +%s.%N >"$kept/$1.frozen"
        sleep 3
        kill -CONT "$mock"
        date +%s.%N >>"$kept/$1.frozen"
    ) &
    load "$@" --duration 20s
    stop
}

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs"
frozen closed --vus 20
frozen open --rate 200
frozen drop --rate 200 --max-in-flight 50 --when-full drop
frozen queue --rate 200 --max-in-flight 50 --when-full queue
case " $only " in *" arrivals "*)
    # Room for 2,750 tokens a second, of which 200 requests of 11 tokens take four fifths.
    for arrival in constant poisson gamma:0.25; do
        start --token-rate 2750
        load "${arrival%:*}" --rate 200 --arrival "$arrival" --duration 12s
        stop
    done
    ;;
esac
if [ -e "$kept/closed.json" ] && [ -e "$kept/open.json" ]; then
    python3 scripts/load_shapes.py "$kept/closed" "$kept/open" >docs/load-shapes.svg
    echo "drawn: docs/load-shapes.svg"
fi
