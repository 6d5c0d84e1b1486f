#!/usr/bin/env bash
# Runs find-limit against mocks of known capacity, and counts how many answers are within 5 % of it.
#
#   scripts/find-limit-check.sh [SEEDS] [KIND…]     KIND: places, cliff, slope, tokens, rate; default: all, 4 seeds
#
# Each search takes up to MAX_TIME (100s). It may go from less than half of the truth to more than twice as much, and
# begins elsewhere for each seed, so that no load to try is the truth by design. With NEAR=no the search doubles from a
# thirtieth. The kinds run side by side, each against a mock of its own, which takes half of two CPUs and 7 minutes for
# 4 seeds. PROGRAM is the binary (target/release/llmload-uring). The exit code is 1 if fewer than 19 of 20 answers are
# within 5 %.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${PROGRAM:-target/release/llmload-uring}
max_time=${MAX_TIME:-100s}
near_edge=${NEAR:-yes}
seeds=${1:-4}
shift || true
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(places cliff slope tokens rate)
[ -x "$program" ] || { echo "no program at $program: cargo build --release" >&2; exit 2; }
folder=$(mktemp -d)
# The searches end with their mocks.
trap 'for pid in "$folder"/*.pid; do [ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true; done
  rm -rf "$folder"' EXIT

# Prints the highest number of users, with its fraction, whose p90 of the TTFT stays below LIMIT seconds. Users without
# think time wait for PLACES, first in, first out; an answer takes TTFT, up to JITTER of it more or less, and REST. All
# begin at once, and the first second is not counted, as in a probe.
places_truth() {
  python3 - "$@" <<'PY'
import heapq, random, sys

places, (ttft, jitter, rest, limit) = int(sys.argv[1]), map(float, sys.argv[2:])


def p90(users):
    draw = random.Random(users)
    arrivals, free, times = [(0.0, user) for user in range(users)], [0.0] * places, []
    while arrivals[0][0] < 61:
        at, user = arrivals[0]
        first = ttft * (1 + jitter * draw.uniform(-1, 1))
        begins = max(at, free[0])
        end = begins + first + rest
        heapq.heapreplace(free, end)
        heapq.heapreplace(arrivals, (end, user))
        if at >= 1:
            times.append(begins + first - at)
    return sorted(times)[int(0.9 * len(times))]


users, below = places, p90(places)
while (above := p90(users + 1)) < limit:
    users, below = users + 1, above
print(round(users + (limit - below) / (above - below), 1))
PY
}

# Sets the mock's options, the search's and the truth of a kind.
describe() {
  over=users
  case $1 in
    # 40 places for 70 to 130 ms: who finds them taken waits for some of them to become free. Times that vary keep users
    # from staying in step, where most of them would find a place however many there are.
    places) server="--concurrency 40 --ttft 60ms --jitter 50% --gap 4ms --tokens 11"
      slo="ttft:p(90)<114"; truth=$places_truth ;;
    # A request that finds 50 others takes ten times as long.
    cliff) server="--cliff 50 --ttft 20ms --gap 5ms --tokens 11"
      slo="ttft:p(90)<100"; truth=50 ;;
    # 1 ms for each other request, up to 20 % more or less: p95 = 1.18 (20 + users - 1) ms < 118 ms.
    slope) server="--slope 1ms --ttft 20ms --jitter 20% --gap 1ms --tokens 20"
      slo="ttft:p(95)<118"; truth=80.5 ;;
    # 5,000 tokens a second for all: each of N users gets a token every N/5 ms.
    tokens) server="--token-rate 5000 --ttft 5ms --gap 1ms --tokens 40"
      slo="tpot:p(90)<10"; truth=50 ;;
    # 20 places for 100 ms each hold 200 requests a second, evenly spaced.
    rate) server="--concurrency 20 --ttft 10ms --gap 9ms --tokens 11"
      slo="ttft:p(90)<100"; truth=200; over=rate ;;
    *) echo "unknown kind $1" >&2; exit 2 ;;
  esac
}

# Sets the lowest and the highest load to try: 0.48, 0.44, 0.40 or 0.36 of the truth by the seed, and 2.4 times as much.
range() {
  read -r from to < <(awk -v truth="$1" -v seed="$2" -v near="$near_edge" 'BEGIN {
    part = near == "yes" ? 0.48 - 0.04 * ((seed - 1) % 4) : 1 / (30 + seed)
    from = int(truth * part); printf "%d %d\n", (from < 1 ? 1 : from), truth * 2.4 }')
}

places_truth=$(places_truth 40 0.060 0.5 0.040 0.114)

# Searches for the limit of one kind with one seed, and prints a row, then whether it is near and covers the truth.
search() {
  local kind=$1 seed=$2 mock
  describe "$kind"
  range "$truth" "$seed"
  rm -f "$folder/$kind.mock" "$folder/$kind.json"
  # shellcheck disable=SC2086
  "$program" mock --seed "$seed" $server --max-seconds 600 > "$folder/$kind.mock" &
  mock=$!
  echo "$mock" > "$folder/$kind.pid"
  until grep -qs listening "$folder/$kind.mock"; do kill -0 "$mock"; sleep 0.05; done
  "$program" find-limit smoke --target "$(awk '{print $2; exit}' "$folder/$kind.mock")" --seed "$seed" \
    --think-time 0 --streaming-ratio 1 --no-validate --slo "$slo" --over "$over" --from "$from" --to "$to" \
    --max-time "$max_time" --settle 1s --quiet --output "$folder/$kind.json" || true
  kill "$mock"; wait "$mock" 2>/dev/null || true
  python3 - "$folder/$kind.json" "$kind" "$seed" "$truth" <<'PY'
import json, sys
result, (kind, seed, truth) = json.load(open(sys.argv[1])), sys.argv[2:]
answer, true = result["answer"], float(truth)
limit, low, high = answer["limit"] or 0, answer["low"], answer["high"]
near = abs(limit - true) <= 0.05 * true
covered = (low is None or low <= true) and (high is None or true < high)
interval = f"{'-' if low is None else format(low, 'g')}..{'-' if high is None else format(high, 'g')}"
row = (kind, seed, truth, format(limit, "g"), interval, len(result["probes"]))
print("%-8s %5s %8s %8s %22s %7s" % row, f"{result['run']['duration_seconds']:8.0f} {int(near)} {int(covered)}")
PY
}

all_seeds() { for seed in $(seq 1 "$seeds"); do search "$1" "$seed"; done; }

printf '%-8s %5s %8s %8s %22s %7s %8s\n' kind seed truth limit interval probes seconds
began=$SECONDS
for kind in "${kinds[@]}"; do all_seeds "$kind" > "$folder/$kind.rows" & done
wait
cd "$folder"
for kind in "${kinds[@]}"; do
  sed 's/ [01] [01]$//' "$kind.rows"
  awk -v kind="$kind" '{ near += $(NF - 1); covered += $NF } END {
    printf "%s: %d of %d answers are within 5 %%, %d intervals hold the truth\n", kind, near, NR, covered }' "$kind.rows"
done
cat -- *.rows | awk -v seconds=$((SECONDS - began)) '{ near += $(NF - 1); covered += $NF } END {
  printf "all: %d of %d answers are within 5 %%, %d intervals hold the truth, %d s\n", near, NR, covered, seconds
  exit !(NR > 0 && near * 20 >= NR * 19) }'
