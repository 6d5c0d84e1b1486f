#!/usr/bin/env bash
# Makes the packages of a release and tries them: a tarball and a Debian package, both of one stripped binary, the notes
# of the release (its section of CHANGELOG.md) and SHA256SUMS. They come to lie in target/packages.
#
#   scripts/package.sh [--once] [--binary FILE] [--no-check] [--out FOLDER]
#
# 1. It builds the binary twice, with another folder, another home of cargo and another umask, and packs both: the
#    hashes have to be the same. --once builds and packs once; --binary packs a binary that is already built, twice.
# 2. lintian reads the Debian package, where it is installed.
# 3. In a bare Debian root both are installed, and `quick-smoke` runs, without any rights (scripts/package/check.sh).
#    --no-check leaves 2 and 3 out.
#
# A build takes 3 to 8 minutes on two CPUs. SOURCE_DATE_EPOCH is the time of the commit unless it is set.
set -euo pipefail

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

usage() {
    sed -n '2,14s/^# \{0,1\}//p' "$0"
}

from=$PWD
cd "$(dirname "$0")/.."
root=$(pwd -P)
out=$root/target/packages once= check=1 binary=
while [ $# -gt 0 ]; do
    case $1 in
    --once) once=1 ;;
    --no-check) check= ;;
    --binary | --out)
        [ $# -ge 2 ] || { printf 'error: %s: no value\n' "$1" >&2 && exit 2; }
        # Paths are those of the caller.
        path=$2
        [[ $path == /* ]] || path=$from/$path
        [ "$1" = --out ] && out=$path || binary=$path
        shift
        ;;
    -h | --help) usage && exit 0 ;;
    *) printf 'error: `%s` is no option of this script\n' "$1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
mkdir -p "$out" || fail "$out cannot be written" "give another folder with --out"
out=$(cd "$out" && pwd)
[ -z "$binary" ] || [ -x "$binary" ] || fail "--binary: $binary is no program" "build it first, or leave the option out"

work=$(mktemp -d)
# What a user namespace has mounted is gone with it; files of other users are not.
trap 'chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT

export BUILD_COMMIT=${BUILD_COMMIT:-}
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$root" ]; then
    : "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
    changes=$(git status --porcelain)
    : "${BUILD_COMMIT:=$(git rev-parse HEAD)${changes:+-dirty}}"
    [ -z "$changes" ] || echo "note: files differ from the commit, so the binary calls itself -dirty"
fi
: "${SOURCE_DATE_EPOCH:=$(stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH

# Builds the sources in folder $1 with the home of cargo $2, and writes the path of the binary to $3. The paths of the
# builder are kept out of the binary: by rustc's option, and by the C compiler's for the C libraries of the crates.
build() {
    local cargo_home=$2 sysroot hash
    sysroot=$(rustc --print sysroot)
    hash=$(rustc -vV | sed -n 's/^commit-hash: //p')
    (
        cd "$1"
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_INCREMENTAL
        export CARGO_HOME=$cargo_home LC_ALL=C TZ=UTC
        local flags=("--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$hash"
            "--remap-path-prefix=$cargo_home=/cargo" "--remap-path-prefix=$1=/llmload-uring")
        CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf %s "${flags[*]}")
        export CARGO_ENCODED_RUSTFLAGS
        export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$1=/llmload-uring"
        cargo build --quiet --profile dist --locked --bin llmload-uring --target-dir "$4"
    )
    printf '%s\n' "$4/dist/llmload-uring" >"$3"
}

# A copy of what git would have of this folder, ignored files left out.
copy_of_sources() {
    mkdir -p "$1"
    if git rev-parse --show-toplevel >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - | tar -C "$1" -xf -
    else
        tar --exclude=./target -cf - . | tar -C "$1" -xf -
    fi
}

# A home of cargo elsewhere, with the crates of the first build.
copy_of_cargo_home() {
    mkdir -p "$1/registry"
    cp -a "${CARGO_HOME:-$HOME/.cargo}/registry/index" "${CARGO_HOME:-$HOME/.cargo}/registry/cache" "$1/registry/"
}

timed() {
    local begun=$SECONDS
    "$@"
    echo "   took $((SECONDS - begun)) s"
}

echo "== first build: $(rustc --version), $(cc --version | head -1), commit ${BUILD_COMMIT:-not known}"
if [ -n "$binary" ]; then
    realpath "$binary" >"$work/first"
    echo "   none: --binary $binary"
else
    timed build "$root" "${CARGO_HOME:-$HOME/.cargo}" "$work/first" "$root/target/package-build"
fi
first=$(cat "$work/first")
"$first" --version | sed 's/^/   /'
rm -rf "$out"/llmload-uring-*.tar.gz "$out"/llmload-uring_*.deb "$out"/SHA256SUMS "$out"/RELEASE-NOTES.md "$out/second-build"
"$root/scripts/package/pack.sh" "$first" "$out" >"$work/first.sums"
(cd "$out" && ls -l --time-style=+ | awk 'NR > 1 {printf "   %9d  %s\n", $5, $NF}')

if [ -z "$once" ]; then
    echo "== second build: another folder, another home of cargo, another umask"
    elsewhere=$work/a/folder/elsewhere
    if [ -n "$binary" ]; then
        cp "$first" "$work/copy" && realpath "$work/copy" >"$work/second"
        echo "   none: --binary $binary"
        copy_of_sources "$elsewhere"
    else
        copy_of_sources "$elsewhere"
        copy_of_cargo_home "$work/cargo"
        timed build "$elsewhere" "$work/cargo" "$work/second" "$elsewhere/target/package-build"
    fi
    (umask 077 && TZ=Asia/Tokyo "$elsewhere/scripts/package/pack.sh" "$(cat "$work/second")" "$work/out" >"$work/second.sums")
    if ! diff "$work/first.sums" "$work/second.sums"; then
        cp -r "$work/out" "$out/second-build"
        fail "two builds of one commit differ" "compare $out with $out/second-build, for example with diffoscope"
    fi
    echo "   the same hashes both times:"
fi
sed 's/^/   /' "$work/first.sums"
# Paths of the builder would also tell whose machine it was.
paths=$(strings -a "$first" | grep -cF -e "$root" -e "${CARGO_HOME:-$HOME/.cargo}/" || true)
[ -n "$binary" ] || echo "   $paths strings with a path of this machine in the binary"

if [ -n "$check" ]; then
    echo "== lintian"
    if command -v lintian >/dev/null; then
        lintian --allow-root --fail-on error,warning "$out"/*.deb && echo "   nothing to say"
    else
        echo "skipped: lintian: needs lintian"
    fi
    "$root/scripts/package/check.sh" "$out"
fi
echo "== made: $out"
