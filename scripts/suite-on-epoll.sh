#!/usr/bin/env bash
# Runs every test with sockets driven by epoll, in two ways:
#   asked     LLMLOAD_IO=epoll: io_uring is there, and whatever does not name a driver uses epoll
#   refused   io_uring refused with EPERM to cargo and all that it starts, as by a container's seccomp profile
# One module at a time, so that one that hangs (30 minutes) or dies does not hide the others. Ends with counts, the
# tests that failed and those that were skipped; exit code 1 if one failed. What was printed stays in
# target/suite-on-epoll.
#
#   scripts/suite-on-epoll.sh [asked|refused]... [PART...]
#
# PART is a module of tests/suite, or lib, or another program of tests, such as alone.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in -h | --help)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
ways=() parts=()
for word in "$@"; do
    case $word in
    asked | refused) ways+=("$word") ;;
    *) parts+=("$word") ;;
    esac
done
[ ${#ways[@]} -gt 0 ] || ways=(asked refused)
logs=target/suite-on-epoll

# io_uring's calls have the same numbers (425 to 427) on every architecture.
refuse='
import ctypes, os, struct, sys
filter = [(0x20, 0, 0, 0), (0x35, 0, 2, 425), (0x25, 1, 0, 427), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in filter))
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(filter), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0, "seccomp is refused"
os.execvp(sys.argv[1], sys.argv[1:])
'

on_epoll() {
    case $1 in
    asked) LLMLOAD_IO=epoll "${@:2}" ;;
    refused) env -u LLMLOAD_IO python3 -c "$refuse" "${@:2}" ;;
    esac
}

built() { sed -n "s#^ *Executable .*$1 (\(.*\))#\\${2:-1}#p" "$logs/build"; }

# Prints the names of the other programs of tests; the last one only lists what was skipped.
others() { sed -n 's#^ *Executable tests/\([a-z_]*\).* (.*#\1#p' "$logs/build" | grep -vx -e suite -e what_was_skipped; }

# Prints the tests of tests/suite whose names are like this.
listed() { "$(built tests/suite/main.rs)" --list --format terse 2>/dev/null | sed -n "s/^\($1\): test$/\1/p"; }

run_part() {
    local way=$1 part=$2 log=$logs/$1.$2 rc=0 program only=()
    case $part in
    lib) program=$(built src/lib.rs) ;;
    *) program=$(built "tests/$part\(/main\)*.rs" 2) ;;
    esac
    if [ -z "$program" ]; then
        program=$(built tests/suite/main.rs)
        # By their names: a filter finds what it is any part of.
        mapfile -t only < <(listed "$part::.*")
        [ ${#only[@]} -gt 0 ] || { echo "error: no test is in \`$part\`" >&2 && exit 2; }
        only+=(--exact)
    fi
    on_epoll "$way" timeout -k 10 1800 "$program" "${only[@]}" --show-output >"$log" 2>&1 || rc=$?
    if [ $rc -ne 0 ] && ! grep -q '^test result: FAILED' "$log"; then
        echo "test $part, which did not end by itself (exit code $rc) ... FAILED" >>"$log"
    fi
}

sum() { # the number before a word in the lines of results
    cat "${@:2}" | grep '^test result:' | grep -o "[0-9]* $1" | awk '{ n += $1 } END { print n + 0 }'
}

mkdir -p "$logs"
if ! cargo test --locked --no-run >"$logs/build" 2>&1; then
    cat "$logs/build" >&2
    exit 1
fi
if [ ${#parts[@]} -eq 0 ]; then
    mapfile -t parts < <(echo lib && others && listed '.*' | sed 's/::.*//' | uniq)
fi
all_passed=true
for way in "${ways[@]}"; do
    files=()
    for part in "${parts[@]}"; do
        run_part "$way" "$part"
        files+=("$logs/$way.$part")
        printf '%-8s %-24s %5s passed %3s failed\n' "$way" "$part" \
            "$(sum passed "$logs/$way.$part")" "$(sum failed "$logs/$way.$part")"
    done
    failed=$(cat "${files[@]}" | sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' | sort -u)
    skipped=$(cat "${files[@]}" | grep '^skipped: ' | sort -u || true)
    echo
    echo "$way: $(sum passed "${files[@]}") passed, $(sum failed "${files[@]}") failed," \
        "$(grep -c . <<<"$skipped" || true) of those that passed skipped something"
    [ -z "$skipped" ] || sed 's/^/  /' <<<"$skipped"
    [ -z "$failed" ] || { all_passed=false && sed 's/^/  FAILED /' <<<"$failed"; }
    echo
done
$all_passed
