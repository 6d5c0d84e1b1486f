#!/usr/bin/env bash
# Runs llmload-uring as a benchmark of type `custom` of srt-slurm, against the frontend that the job has brought up.
#
#   SRT_FRONTEND_HOST, SRT_FRONTEND_PORT     from srt-slurm
#   AIPERF_SERVER_METRICS_URLS               from srt-slurm, where workers show metrics: they are asked beside the load
#   PROFILE          a built-in profile or the path of one in the container [load]
#   MODEL            the model of requests that name none [the server's]
#   CONCURRENCIES    numbers of users, one run each: "4 16 64" [the profile's own]
#   RESULT_DIR       where everything goes [/logs/llmload-uring]
#
# Options of a run are set as LLMLOAD_ variables in `benchmark.env`. Each run has its document, page and log. The exit
# code is that of the first run that did not end with 0; the runs after a failed threshold (99) are made all the same.
set -uo pipefail

refuse() { # CODE WHAT HINT
    printf 'error: %s\nhint: %s\n' "$2" "$3" >&2
    exit "$1"
}

for name in SRT_FRONTEND_HOST SRT_FRONTEND_PORT; do
    [[ -n ${!name:-} ]] || refuse 104 "$name is not set" "srt-slurm sets it for a benchmark of type custom"
done
for users in ${CONCURRENCIES:-}; do
    [[ $users =~ ^[1-9][0-9]*$ ]] || refuse 104 "CONCURRENCIES: \`$users\` is not a whole number above 0" \
        'write numbers of users with blanks between them: "4 16 64"'
done
program=${PROGRAM:-llmload-uring}
command -v "$program" >/dev/null || refuse 111 "there is no $program" \
    "mount the folder with the static binary and put it into PATH: see deploy/README.md"
results=${RESULT_DIR:-/logs/llmload-uring}
mkdir -p "$results" || refuse 112 "$results cannot be made" "set RESULT_DIR to a folder that is mounted and writable"

host=$SRT_FRONTEND_HOST
[[ $host != *:* || $host == \[* ]] || host="[$host]"
export LLMLOAD_TARGET_URL=http://$host:$SRT_FRONTEND_PORT
# The workers' own account, where the job states it.
if [[ -z ${LLMLOAD_SERVER_METRICS:-} && -n ${AIPERF_SERVER_METRICS_URLS:-} ]]; then
    export LLMLOAD_SERVER_METRICS=$AIPERF_SERVER_METRICS_URLS
fi
common=("${PROFILE:-load}")
[[ -z ${MODEL:-} ]] || common+=(--model "$MODEL")

first=0
pid=
trap '[[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null' TERM INT
one() { # NAME OPTION…
    local name=$1 code tee
    shift
    exec 3> >(tee -a "$results/$name.log")
    tee=$!
    "$program" "${common[@]}" "$@" --output "$results/$name.json" --report "$results/$name.html" >&3 2>&1 3>&- &
    pid=$!
    while :; do
        wait "$pid"
        code=$?
        kill -0 "$pid" 2>/dev/null || break
    done
    pid=
    exec 3>&-
    wait "$tee"
    [[ $first -ne 0 ]] || first=$code
    return "$code"
}

if [[ -z ${CONCURRENCIES:-} ]]; then
    one result
    exit "$first"
fi
for users in $CONCURRENCIES; do
    one "concurrency-$users" --vus "$users"
    code=$?
    # A threshold that failed is a result; anything else will not get better.
    [[ $code -eq 0 || $code -eq 99 ]] || break
done
exit "$first"
