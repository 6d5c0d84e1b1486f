#!/usr/bin/env bash
# Measures CPU per token event of the engine and of its lower bounds, on one core, in one interleaved run:
#   epoll          a bare loop: epoll_wait, read, discard
#   epoll-parse    the same loop with the engine's own parser behind it
#   glommio        glommio's own TcpStream, one task per connection, discards
#   engine         llmload-uring as users run it (kernel stamps, minimum wait up to 1 ms)
#   engine-nowait  llmload-uring --min-wait 0: a wake-up per event
#   engine-noquick llmload-uring --no-quickack: ACKs are delayed
#   engine-epoll   llmload-uring --io epoll: the same, where io_uring is forbidden
#   engine-wait-2ms  llmload-uring --min-wait 2ms, or as long as the name says
#   engine-epoll-nowait  the same with --min-wait 0
#   other          as `engine`, but the program at $OTHER, such as a build of another commit
# Server: `llmload-uring mock` on another core. CPU is user + system of the whole client process, without its start and
# its connects: each client runs twice, for 2 s and for SECONDS more, and what is shown is the difference of the CPU over
# that of the events. The median of all repeats, and their lowest and highest. A second line for each load has the ratios
# to the first client: of each repeat to the first client's in the same repeat.
#
# LOADS is a regular expression: only the loads whose names it finds.
#
#   [CLIENTS="epoll engine"] [LOADS=paced] [OTHER=PROGRAM] [SKIP_BUILD=1] scripts/bench-engine.sh [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
set -euo pipefail
cd "$(dirname "$0")/.."
repeats=${1:-5} seconds=${2:-6} server_cpu=${3:-0} client_cpu=${4:-1}
connections=1000 connecting=2
event_bytes=200
chunk_bytes=$((event_bytes + 6)) # size line and line ends
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring --example floor
bin=target/release/llmload-uring floor=target/release/examples/floor
. scripts/bench_lib.sh

# Prints the CPU microseconds of a run, and its events.
run_of() { # CLIENT SECONDS
    case $1 in
    engine | engine-* | other)
        local program=$bin options=
        [ "$1" != other ] || program=$OTHER
        [ "$1" != engine-nowait ] || options='--min-wait 0'
        [ "$1" != engine-noquick ] || options=--no-quickack
        [ "$1" != engine-epoll ] || options='--io epoll'
        [[ $1 != engine-wait-* ]] || options="--min-wait ${1#engine-wait-}"
        [ "$1" != engine-epoll-nowait ] || options='--io epoll --min-wait 0'
        # shellcheck disable=SC2086
        measured "$program" scripts/bench-stream.yaml --vus $connections --duration "$2s" \
            --target "http://$address" --cpus "$client_cpu" $options
        awk -v events="$(counted token_events)" '{ print ($1 + $2) * 1e6, events }' "$work/cpu"
        ;;
    *)
        "$floor" "$1" "$address" $connections "$2" $chunk_bytes "$client_cpu" | awk '{ print $2 * $4, $2 }'
        ;;
    esac
}

clients=${CLIENTS:-"epoll epoll-parse glommio engine engine-noquick engine-nowait"}
described_host
echo "client on CPU $client_cpu, server on CPU $server_cpu, $connections connections, ${seconds} s more of two runs, $repeats interleaved repeats"
echo "CPU per event in us, and as a ratio to ${clients%% *}: median (min-max)"
printf '| %-34s |' load
printf ' %s |' $clients
echo
while IFS='|' read -r name options; do
    [[ $name =~ ${LOADS:-.} ]] || continue
    # shellcheck disable=SC2086
    start_mock "$server_cpu" --event-bytes $event_bytes $options
    for repeat in $(seq "$repeats"); do
        for client in $clients; do per_event_of_more $connecting "$seconds" run_of "$client" >>"$work/$client"; done
    done
    stop_mock
    printf '| %-34s |' "$name"
    for client in $clients; do printf ' %s |' "$(shown %.2f <"$work/$client")"; done
    printf '\n| %-34s |' "  ratio to ${clients%% *}"
    for client in $clients; do printf ' %s |' "$(paste "$work/$client" "$work/${clients%% *}" | awk '{ print $1 / $2 }' | shown %.2f)"; done
    echo
    for client in $clients; do rm "$work/$client"; done
done <<LOADS
paced, 10 thousand events/s|--spread --ttft 100ms --gap 100ms --tokens 50
paced, 40 thousand events/s|--spread --ttft 25ms --gap 25ms --tokens 200
saturated, 1 event a write|--unpaced --tokens 200
saturated, 8 events a write|--unpaced --tokens 200 --events-per-write 8
LOADS
