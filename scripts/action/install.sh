#!/usr/bin/env bash
# The first step of action.yml: fetches the tarball of a release, checks it, and puts the program on the PATH of the job.
set -euo pipefail

# Says an error in the form that GitHub shows at the step. A line break or a percent sign would end it or begin a code.
fail() {
    local text=$1
    text=${text//'%'/%25} text=${text//$'\r'/%0D} text=${text//$'\n'/%0A}
    printf '::error title=llmload-uring::%s\n' "$text"
    exit 1
}

[ "$(uname -s)" = Linux ] || fail "llmload-uring needs Linux, and this runner has $(uname -s): use runs-on: ubuntu-24.04"
machine=$(uname -m)
case $machine in
x86_64 | aarch64) ;;
*) fail "there is no package of llmload-uring for $machine: build it with cargo install" ;;
esac

version=${INPUT_VERSION#v}
if [ -z "$version" ]; then
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ACTION_PATH/Cargo.toml" | head -n 1)
fi
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$ ]] ||
    fail "version: \`$version\` is no version: give one such as 0.1.0"

name=llmload-uring-$version-$machine-unknown-linux-gnu.tar.gz
archive=${INPUT_ARCHIVE:-}
if [ -z "$archive" ]; then
    [ -n "${ACTION_REPOSITORY:-}" ] || fail "the repository of the action is not known: give the input \`archive\`"
    archive=${GITHUB_SERVER_URL:-https://github.com}/$ACTION_REPOSITORY/releases/download/v$version/$name
fi
expected=${INPUT_SHA256:-}
[[ -z $expected || $expected =~ ^[0-9a-fA-F]{64}$ ]] || fail "sha256: \`$expected\` is no checksum of 64 hexadecimal digits"

work=$(mktemp -d -p "${RUNNER_TEMP:-/tmp}")

# A file of this machine, or a URL. Redirections of https stay https.
fetch() {
    case $1 in
    https://*) curl --fail --silent --show-error --location --retry 3 --proto '=https' --max-time 300 -o "$2" -- "$1" ;;
    http://*) curl --fail --silent --show-error --retry 3 --max-time 300 -o "$2" -- "$1" ;;
    *) cp -- "$1" "$2" ;;
    esac
}

fetch "$archive" "$work/archive" || fail "cannot get $archive: see the line above"
if [ -z "$expected" ]; then
    sums=${archive%/*}/SHA256SUMS
    [[ $archive == */* ]] || sums=SHA256SUMS
    fetch "$sums" "$work/SHA256SUMS" ||
        fail "cannot get $sums, which has the checksum of the tarball: give the input \`sha256\`"
    expected=$(awk -v name="${archive##*/}" '$2 == name || $2 == "*" name { print $1; exit }' "$work/SHA256SUMS")
    [ -n "$expected" ] || fail "$sums does not name ${archive##*/}: give the input \`sha256\`"
fi
found=$(sha256sum "$work/archive" | cut -d' ' -f1)
[ "$found" = "${expected,,}" ] || fail "$archive has the checksum $found, and $expected was expected: nothing was installed"

mkdir "$work/prefix"
tar -C "$work/prefix" --strip-components=1 --no-same-owner -xzf "$work/archive" ||
    fail "$archive is no tarball: see the line above"
rm "$work/archive"
program=$work/prefix/bin/llmload-uring
[ -x "$program" ] || fail "$archive has no bin/llmload-uring: it is no tarball of a release"
"$program" --version || fail "the program does not run here: see the line above"
[ "$("$program" -V)" = "llmload-uring $version" ] ||
    fail "$archive has $("$program" -V), and version $version was expected: change the input \`version\` or \`archive\`"
printf '%s\n' "$work/prefix/bin" >>"$GITHUB_PATH"
