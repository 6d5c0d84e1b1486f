#!/usr/bin/env bash
# Validates the manifests of deploy/kubernetes, and what deploy/kustomize makes of them, against the schemas that
# Kubernetes has published for its versions, strictly: a key that the API does not know is an error. They come with
# kubernetes-validate of PyPI, which is installed in target/kubernetes-validate. Exits with 1 if a manifest is wrong, or
# if a wrong one is not noticed.
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
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=$work/wrong.yaml
failed=0
cp deploy/kubernetes/{job,indexed-job,many-hosts}.yaml "$work"
manifests=("$work"/{job,indexed-job,many-hosts}.yaml)

# Nine pods of a copy, as its reader would have them: the number is in all places, and the rest is still there.
if command -v kubectl >/dev/null && kubectl kustomize --help >/dev/null 2>&1; then
    cp -r deploy/kubernetes deploy/kustomize "$work"
    echo "secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" >"$work/kustomize/secret.env"
    sed -i 's/pods=4/pods=9/; s#target=http://vllm:8000#target=http://gpu1:9000/v1#' "$work/kustomize/kustomization.yaml"
    kubectl kustomize "$work/kustomize" >"$work/kustomized.yaml"
    manifests+=("$work/kustomized.yaml")
    for line in '  completions: 9' '  parallelism: 9' '          value: "9"' '          value: http://gpu1:9000/v1' \
        '        - /profile/load.yaml' '        - mountPath: /profile' '          claimName: results' \
        '        image: registry.example/llmload-uring:0.1.0'; do
        grep -qxF -- "$line" "$work/kustomized.yaml" || { echo "ERROR deploy/kustomize: no line \`$line\`"; failed=1; }
    done
else
    echo "skipped: scripts/manifests.sh: deploy/kustomize needs kubectl"
fi

for version in "$@"; do
    "$venv/bin/kubernetes-validate" --strict --no-warn -k "$version" "${manifests[@]}" || failed=1
    for key in completionMode publishNotReadyAddresses seccompProfile secretKeyRef; do
        sed "s/$key/${key}s/" deploy/kubernetes/many-hosts.yaml >"$wrong"
        if "$venv/bin/kubernetes-validate" --strict --no-warn -k "$version" "$wrong" >/dev/null 2>&1; then
            echo "ERROR Kubernetes $version: ${key}s instead of $key was not noticed"
            failed=1
        fi
    done
done
exit "$failed"
