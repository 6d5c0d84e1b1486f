#!/usr/bin/env bash
# Runs the unit tests of rooms that know no sockets and no clocks under Miri, which notices undefined behaviour, reads of
# memory that nobody wrote, and overflow. Ends with a line for each room; exit status 1 if one failed.
#
# usage: scripts/miri.sh [ROOM…]     (modules of src, such as http1 or units::rate; without, all of its list)
#
# It needs a nightly compiler with Miri, and says so where it is missing; INSTALL=1 installs it:
#   rustup toolchain install nightly --profile minimal --component miri,rust-src
# What was printed stays in target/miri. Random tests run four cases each, since Miri is some hundred times slower; a room
# that takes longer than 20 minutes has failed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }
case ${1-} in -h | --help) usage; exit 0 ;; esac
rooms=(
    sse http1 json prometheus exposition::text units::duration units::figures units::masks units::rate stats lengths rank
    coordination::frame coordination::offset error::safe_text
)
[ $# -eq 0 ] || rooms=("$@")

if [ -n "${INSTALL-}" ]; then
    rustup toolchain install nightly --profile minimal --component miri,rust-src
fi
if ! cargo +nightly miri --version >/dev/null 2>&1; then
    install='rustup toolchain install nightly --profile minimal --component miri,rust-src'
    echo "skipped: miri: needs what this installs: $install (or INSTALL=1 $0)"
    exit 0
fi

export CARGO_TARGET_DIR=target/miri PROPTEST_CASES=4
# Tests read files of the project and the time of day. Floating-point functions give what the machine's give.
export MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-deterministic-floats'
mkdir -p target/miri
echo "building ..." >&2
cargo +nightly miri test --locked --lib --no-run >target/miri/build.log 2>&1 || { tail -20 target/miri/build.log >&2; exit 1; }

failed=0
printf '%-20s %8s %8s %8s\n' room passed failed ignored
for room in "${rooms[@]}"; do
    log=target/miri/${room//::/-}.log
    # A filter finds what it is any part of: the names of this room alone.
    mapfile -t tests < <(cargo +nightly miri test --locked --lib -- --list --format terse 2>/dev/null |
        sed -n "s/^\($room::.*\): test$/\1/p")
    if [ ${#tests[@]} -eq 0 ]; then
        echo "error: no test is in \`$room\`" >&2
        exit 2
    fi
    status=0
    timeout 1200 cargo +nightly miri test --locked --lib -- --exact "${tests[@]}" >"$log" 2>&1 || status=$?
    counts=$(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$log")
    # shellcheck disable=SC2086
    printf '%-20s %8s %8s %8s\n' "$room" ${counts:-? ? ?}
    if [ "$status" -ne 0 ]; then
        failed=1
        grep -m3 -A4 'panicked at\|error: Undefined Behavior\|error: unsupported' "$log" | sed 's/^/    /' || tail -5 "$log"
    fi
done
exit $failed
