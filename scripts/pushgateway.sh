#!/usr/bin/env bash
# Runs a load against `llmload-uring mock` that pushes to a real Prometheus Pushgateway on a port of its own (Debian:
# apt-get install prometheus-pushgateway). Prints the summary and what the gateway holds then, with few buckets.
#
#   [BIN=target/release/llmload-uring] [PORT=39091] scripts/pushgateway.sh
set -euo pipefail
cd "$(dirname "$0")/.."
command -v prometheus-pushgateway >/dev/null || {
    echo "skipped: needs prometheus-pushgateway"
    exit 0
}
[ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=${BIN:-target/release/llmload-uring} port=${PORT:-39091}
work=$(mktemp -d)
mock= gateway=
trap 'for p in $mock $gateway; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT

prometheus-pushgateway --web.listen-address="127.0.0.1:$port" >"$work/gateway" 2>&1 &
gateway=$!
until curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; do kill -0 "$gateway"; done
"$bin" mock --ttft 20ms --gap 2ms --tokens 20 --faults 503=2 --fault-cycle 100 --max-seconds 120 >"$work/mock" 2>&1 &
mock=$!
until grep -qs listening "$work/mock"; do kill -0 "$mock"; done
address=$(sed -n 's#^listening ##p' "$work/mock")

cat >"$work/pushed.yaml" <<YAML
executor: constant-vus
vus: 20
duration: 12s
models: [mock]
prompts: [Hi]
requests:
  - { name: stream, weight: 3, stream: true, max_tokens: 20, timeout: 10s }
  - { name: plain, weight: 1, max_tokens: 20, timeout: 10s }
prometheus:
  enabled: true
  pushgateway_url: "127.0.0.1:$port"
  job_name: nightly
  instance_name: "rack/7"
  push_interval_seconds: 3
YAML
echo "\$ llmload-uring ./pushed.yaml --target $address --push-required"
bin=$(realpath "$bin")
(cd "$work" && "$bin" ./pushed.yaml --target "$address" --push-required)
echo
echo "\$ curl -s http://127.0.0.1:$port/metrics | grep -E '^(# TYPE )?llm_'"
# Prints the histograms of one endpoint, and of their 44 buckets those near which there are values.
curl -s "http://127.0.0.1:$port/metrics" | grep -E '^(# TYPE )?llm_' |
    awk '!/_(bucket|sum|count)[{]endpoint="plain"/ &&
        (!/_bucket/ || /le="(0.0015|0.002|0.003|0.02|0.03|0.05|0.07|[+]Inf)"/)'
