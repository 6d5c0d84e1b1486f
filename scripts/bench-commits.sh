#!/usr/bin/env bash
# Compares what two commits cost: CPU per token event for each load of scripts/bench-engine.sh, and CPU per request of a
# closed loop of short answers. Both programs are built in target/bench-commits and run in turns on the same core against
# the same server, so that a change of the machine's speed meets both. A line for each load: both medians, and the ratio
# new / old of each pair of runs that followed each other, as its median and the middle half of all.
#
# Exit status 1: for some load the median ratio is above 1.1, and so is every ratio of that middle half.
#
#   [LOADS=paced] scripts/bench-commits.sh OLD [NEW] [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
#
# OLD and NEW are commits, or the word `here` for the tree as it is (NEW's default). 7 repeats of 4 s take about eight
# minutes beside the builds.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in '' | -h | --help)
    sed -n '2,14s/^# \{0,1\}//p' "$0"
    [ -n "${1-}" ] && exit 0 || exit 2
    ;;
esac
old=$1 new=${2:-here} repeats=${3:-7} seconds=${4:-4} server_cpu=${5:-0} client_cpu=${6:-1}
connections=1000
place=$PWD/target/bench-commits
. scripts/bench_lib.sh

# Prints the program of a commit, which is built where it is not there yet.
program_of() {
    if [ "$1" = here ]; then
        cargo build --release --locked --quiet --bin llmload-uring >&2
        cp target/release/llmload-uring "$place/here"
        echo "$place/here"
        return
    fi
    local commit
    commit=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "error: no commit is called $1" >&2 && exit 2; }
    if [ ! -x "$place/$commit" ]; then
        rm -rf "$place/tree" && git worktree prune
        git worktree add --quiet --detach "$place/tree" "$commit" >&2
        (cd "$place/tree" && CARGO_TARGET_DIR=$place/build cargo build --release --locked --quiet --bin llmload-uring) >&2
        cp "$place/build/release/llmload-uring" "$place/$commit"
        git worktree remove --force "$place/tree"
    fi
    echo "$place/$commit"
}

middle() { sort -n | awk '{ v[NR] = $1 } END { printf "%.3f %.3f %.3f", v[int((NR + 1) / 2)], v[int((NR + 3) / 4)], v[int((3 * NR + 1) / 4)] }'; }

mkdir -p "$place"
old_program=$(program_of "$old") new_program=$(program_of "$new")
bin=$new_program
cat >"$work/loop.yaml" <<'PROFILE'
executor: constant-vus
vus: 64
duration: 4s
think_time: 0s
models: [m]
prompts: [Hi]
requests:
  - { name: whole, stream: false, max_tokens: 1 }
PROFILE

described_host
echo "old $old, new $new; client on CPU $client_cpu, server on CPU $server_cpu, ${seconds} s per run, $repeats repeats in turns"
printf '| %-34s | %10s | %10s | %-24s |\n' 'load (CPU in us per unit)' old new 'new / old (middle half)'
slower=0
while IFS='|' read -r name options profile vus unit; do
    [[ $name =~ ${LOADS:-.} ]] || continue
    # shellcheck disable=SC2086
    start_mock "$server_cpu" $options
    : >"$work/old" && : >"$work/new"
    for repeat in $(seq "$repeats"); do
        # Who comes first takes turns as well.
        if [ $((repeat % 2)) = 1 ]; then order="old new"; else order="new old"; fi
        for which in $order; do
            program=${which}_program
            measured "${!program}" "${profile/WORK/$work}" --vus "$vus" --duration "${seconds}s" \
                --target "http://$address" --cpus "$client_cpu"
            cpu_per "$unit" >>"$work/$which"
        done
    done
    stop_mock
    read -r median low high <<<"$(paste "$work/new" "$work/old" | awk '{ print $1 / $2 }' | middle)"
    printf '| %-34s | %10s | %10s | %-24s |\n' "$name" "$(middle <"$work/old" | cut -d' ' -f1)" \
        "$(middle <"$work/new" | cut -d' ' -f1)" "$median ($low-$high)"
    awk -v low="$low" 'BEGIN { exit !(low > 1.1) }' && slower=1 && echo "  slower: $name"
done <<LOADS
paced, 10 thousand events/s|--event-bytes 200 --spread --ttft 100ms --gap 100ms --tokens 50|scripts/bench-stream.yaml|$connections|token_events
paced, 40 thousand events/s|--event-bytes 200 --spread --ttft 25ms --gap 25ms --tokens 200|scripts/bench-stream.yaml|$connections|token_events
saturated, 1 event a write|--event-bytes 200 --unpaced --tokens 200|scripts/bench-stream.yaml|$connections|token_events
saturated, 8 events a write|--event-bytes 200 --unpaced --tokens 200 --events-per-write 8|scripts/bench-stream.yaml|$connections|token_events
short answers, 64 users, no pause|--ttft 0ms --tokens 1|WORK/loop.yaml|64|requests
LOADS
exit $slower
