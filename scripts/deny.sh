#!/usr/bin/env bash
# Holds the dependencies to deny.toml with cargo-deny: licences, versions, sources, and advisories where RustSec's
# database can be fetched. `cargo test --test dependencies` checks the first three without cargo-deny.
#
# usage: scripts/deny.sh [--install]
#
# --install builds cargo-deny first if it is not there, which takes minutes (cargo install --locked cargo-deny).
# Yanked versions are looked for in the registry's index. Exit status 1: a rule is broken.
set -uo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
case "${1-} $#" in
    ' 0' | '--install 1') ;;
    '--help 1' | '-h 1') usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

found=0
log=$(mktemp)
trap 'rm -rf "$log"' EXIT

# cargo asks the index for each version of the lock file when it packs the crate, and says which are yanked.
yanked() {
    if [ "${CARGO_NET_OFFLINE-}" = true ]; then
        echo "skipped: yanked versions: needs the registry's index"
    elif ! cargo package --locked --allow-dirty --no-verify --target-dir target/deny >"$log" 2>&1; then
        if grep -qi 'failed to \(download\|query\|get\|fetch\|load\)\|network\|offline\|timed out' "$log"; then
            echo "skipped: yanked versions: needs the registry's index"
        else
            cat "$log" >&2
            found=1
        fi
    elif grep -i 'yanked' "$log" >&2; then
        found=1
    else
        echo "yanked versions: none"
    fi
}

# 0: the rules hold; 1: they do not.
deny() {
    cargo deny --all-features check "$@"
}

yanked
if ! cargo deny --version >/dev/null 2>&1; then
    if [ "${1-}" = --install ]; then
        cargo install --locked cargo-deny || { echo "error: cargo-deny was not built" >&2; exit 1; }
    else
        echo "skipped: cargo-deny: needs it (scripts/deny.sh --install, or cargo install --locked cargo-deny)"
        echo "skipped: advisories: needs cargo-deny"
        exit $found
    fi
fi
deny licenses bans sources || found=1
if cargo deny fetch db >"$log" 2>&1; then
    deny advisories || found=1
else
    echo "skipped: advisories: needs the RustSec database ($(tail -1 "$log"))"
fi
exit $found
