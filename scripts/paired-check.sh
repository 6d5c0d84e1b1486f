#!/usr/bin/env bash
# Compares two mocks by pairs, run after run, each with another seed, and counts what the runs say. Of equal mocks at
# least 95 of 100 must show no difference; with SLOWER the other mock takes that much longer to the first token, and the
# runs must find it: how many do, and in how many the interval has the truth.
#
#   [SKIP_BUILD=1] [SLOWER=1ms] scripts/paired-check.sh [RUNS] [SERVER_CPU] [CLIENT_CPU]
#
# A run takes a little more than two seconds. What else the machine does is scatter, and no reason to wait for silence.
# Documents are kept in target/paired-check.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-100} server_cpu=${2:-0} client_cpu=${3:-1}
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
kept=target/paired-check
rm -rf "$kept"
mkdir -p "$kept"
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; }
trap finish EXIT

# NAME TTFT: starts a mock; its address is in $address.
start() {
    "$bin" mock --cpus "$server_cpu" --ttft "$2" --gap 2ms --tokens 11 --max-seconds 3600 >"$kept/$1.log" 2>&1 &
    pids+=($!)
    until grep -qs listening "$kept/$1.log"; do kill -0 "${pids[-1]}"; done
    address=$(sed -n 's#^listening ##p' "$kept/$1.log")
}

base_ms=10
slower=${SLOWER:-0ms}
ms=${slower%ms}
start base ${base_ms}ms
base=$address
start other "$(awk "BEGIN { print ($base_ms + $ms) * 1000 }")us"
other=$address
cat >"$kept/two.yaml" <<EOF
servers:
  - { name: base, base_url: '$base/v1/chat/completions' }
  - { name: other, base_url: '$other/v1/chat/completions' }
workload: { users: 4, duration_seconds: 2, ramp_up_seconds: 0 }
models: [mock]
prompts: { prompt_tokens: 20, max_tokens: 11 }
paired: true
EOF

for seed in $(seq "$runs"); do
    "$bin" run "$kept/two.yaml" --seed "$seed" --cpus "$client_cpu" --quiet --output "$kept/$seed.json" || true
done
python3 - "$kept" "$runs" "$ms" <<'EOF'
import json, sys

kept, runs, truth = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
none, found, has, few, pairs, widths = 0, 0, 0, 0, [], []
for seed in range(1, runs + 1):
    paired = json.load(open(f"{kept}/{seed}.json"))["paired"]
    ttft = paired["differences"]["ttft"]
    pairs.append(paired["pairs"])
    if ttft["verdict"] == "too_few":
        few += 1
        continue
    none += not paired["difference_shown"]
    found += ttft["verdict"] == "slower"
    has += ttft["median_low"] <= truth <= ttft["median_high"]
    widths.append((ttft["median_high"] - ttft["median_low"]) / 2)
    if paired["difference_shown"]:
        print(f"seed {seed}: {paired['verdict']}")
pairs.sort()
widths.sort()
print(f"{runs} runs of {pairs[0]} to {pairs[-1]} pairs, the other {truth:g} ms slower to the first token")
print(f"no difference shown: {none}; TTFT slower: {found}; too few pairs: {few}")
print(f"the interval of TTFT has the truth: {has}; half its width: median {widths[len(widths) // 2]:.3f} ms")
EOF
