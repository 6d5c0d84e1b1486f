#!/usr/bin/env bash
# Fuzzes what reads foreign bytes, each target for SECONDS. What is found is kept in tests/fuzz/findings/TARGET, where
# `cargo test` runs it from then on.
#
# usage: scripts/fuzz.sh [SECONDS [TARGET…]]     (60 seconds, all targets)
#
# It needs a nightly compiler and cargo-fuzz, and says so where one is missing; INSTALL=1 installs them:
#   rustup toolchain install nightly --profile minimal
#   cargo install --locked cargo-fuzz
# All targets are built once, which takes minutes; SANITIZER=address (or another of cargo fuzz) also looks for errors in
# memory, which takes twice as long. Inputs that reached new code are kept in target/fuzz/corpus between calls. Exit
# status 1: something was found.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }
case ${1-} in --help | -h) usage; exit 0 ;; esac
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
shift || true
known=$(sed -n '/\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' tests/fuzz/Cargo.toml)
targets=${*:-$known}
for target in $targets; do
    grep -qx -- "$target" <<<"$known" || { echo "error: no target is called $target; there are" $known >&2; exit 2; }
done
sanitizer=${SANITIZER:-none}

has_nightly() { cargo +nightly --version >/dev/null 2>&1; }
has_cargo_fuzz() { cargo fuzz --version >/dev/null 2>&1; }
if [ -n "${INSTALL-}" ]; then
    has_nightly || rustup toolchain install nightly --profile minimal
    has_cargo_fuzz || cargo install --locked cargo-fuzz
fi
missing=
has_nightly || missing="rustup toolchain install nightly --profile minimal"
has_cargo_fuzz || missing="${missing:+$missing; }cargo install --locked cargo-fuzz"
if [ -n "$missing" ]; then
    echo "skipped: fuzz: needs what this installs: $missing (or INSTALL=1 $0)"
    exit 0
fi

export CARGO_TARGET_DIR=$PWD/target/fuzz/build
echo "building $(wc -w <<<"$known") targets, sanitizer $sanitizer ..." >&2
cargo +nightly fuzz build --fuzz-dir tests/fuzz --dev --sanitizer "$sanitizer"
programs=$CARGO_TARGET_DIR/$(rustc +nightly -vV | sed -n 's/^host: //p')/debug

found=0
printf '%-16s %12s %10s %8s %8s %8s\n' target inputs "a second" reached corpus found
for target in $targets; do
    corpus=target/fuzz/corpus/$target
    new=target/fuzz/new/$target
    log=target/fuzz/$target.log
    mkdir -p "$corpus" "$new"
    seeds=()
    for folder in tests/fuzz/seeds/$target tests/fuzz/findings/$target; do
        [ -d "$folder" ] && seeds+=("$folder")
    done
    case $target in
        document) seeds+=(profiles) ;;
        compare) seeds+=(tests/corpus/peers) ;;
        exposition) seeds+=(tests/corpus/metrics) ;;
    esac
    # A time limit of 10 s for 64 KiB finds work that does not grow with the bytes alone.
    status=0
    "$programs/$target" "$corpus" "${seeds[@]}" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 \
        -artifact_prefix="$new/" -print_final_stats=1 >"$log" 2>&1 || status=$?
    count=$(find "$new" -type f | wc -l)
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    reached=$(sed -n 's/^#[0-9]*.*cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
    printf '%-16s %12s %10s %8s %8s %8s\n' "$target" "${inputs:-?}" "${speed:-?}" "${reached:-?}" \
        "$(find "$corpus" -type f | wc -l)" "$count"
    if [ "$count" -gt 0 ]; then
        found=1
        mkdir -p "tests/fuzz/findings/$target"
        mv "$new"/* "tests/fuzz/findings/$target/"
        grep -m1 -A2 'panicked at\|ERROR: libFuzzer' "$log" | sed 's/^/    /' || true
    elif [ "$status" != 0 ] || [ -z "$inputs" ]; then
        found=1
        tail -5 "$log"
    fi
done
exit $found
