#!/usr/bin/env bash
# Measures CPU per token event of the engine and of its lower bounds, on one core, in one interleaved run:
#   epoll          a bare loop: epoll_wait, read, discard
#   epoll-parse    the same loop with the engine's own parser behind it
#   glommio        glommio's own TcpStream, one task per connection, discards
#   engine         llmload-uring as users run it (kernel stamps, minimum wait up to 1 ms)
#   engine-nowait  llmload-uring --min-wait 0: a wake-up per event
#   engine-noquick llmload-uring --no-quickack: delayed ACKs, as in the lower bounds
#   engine-epoll   llmload-uring --io epoll: the same, where io_uring is forbidden
#   engine-epoll-nowait  the same with --min-wait 0
#   other          as `engine`, but the program at $OTHER, such as a build of another commit
# Server: `llmload-uring mock` on another core. CPU is user + system of the whole client process: the median of all
# repeats, and their lowest and highest. A second line for each load has the ratios to the first client: of each repeat
# to the first client's in the same repeat.
#
# LOADS is a regular expression: only the loads whose names it finds.
#
#   [CLIENTS="epoll engine"] [LOADS=paced] [OTHER=PROGRAM] [SKIP_BUILD=1] scripts/bench-engine.sh [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-5} seconds=${2:-6} server_cpu=${3:-0} client_cpu=${4:-1}
connections=1000
event_bytes=200
chunk_bytes=$((event_bytes + 6)) # size line and line ends
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring --example floor
bin=target/release/llmload-uring floor=target/release/examples/floor
work=$(mktemp -d)
mock_pid=
trap '[ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null || true; rm -rf "$work"' EXIT

start_mock() {
    rm -f "$work/mock" # or the last one's address would be found
    # shellcheck disable=SC2086
    "$bin" mock --cpus "$server_cpu" --event-bytes $event_bytes --max-seconds 120 $1 >"$work/mock" 2>&1 &
    mock_pid=$!
    until grep -qs listening "$work/mock"; do kill -0 "$mock_pid"; done
    address=$(sed -n 's#^listening http://##p' "$work/mock")
}

stop_mock() {
    kill "$mock_pid"
    wait "$mock_pid" 2>/dev/null || true
    mock_pid=
}

# Prints CPU microseconds per event.
measure() {
    case $1 in
    engine | engine-* | other)
        local program=$bin options=
        [ "$1" != other ] || program=$OTHER
        [ "$1" != engine-nowait ] || options='--min-wait 0'
        [ "$1" != engine-noquick ] || options=--no-quickack
        [ "$1" != engine-epoll ] || options='--io epoll'
        [ "$1" != engine-epoll-nowait ] || options='--io epoll --min-wait 0'
        TIMEFORMAT='%U %S'
        # A run too short for any answer to end (exit code 115) still counts events.
        # shellcheck disable=SC2086
        { time "$program" scripts/bench-stream.yaml --vus $connections --duration "${seconds}s" \
            --target "http://$address" --cpus "$client_cpu" $options \
            --output "$work/result.json" --quiet >/dev/null 2>"$work/err"; } 2>"$work/time" || [ $? = 115 ]
        awk -v events="$(grep -m1 -o '"token_events": [0-9]*' "$work/result.json" | grep -o '[0-9]*')" \
            '{ printf "%.3f\n", ($1 + $2) * 1e6 / events }' "$work/time"
        ;;
    *)
        "$floor" "$1" "$address" $connections "$seconds" $chunk_bytes "$client_cpu" | awk '{ print $4 }'
        ;;
    esac
}

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f-%.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }

clients=${CLIENTS:-"epoll epoll-parse glommio engine engine-noquick engine-nowait"}
echo "host: $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
echo "client on CPU $client_cpu, server on CPU $server_cpu, $connections connections, ${seconds} s per run, $repeats interleaved repeats"
echo "CPU per event in us, and as a ratio to ${clients%% *}: median (min-max)"
printf '| %-34s |' load
printf ' %s |' $clients
echo
while IFS='|' read -r name options; do
    [[ $name =~ ${LOADS:-.} ]] || continue
    start_mock "$options"
    for repeat in $(seq "$repeats"); do
        for client in $clients; do measure "$client" >>"$work/$client"; done
    done
    stop_mock
    printf '| %-34s |' "$name"
    for client in $clients; do printf ' %s |' "$(median <"$work/$client")"; done
    printf '\n| %-34s |' "  ratio to ${clients%% *}"
    for client in $clients; do printf ' %s |' "$(paste "$work/$client" "$work/${clients%% *}" | awk '{ print $1 / $2 }' | median)"; done
    echo
    for client in $clients; do rm "$work/$client"; done
done <<LOADS
paced, 10 thousand events/s|--spread --ttft 100ms --gap 100ms --tokens 50
paced, 40 thousand events/s|--spread --ttft 25ms --gap 25ms --tokens 200
saturated, 1 event a write|--unpaced --tokens 200
saturated, 8 events a write|--unpaced --tokens 200 --events-per-write 8
LOADS
