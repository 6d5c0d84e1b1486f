#!/usr/bin/env bash
# Runs of four ranks started by Open MPI's mpirun and by MPICH's mpiexec (Hydra), of which nothing is linked: installs
# Debian's openmpi-bin and mpich where they are missing, loads `llmload-uring mock` on 127.0.0.1, and prints a table of
# checks. Exits with 1 if one fails. It removes what it has made and installed; KEEP=1 keeps the packages. Takes a
# minute or two. Root is needed only to install.
#
#   [BIN=target/release/llmload-uring] [KEEP=1] scripts/mpi.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
skip() { echo "skipped: scripts/mpi.sh: needs $1" && exit 0; }
for needed in jq python3 curl dpkg-query; do command -v "$needed" >/dev/null || skip "$needed"; done
[ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
bin=$(realpath "${BIN:-target/release/llmload-uring}")
PATH=$(dirname "$bin"):$PATH
mkdir -p target
work=$(mktemp -d -p "$root/target")
source scripts/ranks_lib.sh
trap 'stop_all; rm -rf "$work"; remove_installed' EXIT
trap 'exit 143' INT TERM
install openmpi-bin mpich || skip "openmpi-bin and mpich (apt-get install)"
dpkg-query -W -f '${Package} ${Version}\n' openmpi-bin mpich
conditions "$bin"

as_root=()
[ "$(id -u)" != 0 ] || as_root=(--allow-run-as-root)
# Open MPI kills its processes this many seconds after SIGTERM, and sends that as many after its own end was asked for.
grace=4
openmpi=(mpirun.openmpi -n 4 "${as_root[@]}" --oversubscribe --mca odls_base_sigkill_timeout "$grace"
    -x LLMLOAD_COORDINATE_SECRET)
hydra=(mpiexec.hydra -n 4)
# Hydra kills all processes as soon as one of them dies by a signal. Behind a shell, none does.
hydra_shell=("${hydra[@]}" sh -c '"$@"; exit $?' sh)

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# PROFILE OPTIONS...: starts the ranks with the words of `launcher`; its process is then in `launched`.
launch() {
    "${launcher[@]}" llmload-uring "../$1.yaml" --target "$server" --coordinate "127.0.0.1:$(free_port)" \
        --output run.json "${@:2}" >out 2>&1 &
    launched=$!
    pids+=("$launched")
}
ends() { until_true "the end of the run" is_over "$launched" && code=0 && { wait "$launched" || code=$?; }; }
code_is_not_0() { echo "exit code $1" && [ "$1" != 0 ]; }
rank_2() { process_with "LLMLOAD_COORDINATE_SECRET=$LLMLOAD_COORDINATE_SECRET" "$1=2"; }

# NAME VARIABLE: what both launchers are for.
cases() {
    begin "$1-counted"
    launch counted
    ends
    check "$1: exit code" code_is 0 "$code"
    check "$1: the document of one process" is_one_process run.json

    begin "$1-failed"
    launch counted --threshold 'latency: p(50)<0.001'
    ends
    check "$1: a threshold that fails is the exit code" code_is 99 "$code"
    check "$1: the document has it" ranks_check has run.json run.exit_code=99 run.merged.missing_shards=null

    begin "$1-limit" "${of_24[@]}"
    code=0
    "${launcher[@]}" llmload-uring find-limit ../chat.yaml --target "$server" \
        --coordinate "127.0.0.1:$(free_port)" "${search_24[@]}" >out 2>&1 || code=$?
    check "$1: find-limit: exit code" code_is 0 "$code"
    check "$1: find-limit: the limit of the server" is_limit_24

    begin "$1-rank"
    launch long
    until_true requests has_had 100
    kill -TERM "$(rank_2 "$2")"
    ends
    check "$1: SIGTERM at a rank: one graceful end for all" ranks_check has run.json run.exit_code=105 \
        'run.stopped_by="signal"' run.merged.missing_shards=null
    check "$1: SIGTERM at a rank: exit code" code_is 105 "$code"

    begin "$1-term"
    launch long
    until_true requests has_had 100
    kill -TERM "$launched"
    ends
    check "$1: SIGTERM: one graceful end for all" ranks_check has run.json run.exit_code=105 \
        'run.stopped_by="signal"' run.merged.missing_shards=null
    check "$1: SIGTERM: nothing is lost" has_every_stream run.json
}
# NAME VARIABLE
killed() {
    begin "$1-kill"
    launch long
    until_true requests has_had 100
    kill -9 "$(rank_2 "$2")"
    ends
    check "$1: kill -9 of rank 2: the rest ends, and it is missing" ranks_check has run.json run.exit_code=117 \
        'run.merged.missing_shards=[3]' 'run.stopped_by="rank"'
    check "$1: kill -9 of rank 2: the sum of those that are left" ranks_check sum run.json run.rank-{0,1,3}.json
    check "$1: kill -9 of rank 2: exit code" code_is_not_0 "$code"
}

prepare
launcher=("${openmpi[@]}")
cases "Open MPI" OMPI_COMM_WORLD_RANK
killed "Open MPI" OMPI_COMM_WORLD_RANK
launcher=("${hydra[@]}")
cases Hydra PMI_RANK
launcher=("${hydra_shell[@]}")
killed "Hydra with sh" PMI_RANK
verdict
