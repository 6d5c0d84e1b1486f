#!/usr/bin/env bash
# Loads real servers, one after another, with a smoke, a spike to 200 users, and a shorter one whose users cancel and
# whose end cuts what is left, and compares every outcome with what each server counted or logged itself: llama.cpp and
# vLLM (on the CPU, tiny models of random weights), LiteLLM before vLLM, nginx with TLS before the simulator, which
# refuses a part of a fourth run, and the simulator. Prints PASS or FAIL of each check and a table; exit code 1 if one
# fails. Everything listens on 127.0.0.1 and is stopped at the end. About 5 minutes on two CPUs and 4 GB of memory; the
# first time it installs the servers (7 GB, 5 minutes more). The outputs and results are kept in target/real-servers.
#
#   [SKIP_BUILD=1] [SERVERS="llama.cpp vllm litellm nginx llmsim"] [LLAMA_HOME=…] [VLLM_HOME=…] [LITELLM_HOME=…]
#       scripts/real-servers.sh [OPTIONS OF EACH RUN]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
options=("$@")
. scripts/servers_lib.sh
. scripts/nginx_lib.sh
kept=target/real-servers
rm -rf "$kept"
mkdir -p "$kept"
bad=0

# What a server has counted, and how long its log is, into $work/WHEN.
look() {
    curl -sf --max-time 10 "$counters" >"$work/$1.counters"
    [ -z "${status_page:-}" ] || curl -sf --max-time 10 "$status_page" >"$work/$1.status"
    wc -c <"$log" >"$work/$1.log"
}

# Waits until the server has nothing to do, 60 s at most: what it still does then, the checks report.
settle() {
    local give_up=$((SECONDS + 60))
    until curl -sf --max-time 10 "$counters" >"$work/now" &&
        python3 scripts/real_servers.py idle "$kind" "$work/now"; do
        [ "$SECONDS" -lt "$give_up" ] || break
        sleep 0.3
    done
    # A log line is written after the last byte of its answer.
    sleep 1
}

# NAME ARGS...: one run, and its checks.
run() {
    local name=$1 status=0
    shift
    echo
    echo "\$ llmload-uring $(printf '%q ' "$@")" | sed "s/ $//; s#$work/##g"
    look before
    timeout 300 "$bin" "$@" --details --output "$kept/$kind-$name.json" --progress none --summary full \
        "${options[@]}" >"$kept/$kind-$name.txt" 2>&1 || status=$?
    settle
    look after
    tail -c "+$(($(cat "$work/before.log") + 1))" "$log" >"$kept/$kind-$name.log"
    python3 scripts/real_servers.py check "$kind" "$name" "$status" "$kept/$kind-$name" "$work" \
        >"$work/checked" || bad=1
    grep -v '^|' "$work/checked" || true
    grep '^|' "$work/checked" >>"$work/table" || bad=1
}

# ORIGIN PATH LOG [ARGS...]: the runs. The smoke finds everything out by itself; the spike asks no questions, so that
# its counts are the server's to the last token.
runs() {
    log=$3
    local origin=$1 path=$2
    shift 3
    run smoke smoke --target "$origin" --time-scale 0.5 "$@"
    local spike=(spike --target "$origin$path" --no-validate --vus 200)
    run spike "${spike[@]}" --time-scale 0.25 --graceful-stop 60s "$@"
    run impatient "${spike[@]}" --time-scale 0.1 --graceful-stop 1s --cancel '20% after 5 tokens' "$@"
}

llama_cpp() {
    scripts/install-llama-cpp.sh "$llama_home"
    start_llama tiny "$llama_home/tiny.gguf" 16 32768
    versions+=("llama.cpp ($("$llama_home/venv/bin/pip" list 2>/dev/null | awk '/^xllamacpp/ { print $1, $2 }'))")
    counters=$server/metrics
    runs "$server" /v1/chat/completions "$work/tiny.log"
}

vllm() {
    install_vllm
    start_vllm
    versions+=("$(vllm_version)")
    counters=$server/metrics
    runs "$server" /v1/chat/completions "$work/vllm.log"
}

litellm() {
    install_vllm
    install_litellm
    start_vllm
    counters=$server/metrics
    start_litellm "tiny tiny-llama $server"
    versions+=("$(litellm_version)")
    runs "$server" /v1/chat/completions "$work/litellm.log"
}

start_simulator() {
    local fifo=$work/simulator-$kind.stdin log=$work/simulator.log hold
    mkfifo "$fifo"
    "$bin" __llmsim --listen 127.0.0.1:0 --latency fast --tokens 60 <"$fifo" >"$log" 2>&1 &
    pids+=($!)
    exec {hold}>"$fifo" # open until this script ends
    until grep -qs listening "$log"; do kill -0 "${pids[-1]}" || { cat "$log"; exit 1; }; done
    server=http://$(sed -n 's/^listening //p' "$log")
}

nginx_tls() {
    install_nginx
    start_simulator
    counters=$server/llmsim/stats
    make_authority
    certificate good DNS:localhost,IP:127.0.0.1 1 30
    local port limited user=
    port=$(free_port) limited=$(free_port)
    [ "$(id -u)" != 0 ] || user="user root;"
    cat >"$work/nginx.conf" <<NGINX
$user
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.error warn;
events { worker_connections 4096; }
http {
  log_format ids '\$status \$request_method \$uri \$body_bytes_sent \$http_x_request_id';
  access_log $work/nginx.access ids;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy;
  fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  ssl_session_cache shared:s:10m;
  upstream behind { server ${server#http://}; keepalive 256; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 300s; proxy_buffering off;
  server {
    listen 127.0.0.1:$port ssl backlog=4096;
    ssl_certificate $work/good.pem; ssl_certificate_key $work/good.key; ssl_protocols TLSv1.2 TLSv1.3;
    location / { proxy_pass http://behind; }
    location = /status { stub_status; access_log off; }
  }
  limit_req_zone \$binary_remote_addr zone=rate:1m rate=50r/s;
  server {
    listen 127.0.0.1:$limited ssl backlog=4096;
    ssl_certificate $work/good.pem; ssl_certificate_key $work/good.key;
    location / { limit_req zone=rate burst=20 nodelay; limit_req_status 429; proxy_pass http://behind; }
  }
}
NGINX
    nginx -e "$work/nginx.error" -c "$work/nginx.conf" &
    pids+=($!)
    wait_for "https://127.0.0.1:$port/health" "$work/nginx.error"
    versions+=("nginx $(nginx -v 2>&1 | sed 's#.*/##')")
    status_page=https://127.0.0.1:$port/status
    export CURL_CA_BUNDLE=$work/ca.pem
    runs "https://127.0.0.1:$port" /openai/v1/chat/completions "$work/nginx.access" --cacert "$work/ca.pem"
    run limited spike --target "https://127.0.0.1:$limited/openai/v1/chat/completions" --no-validate --vus 200 \
        --time-scale 0.1 --cacert "$work/ca.pem"
    unset CURL_CA_BUNDLE
    status_page=
}

llmsim() {
    start_simulator
    versions+=("$("$bin" --version | grep -o 'llmsim [0-9.]*' || echo llmsim)")
    counters=$server/llmsim/stats
    runs "$server" /openai/v1/chat/completions "$work/simulator.log"
}

versions=()
for kind in ${SERVERS:-llama.cpp vllm litellm nginx llmsim}; do
    case $kind in
        llama.cpp) llama_cpp ;;
        vllm | litellm | llmsim) "$kind" ;;
        nginx) nginx_tls ;;
        *) echo "SERVERS: $kind is none of llama.cpp, vllm, litellm, nginx, llmsim" >&2; exit 2 ;;
    esac
    stop_servers
done
echo
printf '%s  kernel %s  %s CPUs' "$(date +%F)" "$(uname -r)" "$(nproc)"
printf '  %s' "${versions[@]}"
printf '\n\n'
python3 scripts/real_servers.py heading
cat "$work/table"
echo
[ "$bad" = 0 ] && echo "all checks hold" || echo "a check FAILED"
exit "$bad"
