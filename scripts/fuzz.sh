#!/usr/bin/env bash
# Fuzzes what reads foreign bytes, each target for SECONDS. What is found is kept in tests/fuzz/findings/TARGET, where
# `cargo test` runs it from then on.
#
# usage: scripts/fuzz.sh [SECONDS [TARGET…]]     (60 seconds, all targets)
#
# It needs a nightly compiler and cargo-fuzz:
#   rustup toolchain install nightly
#   cargo install --locked cargo-fuzz
# The first build takes some minutes. Inputs that reached new code are kept in target/fuzz/corpus between calls.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
shift || true
known=$(sed -n '/\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' tests/fuzz/Cargo.toml)
targets=${*:-$known}
for target in $targets; do
    grep -qx "$target" <<<"$known" || { echo "error: no target is called $target; there are" $known >&2; exit 2; }
done
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "skipped: fuzz: needs cargo-fuzz and a nightly compiler: rustup toolchain install nightly; cargo install --locked cargo-fuzz"
    exit 0
fi

export CARGO_TARGET_DIR=$PWD/target/fuzz/build
cargo +nightly fuzz build --fuzz-dir tests/fuzz --release

found=0
printf '%-16s %12s %10s %10s %8s\n' target inputs "a second" corpus found
for target in $targets; do
    corpus=target/fuzz/corpus/$target
    new=target/fuzz/new/$target
    log=target/fuzz/$target.log
    mkdir -p "$corpus" "$new"
    seeds=()
    for folder in tests/fuzz/seeds/$target tests/fuzz/findings/$target; do
        [ -d "$folder" ] && seeds+=("$folder")
    done
    [ "$target" = document ] && seeds+=(profiles)
    # A time limit of 5 s for 16 KiB finds work that does not grow with the bytes alone.
    cargo +nightly fuzz run --fuzz-dir tests/fuzz --release "$target" "$corpus" "${seeds[@]}" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=16384 \
        -artifact_prefix="$new/" -print_final_stats=1 >"$log" 2>&1 || true
    count=$(find "$new" -type f | wc -l)
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    printf '%-16s %12s %10s %10s %8s\n' "$target" "${inputs:-?}" "${speed:-?}" "$(find "$corpus" -type f | wc -l)" "$count"
    if [ "$count" -gt 0 ]; then
        found=1
        mkdir -p "tests/fuzz/findings/$target"
        mv "$new"/* "tests/fuzz/findings/$target/"
        grep -m1 -A2 'panicked at\|ERROR: libFuzzer' "$log" | sed 's/^/    /'
    elif [ -z "$inputs" ]; then
        found=1
        tail -5 "$log"
    fi
done
exit $found
