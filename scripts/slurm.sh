#!/usr/bin/env bash
# Runs of four ranks on a real Slurm: installs Debian's slurmctld, slurmd and munge where they are missing, starts a
# controller and four nodes in network, mount and process namespaces of their own, whose only network is between them,
# and loads `llmload-uring mock` by srun, by deploy/slurm/llmload.sbatch and by a job array. Prints a table of checks,
# and exits with 1 if one fails. It removes what it has made and installed; KEEP=1 keeps the packages. Takes 3 to 4
# minutes, and needs root.
#
#   [BIN=target/release/llmload-uring] [KEEP=1] scripts/slurm.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# Each node says that all CPUs of this host are its own.
cpus=$(nproc)
cd "$root"
skip() { echo "skipped: scripts/slurm.sh: needs $1" && exit 0; }

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || skip root
    for needed in jq python3 ip unshare dpkg-query; do
        command -v "$needed" >/dev/null || skip "$needed"
    done
    unshare --mount --net --uts --pid --fork ip link add a0 type veth peer name a1 2>/dev/null ||
        skip "namespaces and veth"
    [ -n "${BIN:-}" ] || cargo build --release --quiet --bin llmload-uring
    export BIN=${BIN:-target/release/llmload-uring}
    mkdir -p target
    work=$(mktemp -d -p "$root/target")
    export work
    source scripts/ranks_lib.sh
    trap 'rm -rf "$work"; remove_installed' EXIT
    trap 'exit 143' INT TERM
    install slurmctld slurmd slurm-client munge || skip "slurmctld, slurmd and munge (apt-get install)"
    dpkg-query -W -f '${Package} ${Version}\n' slurmctld munge
    conditions "$BIN"
    code=0
    unshare --mount --net --uts --pid --fork --kill-child --mount-proc "$0" inside || code=$?
    exit "$code"
fi

bin=$(realpath "$BIN")
PATH=$(dirname "$bin"):$PATH
source scripts/ranks_lib.sh
trap stop_all EXIT

# Four nodes with an address each. Slurm knows them by their names, as the ranks do.
network() {
    hostname login
    ip link set lo up
    ip link add nodes0 type veth peer name nodes1
    ip link set nodes0 up
    ip link set nodes1 up
    cp /etc/hosts "$work/hosts"
    echo "10.9.1.10 login" >>"$work/hosts"
    ip addr add 10.9.1.10/24 dev nodes0
    for n in 1 2 3 4; do
        ip addr add "10.9.1.1$n/24" dev nodes0
        echo "10.9.1.1$n n$n" >>"$work/hosts"
    done
    mount --bind "$work/hosts" /etc/hosts
}

# NAME COMMAND...: starts a daemon in the foreground of its own.
daemon() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
}

start_slurm() {
    export SLURM_CONF=$work/slurm.conf
    mkdir -p "$work"/{state,spool/n1,spool/n2,spool/n3,spool/n4}
    head -c 128 /dev/urandom >"$work/munge.key"
    chmod 600 "$work/munge.key"
    cat >"$SLURM_CONF" <<CONF
ClusterName=llmload
SlurmctldHost=login
SlurmUser=root
AuthInfo=socket=$work/munge.socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.%n.pid
# This needs neither systemd nor cgroups.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
CONF
    for n in 1 2 3 4; do
        echo "NodeName=n$n NodeHostname=login NodeAddr=10.9.1.1$n Port=1700$n CPUs=$cpus" >>"$SLURM_CONF"
    done
    echo "PartitionName=load Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP" >>"$SLURM_CONF"
    daemon munged munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
        --pid-file="$work/munged.pid" --seed-file="$work/munged.seed" --log-file="$work/munged.file"
    until_true munged test -S "$work/munge.socket"
    daemon slurmctld slurmctld -D
    for n in 1 2 3 4; do daemon "slurmd.n$n" slurmd -D -N "n$n"; done
    until_true "four idle nodes" four_idle
}
four_idle() { [ "$(sinfo -h -o '%D %t')" = "4 idle" ]; }

job_is_over() {
    ! squeue -h -j "$1" | grep -q . &&
        scontrol show job "$1" | grep -qE 'JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)'
}
# JOB: waits until it has ended; `code` is then what Slurm says of it, CODE:SIGNAL.
job_ends() {
    until_true "the end of job $1" job_is_over "$1"
    code=$(scontrol show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p' | head -1)
}
# FOLDER [SBATCH OPTIONS...]: submits deploy/slurm/llmload.sbatch, as it is, with the long load and the options in
# `more`. Waits until requests are made; its number is then in `job`.
submit_long() {
    begin "$1"
    job=$(sbatch --parsable --cpus-per-task="$cpus" "${@:2}" "$sbatch" ../long.yaml --target "$server" "${more[@]}")
    until_true "requests of job $job" has_had 100
}
rank_2() { process_with "SLURM_JOB_ID=$job" SLURM_PROCID=2; }
network
start_slurm
prepare
sbatch=$root/deploy/slurm/llmload.sbatch

begin srun
code=0
srun -N 4 -n 4 llmload-uring ../counted.yaml --target "$server" --coordinate auto --output run.json >out 2>&1 || code=$?
check "srun -n 4: exit code" code_is 0 "$code"
check "srun -n 4: the document of one process" is_one_process run.json

begin limit "${of_24[@]}"
code=0
srun -N 4 -n 4 llmload-uring find-limit ../chat.yaml --target "$server" --coordinate auto "${search_24[@]}" \
    >out 2>&1 || code=$?
check "srun -n 4 find-limit: exit code" code_is 0 "$code"
check "srun -n 4 find-limit: the limit of the server" is_limit_24

begin sbatch
code=0
job=$(sbatch --parsable --wait --cpus-per-task="$cpus" "$sbatch" ../counted.yaml --target "$server") || code=$?
check "llmload.sbatch: exit code" code_is 0 "$code"
check "llmload.sbatch: the document of one process" is_one_process "run-$job.json"

begin array
code=0
sbatch --wait --array=1-4 --nodes=1 --cpus-per-task="$cpus" --wrap \
    "llmload-uring ../counted.yaml --shard auto --target $server --output \$SLURM_ARRAY_TASK_ID.json" >out || code=$?
check "sbatch --array=1-4: no shard alone makes all requests" code_is 99 "$code"
llmload-uring merge {1..4}.json --output run.json >merged 2>&1 || true
check "sbatch --array=1-4, merged: the document of one process" is_one_process run.json

more=()
submit_long term
scancel --signal=TERM "$job"
job_ends "$job"
check "scancel -s TERM: exit code of the job" code_is 105:0 "$code"
check "scancel -s TERM: one graceful end for all" ranks_check has "run-$job.json" run.exit_code=105 \
    'run.stopped_by="signal"' run.merged.shards=4 run.merged.missing_shards=null
check "llmload.sbatch: each task has the CPUs that it asks for" ranks_check has "run-$job.rank-2.json" \
    "host.cpus_allowed=$(jq -c .host.cpus_allowed ../one.json)"
check "scancel -s TERM: nothing is lost" has_every_stream "run-$job.json"

submit_long cancel
scancel "$job"
job_ends "$job"
check "scancel: one graceful end for all" ranks_check has "run-$job.json" run.exit_code=105 \
    'run.stopped_by="signal"' run.merged.shards=4 run.merged.missing_shards=null
check "scancel: nothing is lost" has_every_stream "run-$job.json"

submit_long kill
kill -9 "$(rank_2)"
job_ends "$job"
# srun gives the highest code, which is that of the killed task.
check "kill -9 of rank 2: exit code of the job" code_is 137:0 "$code"
check "kill -9 of rank 2: the rest ends, and it is missing" ranks_check has "run-$job.json" run.exit_code=117 \
    'run.merged.missing_shards=[3]' 'run.stopped_by="rank"'
check "kill -9 of rank 2: the sum of those that are left" ranks_check sum "run-$job.json" "run-$job".rank-{0,1,3}.json

more=(--duration 8s --on-rank-loss continue)
submit_long continue
kill -9 "$(rank_2)"
job_ends "$job"
check "--on-rank-loss continue: the rest goes on" ranks_check has "run-$job.json" run.exit_code=0 \
    'run.merged.missing_shards=[3]' 'run.stopped_by="plan"'
check "--on-rank-loss continue: the sum of those that are left" \
    ranks_check sum "run-$job.json" "run-$job".rank-{0,1,3}.json

more=()
submit_long time --time=2
WAIT=130 job_ends "$job"
check "the time is nearly over: exit code of the job" code_is 105:0 "$code"
check "the time is nearly over: one graceful end for all" ranks_check has "run-$job.json" run.exit_code=105 \
    'run.stopped_by="signal"' run.merged.missing_shards=null
verdict
