#!/usr/bin/env bash
# Installs the packages of a folder in a bare Debian root, each in its own, and runs `quick-smoke` there against the
# simulator that is part of the program. Nobody's rights are used: all of it runs in a user namespace, as root of that
# namespace where packages are installed and as an ordinary user where the program runs. Started by root, it changes to
# `nobody` first.
#
#   [SUITE=bookworm] scripts/package/check.sh FOLDER
#
# It needs mmdebstrap and a mirror of Debian, and says `skipped: …` without them.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
self=$(realpath "$0")
out=$(realpath "$1")
suite=${SUITE:-$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "$VERSION_CODENAME" || echo bookworm)}

skip() {
    echo "skipped: packages in a bare Debian root: needs $1"
    exit 0
}

# Runs a shell script in the root $1, as root of a user namespace, or, with $2, as user 1000.
within() {
    unshare --user --map-root-user --mount --pid --fork --kill-child sh -euc '
        mount --rbind /dev "$1/dev"
        mount -t proc proc "$1/proc" 2>/dev/null || mount --rbind /proc "$1/proc"
        mount --rbind /sys "$1/sys"
        case $2 in
        user) set -- "$@" --user --map-user=1000 --map-group=1000 ;;
        esac
        root=$1 script=$3
        shift 3
        exec unshare "$@" --root="$root" --wd=/srv/user env -i HOME=/srv/user TERM=dumb \
            PATH=/srv/user/.local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$script"
    ' sh "$1" "$2" "$3"
}

# The root as mmdebstrap made it, below $1.
unpack() {
    mkdir -p "$1"
    tar -C "$1" --no-same-owner --exclude='./dev/*' -xf "$base"
    mkdir -p "$1/srv/user"
}

run_and_say='
    id | cut -d" " -f1 | sed "s/^/   runs as /"
    llmload-uring --version | head -2 | sed "s/^/   /"
    llmload-uring quick-smoke --progress none --output result.json >summary 2>errors || {
        code=$?; cat summary errors; exit $code
    }
    sed "s/^/   | /" summary
    grep -q "\"verdict\": *\"passed\"" result.json
'

unprivileged() {
    work=$(mktemp -d)
    trap 'chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
    base=$2
    cd "$work"

    echo "== the tarball, unpacked into ~/.local"
    unpack "$work/tar"
    cp "$1"/llmload-uring-*.tar.gz "$1/SHA256SUMS" "$work/tar/srv/user/"
    within "$work/tar" user '
        sha256sum --check --quiet --ignore-missing SHA256SUMS
        mkdir -p ~/.local
        tar -C ~/.local --strip-components=1 -xzf llmload-uring-*.tar.gz
        ldd ~/.local/bin/llmload-uring | sed "s/^[[:space:]]*/   needs /; s/ (0x.*//"
    '
    within "$work/tar" user "$run_and_say"
    rm -rf "$work/tar"

    echo "== the Debian package"
    unpack "$work/deb"
    cp "$1"/*.deb "$work/deb/srv/user/"
    within "$work/deb" root '
        dpkg --log=/dev/null -i llmload-uring_*.deb 2>&1 | sed "s/^/   /"
        dpkg --verify llmload-uring
        dpkg -s llmload-uring | grep -E "^(Status|Version|Depends)" | sed "s/^/   /"
        for file in $(dpkg -L llmload-uring); do
            case $file in
            # What dpkg leaves out of a minimal root by its own rules is in the package all the same.
            /usr/share/man/* | /usr/share/doc/*) ;;
            *) [ -e "$file" ] || { echo "error: $file is not there" >&2; exit 1; } ;;
            esac
        done
        # It began with `root`, who may run it too.
        llmload-uring profiles | head -1 | sed "s/^/   /"
    '
    within "$work/deb" user "$run_and_say"
    within "$work/deb" root '
        dpkg --log=/dev/null --purge llmload-uring 2>&1 | sed "s/^/   /"
        left=$(find / -xdev -name "*llmload-uring*" -not -path "/srv/*" -not -path "/proc/*")
        [ -z "$left" ] || { echo "error: after the removal there is still $left" >&2; exit 1; }
        echo "   nothing of it is left"
    '
}

if [ "${UNPRIVILEGED_WITH:-}" ]; then
    unprivileged "$out" "$UNPRIVILEGED_WITH"
    exit
fi

command -v mmdebstrap >/dev/null || skip mmdebstrap
shared=$(mktemp -d)
trap 'rm -rf "$shared"' EXIT
chmod 755 "$shared"
cp "$out"/llmload-uring*.tar.gz "$out"/*.deb "$out/SHA256SUMS" "$shared/"
chmod 644 "$shared"/*
echo "== a bare Debian root ($suite, variant minbase) by mmdebstrap --mode=unshare"
if ! mmdebstrap --mode=unshare --variant=minbase --quiet "$suite" "$shared/root.tar" 2>"$shared/log"; then
    sed 's/^/   /' "$shared/log" >&2
    skip "what mmdebstrap needs (above)"
fi
chmod 644 "$shared/root.tar"
echo "   $(tar -tf "$shared/root.tar" | wc -l) files, $(stat -c %s "$shared/root.tar") bytes"
if [ "$(id -u)" = 0 ]; then
    cp "$self" "$shared/check.sh"
    chmod 755 "$shared/check.sh"
    cd "$shared"
    UNPRIVILEGED_WITH=$shared/root.tar TMPDIR=/tmp HOME=/nonexistent \
        setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$shared/check.sh" "$shared"
else
    UNPRIVILEGED_WITH=$shared/root.tar "$self" "$shared"
fi
