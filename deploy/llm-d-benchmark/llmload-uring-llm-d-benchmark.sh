#!/usr/bin/env bash
# The harness of llmload-uring for llm-d-benchmark, which calls it in a pod beside the stack with these variables:
#
#   LLMDBENCH_RUN_EXPERIMENT_RESULTS_DIR               where everything goes
#   LLMDBENCH_HARNESS_STACK_ENDPOINT_URL               the stack
#   LLMDBENCH_RUN_WORKSPACE_DIR                        has profiles/llmload-uring/WORKLOAD
#   LLMDBENCH_RUN_EXPERIMENT_HARNESS_WORKLOAD_NAME     WORKLOAD, a profile of llmload-uring
#   LLMDBENCH_DEPLOY_CURRENT_MODEL                     optional: the model of requests that name none
#   LLMDBENCH_RUN_EXPERIMENT_ID, LLMDBENCH_VLLM_COMMON_NAMESPACE, LLMDBENCH_HARNESS_NAMESPACE     optional
#
# It writes llmload-uring.json, report.html, stdout.log, stderr.log, run_metadata.yaml and, if the program can, a
# Benchmark Report 0.2.1, and ends with the exit code of llmload-uring (docs/CI.md of the project): 99 is a threshold
# that failed, 104 a mistake in the profile or here. Options of a run are set as LLMLOAD_ variables of the pod.
set -uo pipefail

refuse() { # CODE WHAT HINT
    printf 'error: %s\nhint: %s\n' "$2" "$3" >&2
    exit "$1"
}

for name in LLMDBENCH_RUN_EXPERIMENT_RESULTS_DIR LLMDBENCH_HARNESS_STACK_ENDPOINT_URL LLMDBENCH_RUN_WORKSPACE_DIR \
    LLMDBENCH_RUN_EXPERIMENT_HARNESS_WORKLOAD_NAME; do
    [[ -n ${!name:-} ]] || refuse 104 "$name is not set" "llm-d-benchmark sets it in the pod of a harness"
done
results=$LLMDBENCH_RUN_EXPERIMENT_RESULTS_DIR
workload=$LLMDBENCH_RUN_EXPERIMENT_HARNESS_WORKLOAD_NAME
profile=$LLMDBENCH_RUN_WORKSPACE_DIR/profiles/llmload-uring/$workload
model=${LLMDBENCH_DEPLOY_CURRENT_MODEL:-}
[[ -r $profile ]] || refuse 104 "the profile $profile cannot be read" \
    "put $workload into workload/profiles/llmload-uring/ of llm-d-benchmark"
command -v llmload-uring >/dev/null || refuse 111 "there is no llmload-uring in PATH" \
    "the image of the harness has to contain it: see deploy/README.md"
mkdir -p "$results" || refuse 112 "$results cannot be made" "is the volume mounted, and writable for $(id -u)?"
cp -f "$profile" "$results/$workload" || refuse 112 "$results cannot be written" "is the volume full or read-only?"

# The URL goes by a variable: it may have a query that is a secret, and others can read a command line.
export LLMLOAD_TARGET_URL=$LLMDBENCH_HARNESS_STACK_ENDPOINT_URL
args=("$profile" --output "$results/llmload-uring.json" --report "$results/report.html")
[[ -z $model ]] || args+=(--model "$model")
help=$(llmload-uring --help)
[[ $help != *--export* ]] || args+=(--export "llm-d=$results/benchmark_report_v0.2,_llmload-uring.json.yaml")

# Microseconds of two readings of EPOCHREALTIME as seconds.
elapsed() {
    local from=${1/[.,]/} to=${2/[.,]/} micros
    micros=$((to - from))
    printf '%d.%06d' $((micros / 1000000)) $((micros % 1000000))
}

# Both logs have their last line before this script ends.
exec 3> >(tee -a "$results/stdout.log")
tees=($!)
exec 4> >(tee -a "$results/stderr.log" >&2)
tees+=($!)

start=$EPOCHREALTIME
llmload-uring "${args[@]}" >&3 2>&4 3>&- 4>&- &
pid=$!
# The end of a pod comes to this script first: the run has to end and write what it measured.
trap 'kill -TERM "$pid" 2>/dev/null' TERM INT
while :; do
    wait "$pid"
    code=$?
    kill -0 "$pid" 2>/dev/null || break
done
exec 3>&- 4>&-
wait "${tees[@]}"
trap - TERM INT
stop=$EPOCHREALTIME

# Text in single quotes of YAML, on one line.
quoted() {
    local text
    text=$(printf '%s' "$1" | tr '\000-\037\177' ' ')
    printf "'%s'" "${text//\'/\'\'}"
}

# A URL without user name, password and query.
plain_url() { printf '%s' "$1" | sed -e 's,//[^/@]*@,//,' -e 's,?.*,,'; }

{
    printf 'harness_start: %s\n' "$(quoted "$(date -d "@${start/,/.}" --iso-8601=seconds)")"
    printf 'harness_stop: %s\n' "$(quoted "$(date -d "@${stop/,/.}" --iso-8601=seconds)")"
    printf 'harness_delta: PT%sS\n' "$(elapsed "$start" "$stop")"
    printf 'harness_args: %s\n' "$(quoted "${args[*]}")"
    printf 'harness_version: %s\n' "$(quoted "$(llmload-uring --version | head -n 1)")"
    printf 'harness_name: llmload-uring\n'
    printf 'harness_workload: %s\n' "$(quoted "$workload")"
    printf 'harness_rc: %d\n' "$code"
    printf 'experiment_id: %s\n' "$(quoted "${LLMDBENCH_RUN_EXPERIMENT_ID:-}")"
    printf 'model: %s\n' "$(quoted "$model")"
    printf 'endpoint_url: %s\n' "$(quoted "$(plain_url "$LLMDBENCH_HARNESS_STACK_ENDPOINT_URL")")"
    printf 'namespace: %s\n' "$(quoted "${LLMDBENCH_VLLM_COMMON_NAMESPACE:-${LLMDBENCH_HARNESS_NAMESPACE:-}}")"
} >"$results/run_metadata.yaml" || {
    printf 'error: %s cannot be written\n' "$results/run_metadata.yaml" >&2
    [[ $code -ne 0 ]] || code=112
}
[[ $code -eq 0 ]] && echo "Harness completed successfully." || echo "Harness returned with error $code" >&2
exit "$code"
