#!/usr/bin/env bash
# Builds the Dockerfile with buildah and runs the image with podman, once with Docker's own seccomp profile, which
# refuses io_uring, and once with deploy/seccomp-io-uring.json, which allows it.
#
#   scripts/container.sh [--pull] [--target-dir FOLDER]
#
# Without --pull no registry is asked: mmdebstrap makes both base images, and that of the build gets the Rust toolchain
# and the crates of this machine. --target-dir is mounted as the folder target of the build, so that crates which are
# compiled there already are not compiled again. Without buildah, podman, runc and mmdebstrap it says `skipped: …`.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD pull= target_dir=
while [ $# -gt 0 ]; do
    case $1 in
    --pull) pull=1 ;;
    --target-dir)
        [ $# -ge 2 ] || { printf 'error: %s: no value\n' "$1" >&2 && exit 2; }
        target_dir=$(realpath "$2") && shift
        ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift
done
for tool in buildah podman runc mmdebstrap jq; do
    command -v "$tool" >/dev/null || { echo "skipped: the Dockerfile: needs $tool" && exit 0; }
done

work=$(mktemp -d)
# Images of this script alone, in a store of its own: nobody's other images are touched.
export CONTAINERS_STORAGE_CONF=$work/storage.conf
driver=overlay
[ "$(id -u)" = 0 ] || driver=vfs
cleanup() {
    chmod -R u+rwX "$work" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
printf '[storage]\ndriver = "%s"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n' "$driver" "$work" "$work" \
    >"$work/storage.conf"
# Limits can be lowered by anyone and raised by few.
processes=$(ulimit -Hu)
{ [ "$processes" != unlimited ] && [ "$processes" -lt 30000 ]; } || processes=30000
limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$processes:$processes")
# A container in a container, or one without control groups of its own, takes those it is in.
engine=(podman --runtime runc --cgroup-manager cgroupfs)

more=()
if [ -z "$pull" ]; then
    echo "== base images of Debian trixie by mmdebstrap, in place of debian:trixie-slim and rust:1.95-slim-trixie"
    mmdebstrap --mode=unshare --variant=minbase --quiet trixie "$work/base.tar"
    podman import --quiet "$work/base.tar" localhost/base:trixie >/dev/null
    sysroot=$(rustc --print sysroot)
    builder=$(buildah from --pull-never localhost/base:trixie)
    mkdir "$work/rust"
    cp -a "$sysroot/bin" "$sysroot/lib" "$work/rust/"
    buildah copy --quiet "$builder" "$work/rust" /usr/local >/dev/null
    buildah config --env CARGO_HOME=/usr/local/cargo --env CARGO_NET_OFFLINE=true "$builder"
    buildah commit --quiet --rm "$builder" localhost/base:rust >/dev/null
    rm -rf "$work/rust" "$work/base.tar"
    more=(--pull-never --build-arg BASE_IMAGE=localhost/base:trixie --build-arg BUILD_IMAGE=localhost/base:rust
        --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry:ro")
fi
[ -z "$target_dir" ] || more+=(--volume "$target_dir:/src/target:rw")

echo "== buildah build, with the Dockerfile as it is"
begun=$SECONDS
commit=$(git rev-parse HEAD 2>/dev/null || true)
buildah build --isolation chroot --quiet --layers=false --build-arg COMMIT="$commit" "${more[@]}" \
    --tag localhost/llmload-uring "$root" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2 && exit 1; }
echo "   took $((SECONDS - begun)) s"
buildah images --format '   {{.Name}}  {{.Size}}' localhost/llmload-uring

# Runs the image with the options before `--`, and prints what it says and the exit code.
run() {
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    # The folders of this machine say nothing to a reader.
    echo "\$ podman run ${options[*]:+${options[*]} }llmload-uring $*" | sed -e "s,$root/,,g" -e "s,$work/,,g"
    code=0
    timeout 120 "${engine[@]}" run --rm "${limits[@]}" "${options[@]}" localhost/llmload-uring "$@" \
        >"$work/said" 2>&1 || code=$?
    sed 's/^/   | /' "$work/said"
    echo "   exit code $code"
}

echo "== the image says what it is, and that it does not run as root"
run -- --version
[ "$code" = 0 ]
timeout 60 "${engine[@]}" run --rm "${limits[@]}" --entrypoint id localhost/llmload-uring | sed 's/^/   /'

echo "== with Docker's own seccomp profile: deploy/seccomp-io-uring.json without the rule that it adds"
jq 'del(.syscalls[] | select(.names | index("io_uring_setup")))' deploy/seccomp-io-uring.json >"$work/default.json"
run --security-opt "seccomp=$work/default.json" -- quick-smoke --io uring
[ "$code" = 111 ] || { echo "error: io_uring was refused, and the exit code is $code instead of 111" >&2 && exit 1; }

echo "== with deploy/seccomp-io-uring.json"
profile=$root/deploy/seccomp-io-uring.json
run --security-opt "seccomp=$profile" -- probe --vus 100
run --security-opt "seccomp=$profile" -- quick-smoke --progress none
[ "$code" = 0 ] || exit 1
echo "   filters on it: $(timeout 60 "${engine[@]}" run --rm "${limits[@]}" --security-opt "seccomp=$profile" \
    --entrypoint grep localhost/llmload-uring -E '^(Seccomp|NoNewPrivs|CapEff)' /proc/self/status | tr -s '\t\n' ' ')"

echo "== a result on a volume, as another user, without any capability"
mkdir -p "$work/results" && chown 4321:4321 "$work/results"
run --security-opt "seccomp=$profile" --security-opt no-new-privileges --cap-drop ALL --read-only \
    --user 4321:4321 --volume "$work/results:/results" -- quick-smoke --progress none --quiet --output result.json
[ "$code" = 0 ] || exit 1
jq -r '"   result.json: " + .run.verdict + ", " + (.totals.requests | tostring) + " requests"' "$work/results/result.json"
stat -c '   %n belongs to %u:%g, mode %a' "$work/results/result.json" | sed "s,$work/,,"
