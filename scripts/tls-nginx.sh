#!/usr/bin/env bash
# Measures https through nginx on this host, in one command:
#   1. smoke and a spike to 200 users against the simulator behind nginx with TLS, buffering on and off
#   2. how untrusted certificates and plain text on a TLS port are reported
#   3. CPU per token event at 1000 paced streams, plain and TLS, through the same nginx in one interleaved run,
#      and resident memory per user
# Everything listens on 127.0.0.1, in a temporary folder, and is stopped at the end. Installs nginx with apt-get if it
# is missing. Certificates are made with openssl.
#
#   scripts/tls-nginx.sh [REPEATS] [SECONDS] [SERVER_CPU] [CLIENT_CPU]
#   scripts/tls-nginx.sh memory [SERVER_CPU] [CLIENT_CPU]      only the memory per user; takes a minute
#
# PORT is the first of ten ports, 18443 by default. BIN is a program that has been built already.
set -euo pipefail
cd "$(dirname "$0")/.."
part=all
if [ "${1:-}" = memory ]; then
    part=memory
    set -- 1 8 "${@:2}"
fi
repeats=${1:-3} seconds=${2:-5} server_cpu=${3:-0} client_cpu=${4:-1}
port=${PORT:-18443}
streams=1000
bin=${BIN:-}
if [ -z "$bin" ]; then
    cargo build --release --quiet --bin llmload-uring
    bin=target/release/llmload-uring
fi
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
chmod 711 "$work" # nginx's worker has a user of its own
server_pid= nginx_pid=
stop() { # PID
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
cleanup() {
    stop "$nginx_pid"
    stop "$server_pid"
    rm -rf "$work"
}
trap cleanup EXIT

. scripts/nginx_lib.sh

make_certificates() {
    make_authority
    local names=DNS:localhost,IP:127.0.0.1
    certificate good $names 1 30
    certificate other DNS:example.org 1 30
    certificate expired $names 30 -1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=localhost" \
        -addext "subjectAltName=$names" -keyout "$work/self.key" -out "$work/self.pem" 2>/dev/null
}

behind=$port unbuffered=$((port + 1)) buffered=$((port + 2)) plain=$((port + 3)) tls12=$((port + 4))
wrong_host=$((port + 5)) expired=$((port + 6)) self_signed=$((port + 7))

start_nginx() {
    local user=
    [ "$(id -u)" != 0 ] || user="user root;"
    sed -e "s#NGINX_USER#$user#; s#PREFIX#$work#g; s/BEHIND/$behind/; s/UNBUFFERED/$unbuffered/; s/BUFFERED/$buffered/" \
        -e "s/:PLAIN/:$plain/; s/:TLS12/:$tls12/; s/WRONG_HOST/$wrong_host/; s/EXPIRED/$expired/; s/SELF_SIGNED/$self_signed/" \
        scripts/tls-nginx.conf >"$work/nginx.conf"
    taskset -c "$server_cpu" nginx -e "$work/nginx.log" -c "$work/nginx.conf" &
    nginx_pid=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$unbuffered") 2>/dev/null; do
        kill -0 $nginx_pid || { cat "$work/nginx.log" >&2; exit 1; }
    done
}

# start NAME COMMAND...: a server that says `listening`; its standard input stays open
start_server() {
    "$@" <"$work/stdin" >"$work/server" 2>&1 &
    server_pid=$!
    until grep -q listening "$work/server"; do
        kill -0 $server_pid || { cat "$work/server" >&2; exit 1; }
    done
}

# field OBJECT KEY: a number of the result, the first KEY after OBJECT
field() {
    awk -v object="\"$1\": {" -v key="\"$2\":" \
        'index($0, object) { in_it = 1 } in_it && index($0, key) { gsub(/[ ,]/, "", $2); print $2; exit }' "$work/r.json"
}

client() { # ARGS...: the tool on its own core, over TLS with our authority where the target has it
    "$bin" "$@" --no-server --cpus "$client_cpu" --cacert "$work/ca.pem" --output "$work/r.json" --quiet \
        >"$work/out" 2>"$work/err"
}

traffic() { # NAME ARGS...
    local code=0 name=$1
    shift
    client "$@" || code=$?
    printf '| %-26s | %4s | %8s | %6s | %6s | %6s / %-6s | %8.2f | %8.2f | %5.1f %% |\n' "$name" "$code" \
        "$(field totals requests)" "$(field totals ok)" "$(field totals failed)" \
        "$(field tls handshakes)" "$(field tls resumed)" "$(field metrics p50)" "$(field ttft p50)" \
        "$(awk -v a="$(field totals coalesced_events)" -v b="$(field totals token_events)" 'BEGIN { print b ? 100 * a / b : 0 }')"
    [ $code = 0 ] || cat "$work/err"
}

# measure NAME URL SECONDS: appends CPU seconds of the worker, token events, resident KiB near the end of the run
measure() {
    "$bin" scripts/bench-stream.yaml --vus $streams --duration "${3}s" --target "$2" --no-server \
        --cpus "$client_cpu" --cacert "$work/ca.pem" --output "$work/r.json" --quiet >"$work/out" 2>"$work/err" &
    local pid=$!
    sleep $(($3 - 1)) # the length of the run is fixed; this is a point in it
    local resident
    resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
    wait $pid || cat "$work/err" >&2
    awk -v busy="$(field client busy_percent)" -v s="$(field run duration_seconds)" -v n="$(field totals token_events)" \
        -v resident="$resident" 'BEGIN { print busy / 100 * s, n, resident, n / s }' >>"$work/$1"
}

# A mock behind nginx: paced streams of 25 events.
start_streams() {
    behind=$((port + 8)) # connections of the simulator still linger on its port
    start_nginx
    start_server "$bin" mock --listen "127.0.0.1:$behind" --cpus "$server_cpu" --event-bytes 200 --spread --ttft 200ms \
        --gap 200ms --tokens 25 --max-seconds 600
}

# Resident memory per user, plain and TLS: what additional users need, so that it contains neither histograms nor code.
memory() {
    start_streams
    echo "resident memory of the client in KiB, runs of 8 s of paced streams through nginx"
    echo
    echo '| transport | 250 users | 1000 users | per additional user |'
    echo '| --- | --- | --- | --- |'
    local transport url
    for transport in plain tls; do
        url="http://localhost:$plain"
        [ $transport = plain ] || url="https://localhost:$unbuffered"
        for streams in 250 1000; do
            measure "$transport-$streams" "$url" 8
        done
        paste -d' ' "$work/$transport-250" "$work/$transport-1000" |
            awk -v t=$transport '{ printf "| %s | %d | %d | %.1f |\n", t, $3, $7, ($7 - $3) / 750 }'
    done
}

install_nginx
make_certificates
mkfifo "$work/stdin"
exec 9<>"$work/stdin"
echo "host: $(uname -r), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
nginx -v 2>&1 | sed 's/^nginx version/nginx/'
echo "server and nginx on CPU $server_cpu, client on CPU $client_cpu"
echo

if [ "$part" = memory ]; then
    memory
    exit
fi

start_server "$bin" __llmsim --listen "127.0.0.1:$behind" --cpus "$server_cpu" --latency fast --tokens 20
start_nginx
echo "smoke, and a spike to 200 users, against the simulator behind nginx with TLS"
echo "latency and ttft are medians in ms; coalesced: token events that share a read with an earlier one"
echo
echo '| run                        | exit | requests |     ok | failed | handshakes / resumed | latency | ttft | coalesced |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- |'
stages=3s:20,2s:200,10s:200,3s:20,2s:0
traffic "smoke, buffering off" quick-smoke --target "https://localhost:$unbuffered"
traffic "smoke, buffering on" quick-smoke --target "https://localhost:$buffered"
traffic "smoke, TLS 1.2" quick-smoke --target "https://127.0.0.1:$tls12"
traffic "spike, buffering off" high-concurrency --stages $stages --target "https://localhost:$unbuffered"
traffic "spike, buffering on" high-concurrency --stages $stages --target "https://localhost:$buffered"
echo

echo "untrusted certificates, and plain text on a TLS port"
echo
for case in "wrong host:https://localhost:$wrong_host" "expired:https://localhost:$expired" \
    "self-signed:https://localhost:$self_signed" "plain text on a TLS port:https://localhost:$plain"; do
    code=0
    client quick-smoke --target "${case#*:}" || code=$?
    printf '| %s | exit %s | %s |\n' "${case%%:*}" $code "$(sed -n 's/^error: //p' "$work/err")"
done
code=0
"$bin" quick-smoke --no-server --cpus "$client_cpu" --target "https://localhost:$self_signed" --insecure \
    --summary full >"$work/out" 2>"$work/err" || code=$?
printf '| self-signed, --insecure | exit %s | %s |\n' $code "$(grep '^tls .*handshakes' "$work/out")"
echo
stop "$server_pid"
stop "$nginx_pid"
server_pid= nginx_pid=

start_streams

long=$((3 * seconds))
for repeat in $(seq "$repeats"); do
    measure plain-short "http://localhost:$plain" "$seconds"
    measure tls-short "https://localhost:$unbuffered" "$seconds"
    measure plain-long "http://localhost:$plain" $long
    measure tls-long "https://localhost:$unbuffered" $long
done
# The longer run adds nothing but events: connecting and handshakes are in both.
for transport in plain tls; do
    paste -d' ' "$work/$transport-short" "$work/$transport-long" |
        awk -v users=$streams '{ each = ($5 - $1) / ($6 - $2); print each * 1e6, ($1 - each * $2) * 1e6 / users, $7, $8 }' \
            >"$work/$transport"
done
sorted() { awk -v c="$2" '{ print $c }' "$work/$1" | sort -n; }
median() { sorted "$1" "$2" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
cell() { sorted "$1" "$2" | awk '{ v[NR] = $1 } END { printf "%.1f (%.1f-%.1f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }
echo "$streams paced streams through nginx, runs of ${seconds} s and $long s, $repeats interleaved repeats: medians (min-max)"
echo
echo '| transport | events/s | client CPU per event, us | client CPU per connection, us | resident memory, KiB |'
echo '| --- | --- | --- | --- | --- |'
for transport in plain tls; do
    printf '| %s | %.0f | %s | %s | %.0f |\n' $transport "$(median $transport 4)" "$(cell $transport 1)" \
        "$(cell $transport 2)" "$(median $transport 3)"
done
awk -v a="$(median plain 1)" -v b="$(median tls 1)" -v m="$(median plain 3)" -v n="$(median tls 3)" -v users=$streams \
    'BEGIN { printf "\nunder TLS an event costs %.2f times as much, and a user needs %.1f KiB more resident memory\n", b / a, (n - m) / users }'
