#!/usr/bin/env bash
# Validates the manifests of deploy/kubernetes against the schemas that Kubernetes has published for its versions,
# strictly: a key that the API does not know is an error. They come with kubernetes-validate of PyPI, which is installed
# in target/kubernetes-validate. Exits with 1 if a manifest is wrong, or if a wrong one is not noticed.
#
#   scripts/manifests.sh [VERSION...]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/kubernetes-validate
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
    python3 -m venv "$venv" >/dev/null &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check 'kubernetes-validate==1.37.0' || {
        rm -rf "$venv"
        echo "skipped: scripts/manifests.sh: needs python3 with venv, and kubernetes-validate (pip install)"
        exit 0
    }
fi
[ "$#" -gt 0 ] || set -- 1.25 1.29 1.33 1.37
wrong=$(mktemp --suffix .yaml)
trap 'rm -f "$wrong"' EXIT
failed=0
for version in "$@"; do
    "$venv/bin/kubernetes-validate" --strict --no-warn -k "$version" deploy/kubernetes/*.yaml || failed=1
    for key in completionMode publishNotReadyAddresses seccompProfile secretKeyRef; do
        sed "s/$key/${key}s/" deploy/kubernetes/many-hosts.yaml >"$wrong"
        if "$venv/bin/kubernetes-validate" --strict --no-warn -k "$version" "$wrong" >/dev/null 2>&1; then
            echo "ERROR Kubernetes $version: ${key}s instead of $key was not noticed"
            failed=1
        fi
    done
done
exit "$failed"
