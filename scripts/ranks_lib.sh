# Read by scripts/slurm.sh and scripts/mpi.sh, which start ranks by real engines: packages, mocks, profiles, the
# processes of single ranks, and a table of checks. The caller sets `root` (the checkout), `work` (a folder of its own)
# and, before it starts anything, `bin` (the program).
pids=() installed=() failed=0

# PACKAGE...: installs what is missing of these. Fails if that is not possible.
install() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null >"$work/before" || true
    local package missing=() log=$work/apt.log
    for package in "$@"; do grep -qx "installed $package" "$work/before" || missing+=("$package"); done
    [ "${#missing[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null || return 1
    dpkg-query -W -f '${Package}\n' | sort >"$work/before"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || return 1
    mapfile -t installed < <(dpkg-query -W -f '${Package}\n' | sort | comm -13 "$work/before" -)
}

# Removes what `install` has installed, unless KEEP says otherwise.
remove_installed() {
    [ -z "${KEEP:-}" ] && [ "${#installed[@]}" -gt 0 ] || return 0
    DEBIAN_FRONTEND=noninteractive apt-get purge -y "${installed[@]}" >/dev/null 2>&1 ||
        echo "could not remove: ${installed[*]}" >&2
}

# PROGRAM: prints what the figures hold for.
conditions() {
    local version
    version=$("$1" --version | awk 'NR == 1 { print $2 }')
    echo "llmload-uring $version, Linux $(uname -r), $(nproc) CPUs, $(date -u +%F)"
}

# Ends every process that the script has started, the newest first. What does not end within ten seconds is killed.
stop_all() {
    local n
    for ((n = ${#pids[@]} - 1; n >= 0; n--)); do
        kill "${pids[n]}" 2>/dev/null || continue
        WAIT=10 until_true "the end of process ${pids[n]}" is_over "${pids[n]}" || kill -9 "${pids[n]}"
        wait "${pids[n]}" 2>/dev/null || true
    done
    pids=()
}
is_over() { ! kill -0 "$1"; }

# WHAT COMMAND...: waits until the command succeeds, for WAIT seconds at most.
until_true() {
    local what=$1 give_up=$((SECONDS + ${WAIT:-60}))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$give_up" ] || { echo "$what: not within ${WAIT:-60} s" >&2 && return 1; }
        sleep 0.1
    done
}

# NAME [OPTION...]: starts a mock; its origin is then in `server`. It ends with the script, or after ten minutes.
start_mock() {
    "$bin" mock --ttft 20ms --gap 2ms --max-seconds 600 "${@:2}" >"$work/$1.mock" 2>&1 &
    pids+=($!)
    until_true "the mock" grep -q listening "$work/$1.mock"
    server=$(sed -n 's#^listening ##p' "$work/$1.mock")
}

stats() { curl -sf --max-time 5 "$server/mock/stats"; }
# NUMBER: whether the mock has had more requests than that.
has_had() { [ "$(stats | jq .requests)" -gt "$1" ]; }

# VARIABLE=VALUE...: prints the process of a rank that has these variables.
process_with() {
    local pid name
    for pid in $(pgrep -x llmload-uring); do
        for name in "$@"; do
            tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "$name" || continue 2
        done
        echo "$pid"
    done
}

# NAME COMMAND...: prints a row of the table, with the last line that the command prints; all of it if it fails.
check() {
    local name=$1 said result=ok
    shift
    said=$("$@" 2>&1) || { result=FAILED failed=1; }
    printf '%-6s  %-66s  %s\n' "$result" "$name" "$(tail -1 <<<"$said")"
    [ "$result" = ok ] || sed 's/^/        /' <<<"$said"
}
# EXPECTED CODE
code_is() { echo "exit code $2" && [ "$1" = "$2" ]; }
ranks_check() { python3 "$root/scripts/ranks_check.py" "$@"; }
# WHOLE: whether it is the document of one process, with the same bodies at the mock.
is_one_process() { stats >stats.json && ranks_check same ../one.json ../one.stats "$1" stats.json; }
# WHOLE: whether every stream that the mock has seen is in the document.
has_every_stream() { stats >stats.json && ranks_check streams "$1" stats.json; }

# Whether four ranks have found the limit of the mock that `begin NAME "${of_24[@]}"` starts.
of_24=(--tokens 5 --cliff 24)
search_24=(--slo 'ttft: p(90)<100' --from 16 --to 32 --probe-time '5s-5s' --settle 0 --output limit.json)
is_limit_24() {
    jq -r '"\(.answer.limit) users hold, by \(.run.ranks | length) ranks"' limit.json
    jq -e '.answer.limit == 24 and .answer.high == 25 and (.run.ranks | length) == 4' limit.json >/dev/null
}

# Writes three loads: one of a number of requests that each user makes, whatever the number of processes, one that
# goes on until somebody ends it, and one to search with. Makes the first one in one process, for the others to be
# compared with.
prepare() {
    cat >"$work/counted.yaml" <<'YAML'
executor: per-vu-iterations
vus: 16
iterations: 25
max_duration: 60s
models: [mock]
prompts: [Hi, Why]
requests:
  - { name: stream, weight: 2, kind: chat, stream: true, max_tokens: 10-99, timeout: 20s }
  - { name: light, weight: 1, kind: light, timeout: 20s }
thresholds: { failed: rate<0.01, requests: count==400 }
YAML
    sed 's/^executor: .*/executor: constant-vus/; s/^iterations: .*/duration: 110s/
        s/^max_duration: .*/think_time: 20ms\ngraceful_stop: 500ms/; /^thresholds/d' "$work/counted.yaml" \
        >"$work/long.yaml"
    cat >"$work/chat.yaml" <<'YAML'
executor: constant-vus
vus: 1
duration: 10s
think_time: 0s
models: [mock]
prompts: [Hi]
requests: [{ name: stream, kind: chat, stream: true, max_tokens: 5, timeout: 20s }]
YAML
    start_mock one
    "$bin" "$work/counted.yaml" --target "$server" --output "$work/one.json" --progress none >"$work/one.out" 2>&1
    stats >"$work/one.stats"
}

# FOLDER [OPTION...]: starts a mock for one of the cases, makes a secret for it, and enters its folder.
begin() {
    mkdir "$work/$1"
    start_mock "$@"
    cd "$work/$1"
    LLMLOAD_COORDINATE_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
    export LLMLOAD_COORDINATE_SECRET
}

# Ends the script with what became of all checks.
verdict() {
    echo
    [ "$failed" = 0 ] && echo "all checks hold" || echo "a check FAILED"
    exit "$failed"
}
