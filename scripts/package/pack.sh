#!/usr/bin/env bash
# Makes the packages of a binary that is already built: a tarball, a Debian package, the notes of the release and the
# checksums. The same binary and sources give the same bytes, in any folder and at any time.
#
#   SOURCE_DATE_EPOCH=SECONDS scripts/package/pack.sh BINARY FOLDER
#
# What is in them is laid out once, as below a prefix: bin/ and share/. The tarball has that tree as it is, so that
# `tar -C ~/.local --strip-components=1` installs it; the Debian package has it in /usr, where Debian wants things.
set -euo pipefail

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

if [ $# -ne 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "$1")
[ -x "$binary" ] || fail "$1 is no program" "build it: cargo build --profile dist --locked"
case ${SOURCE_DATE_EPOCH:-} in
'' | *[!0-9]*) fail "SOURCE_DATE_EPOCH: \`${SOURCE_DATE_EPOCH:-}\` is no number of seconds since 1970" \
    "give the time of the commit: git log -1 --format=%ct" ;;
esac
mkdir -p "$2"
out=$(cd "$2" && pwd)
for tool in dpkg-deb dpkg-shlibdeps gzip tar sha256sum python3; do
    command -v "$tool" >/dev/null || fail "$tool is not here" "apt-get install dpkg-dev gzip tar coreutils python3"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
export LC_ALL=C TZ=UTC
export -n RUST_BACKTRACE 2>/dev/null || true

version=$("$binary" -V | sed 's/^llmload-uring //')
target=$("$binary" --version | sed -n 's/^target  *//p')
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$ ]] || fail "$1 says that its version is \`$version\`" \
    "give the binary of llmload-uring"
case $target in
x86_64-*) architecture=amd64 ;;
aarch64-*) architecture=arm64 ;;
*) fail "Debian's name for \`$target\` is not known here" "add it to $0" ;;
esac

# Debug information of a build that has some is of no use to a user, and holds the paths of the builder.
strip --strip-all -o "$work/stripped" "$binary"

# Packs a file as gzip -9 does, without its name and time.
packed() {
    gzip -9n >"$1"
}

# What belongs below a prefix, in $1.
lay_out() {
    local doc=$1/share/doc/llmload-uring data=$1/share/llmload-uring
    mkdir -p "$1/bin" "$1/share/man/man1" "$1/share/bash-completion/completions" "$doc" "$data"
    install -m 755 "$work/stripped" "$1/bin/llmload-uring"
    "$binary" man | packed "$1/share/man/man1/llmload-uring.1.gz"
    "$binary" completions bash >"$1/share/bash-completion/completions/llmload-uring"
    mkdir -p "$1/$zsh_folder" "$1/$fish_folder"
    "$binary" completions zsh >"$1/$zsh_folder/_llmload-uring"
    "$binary" completions fish >"$1/$fish_folder/llmload-uring.fish"
    cp "$root/README.md" "$doc/"
    cp -r "$root/docs" "$doc/docs"
    "$root/scripts/package/third_party.py" "$root" >"$work/third-party"
    packed "$doc/THIRD-PARTY.txt.gz" <"$work/third-party"
    local folder
    for folder in profiles dashboards deploy; do
        [ ! -d "$root/$folder" ] || cp -r "$root/$folder" "$data/$folder"
    done
    # Git knows no empty folders.
    find "$1" -type d -empty -delete
    find "$1" -type d -exec chmod 755 {} + -o -type f ! -perm -100 -exec chmod 644 {} + -o -exec chmod 755 {} +
}

# The section of CHANGELOG.md on this version, without its heading.
notes() {
    awk -v version="$version" '
        /^## / { inside = ($2 == version); next }
        inside { print }
    ' "$root/CHANGELOG.md" | sed -e '/./,$!d'
}

name=llmload-uring-$version-$target

tarball() {
    zsh_folder=share/zsh/site-functions fish_folder=share/fish/vendor_completions.d
    local tree=$work/tar/$name
    lay_out "$tree"
    cp "$root"/LICENSE-* "$root/CHANGELOG.md" "$tree/share/doc/llmload-uring/"
    tar -C "$work/tar" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
        --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | packed "$out/$name.tar.gz"
}

# Debian's own files beside ours: copyright, changelog, control.
debian_files() {
    local tree=$1 doc=$1/usr/share/doc/llmload-uring date
    date=$(date -R -u -d "@$SOURCE_DATE_EPOCH")
    packed "$doc/changelog.gz" <"$root/CHANGELOG.md"
    packed "$doc/changelog.Debian.gz" <<EOF
llmload-uring ($debian_version) unstable; urgency=medium

  * Package of version $version; changelog.gz says what is new.

 -- $maintainer  $date
EOF
    {
        cat <<EOF
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: llmload-uring
Comment: The program is linked with the crates that THIRD-PARTY.txt.gz in this folder names, with their licences.

Files: *
Copyright: $(sed -n 's/^Copyright (c) //p' "$root/LICENSE-MIT")
License: Expat or Apache-2.0

License: Expat
EOF
        sed -e '1,/^Copyright/d' -e '1{/^$/d}' -e 's/^$/./' -e 's/^/ /' "$root/LICENSE-MIT" | sed '1{/^ \.$/d}'
        cat <<EOF

License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
EOF
    } >"$doc/copyright"
    install -d "$tree/DEBIAN" "$tree/usr/share/lintian/overrides"
    cat >"$tree/usr/share/lintian/overrides/llmload-uring" <<'EOF'
# The YAML reader, which is written in Rust, words its errors as libyaml does.
llmload-uring: embedded-library libyaml *
# It is no package of Debian's archive.
llmload-uring: initial-upload-closes-no-bugs *
EOF
    # What the binary needs, by the symbols that it uses: the least version of the C library that has them all.
    mkdir -p "$work/shlibdeps/debian"
    printf 'Source: llmload-uring\n\nPackage: llmload-uring\nArchitecture: any\n' >"$work/shlibdeps/debian/control"
    local depends
    depends=$(cd "$work/shlibdeps" && dpkg-shlibdeps -O "$tree/usr/bin/llmload-uring" | sed -n 's/^shlibs:Depends=//p')
    [ -n "$depends" ] || fail "dpkg-shlibdeps names no library" "it reads the shared libraries of this system"
    cat >"$tree/DEBIAN/control" <<EOF
Package: llmload-uring
Version: $debian_version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f1)
Depends: $depends
Recommends: ca-certificates
Suggests: bash-completion, grafana, prometheus
Section: net
Priority: optional
Description: load generator for LLM servers
 It holds thousands of streaming connections open from a few pinned io_uring
 cores, takes the arrival time of every token from the kernel's receive
 timestamp, and says with one exit code whether the server met its thresholds.
 .
 It needs Linux 6.0 or later with io_uring allowed. A simulated server is part
 of it: llmload-uring quick-smoke is a first run that needs nothing else.
EOF
    (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
}

debian_package() {
    zsh_folder=share/zsh/vendor-completions fish_folder=share/fish/vendor_completions.d
    local tree=$work/deb
    # A tilde sorts before everything: 0.2.0~rc.1 is older than 0.2.0.
    debian_version=${version/-/\~}-1
    maintainer="llmload-uring maintainers <maintainers@llmload-uring.invalid>"
    lay_out "$tree/usr"
    debian_files "$tree"
    find "$tree" -type d -exec chmod 755 {} +
    # The format that every release of Debian and Ubuntu reads, by one thread: more would cut it up by their number.
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$tree" "$out/llmload-uring_${debian_version}_$architecture.deb" >/dev/null
}

tarball
debian_package
notes >"$out/RELEASE-NOTES.md"
[ -s "$out/RELEASE-NOTES.md" ] || fail "CHANGELOG.md has no section \`## $version\`" "write it before the release"
(cd "$out" && sha256sum -- "$name.tar.gz" "llmload-uring_${debian_version}_$architecture.deb" >SHA256SUMS)
cat "$out/SHA256SUMS"
