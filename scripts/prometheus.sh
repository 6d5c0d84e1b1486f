#!/usr/bin/env bash
# A run, a server with vLLM's metrics, and a Prometheus (Debian: apt-get install prometheus) that scrapes both: checks
# the text of the run with promtool, evaluates every expression of dashboards/llmload-uring.json by Prometheus' API
# during the run, and compares the last figures that Prometheus has with the result document. Everything listens on
# 127.0.0.1, on free ports, and ends with the script. Takes about 40 s; exits with 1 if anything is missing.
#
#   [BIN=target/release/llmload-uring] scripts/prometheus.sh
set -euo pipefail
cd "$(dirname "$0")/.."
for needed in prometheus promtool python3 curl; do
    command -v "$needed" >/dev/null || {
        echo "skipped: scripts/prometheus.sh: needs $needed"
        exit 0
    }
done
[ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=$(realpath "${BIN:-target/release/llmload-uring}")
work=$(mktemp -d)
mock= run= prometheus=
trap 'for p in $mock $run $prometheus; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT

# until_in FILE TEXT PID: waits until a process has written something.
until_in() {
    until grep -qs "$2" "$1"; do kill -0 "$3" || { cat "$1" && exit 1; }; done
}

"$bin" mock --metrics vllm --prefix-cache --concurrency 12 --ttft 20ms --gap 4ms --tokens 30 \
    --faults 503=2 --fault-cycle 100 --max-seconds 120 >"$work/mock" 2>&1 &
mock=$!
until_in "$work/mock" listening $mock
server=$(sed -n 's#^listening http://##p' "$work/mock")

cat >"$work/scraped.yaml" <<YAML
executor: constant-vus
vus: 16
duration: 25s
think_time: 20ms
models: [mock]
prompts: [Hi]
requests:
  - { name: stream, weight: 3, stream: true, max_tokens: 30, timeout: 10s }
  - { name: plain, weight: 1, max_tokens: 30, timeout: 10s }
YAML
set -- ./scraped.yaml --target "http://$server" --metrics-listen 127.0.0.1:0 --goodput ttft:200 --output result.json
echo "\$ llmload-uring $*"
(cd "$work" && exec "$bin" "$@" --progress none >"$work/summary" 2>"$work/run") &
run=$!
until_in "$work/run" '/metrics$' $run
listens=$(sed -n 's#^metrics http://\(.*\)/metrics$#\1#p' "$work/run")

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/prometheus.yml" <<YAML
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: llmload, static_configs: [{ targets: ["$listens"] }] }
  - { job_name: vllm, static_configs: [{ targets: ["$server"] }] }
YAML
prometheus --version 2>&1 | head -1
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$port" >"$work/prometheus" 2>&1 &
prometheus=$!
until curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; do kill -0 "$prometheus"; done

echo "\$ curl -s http://$listens/metrics | promtool check metrics"
curl -sf "http://$listens/metrics" >"$work/metrics"
# What it says of colons, units in names and the like is advice; a text that it cannot read is an error.
promtool check metrics <"$work/metrics" && echo "ok: $(grep -vc '^#' "$work/metrics") samples"
python3 scripts/prometheus_check.py during "http://127.0.0.1:$port" dashboards/llmload-uring.json
wait $run
run=
grep 'goes on answering' "$work/run"
python3 scripts/prometheus_check.py after "http://127.0.0.1:$port" "$work/result.json"
