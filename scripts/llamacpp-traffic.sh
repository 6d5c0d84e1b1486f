#!/usr/bin/env bash
# Sends each shape of traffic to a real llama.cpp server with a tiny model of random weights, and checks what the server
# counted meanwhile: five APIs, prompts of token ids and of counted words, prompts that share prefixes, requests that
# their users cancel and when their slots are free, conversations, and embeddings. Prints PASS or FAIL with the figures
# of each check; exit code 1 if one fails. About a minute on two CPUs; the first time it installs the server in
# target/llama-cpp, 300 MB from PyPI.
#
#   [SKIP_BUILD=1] scripts/llamacpp-traffic.sh
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
. scripts/servers_lib.sh
scripts/install-llama-cpp.sh "$llama_home"
python=$llama_home/venv/bin/python

kind=llamacpp busy='^llamacpp:requests_(processing|deferred)'
. scripts/traffic_lib.sh

version=$("$python" -c 'import xllamacpp; print(xllamacpp.__version__)')
echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  xllamacpp $version"
start_llama tiny "$llama_home/tiny.gguf" 8 32768
# The latencies of a tiny model on shared CPUs are no subject here: users do not pause, to save time.
few=(--vus 4 --iterations 50 --think-time 0)
traffic plain /v1/chat/completions "${few[@]}" --max-tokens 16-40
traffic ids /completion "${few[@]}" --max-tokens 16-40 --token-ids --prompt-tokens 16-99
# With another seed than before, because llama.cpp's OpenAI routes answer from its prompt cache.
traffic ids /v1/completions "${few[@]}" --max-tokens 16-40 --token-ids --prompt-tokens 16-99 --seed 2
traffic plain /v1/responses "${few[@]}" --max-tokens 16-40 --seed 3
traffic plain /v1/messages "${few[@]}" --max-tokens 16-40 --seed 4
# A tokenizer makes prompts of text as long as asked too. It asks the server twice for each kind of request, streams and
# whole answers: what the server adds to a prompt, and whether it counts a whole one as asked.
words=(--max-tokens 8 --tokenizer server --prompt-tokens 64-300)
for path in /v1/chat/completions /completion /v1/completions /v1/responses /v1/messages; do
    traffic words:4 "$path" "${few[@]}" "${words[@]}"
done
traffic words:4 /v1/chat/completions "${few[@]}" "${words[@]}" --system 'Be terse.'
traffic words:4 /v1/chat/completions "${few[@]}" --max-tokens 8 --tokenizer server --prefix-groups 4 \
    --prefix-tokens 200 --prompt-tokens 'lognormal(median=120,sigma=0.4,max=400)'
# One user: with two, both may ask for a prefix before the server has it.
traffic groups:4:512 /completion --vus 1 --iterations 48 --think-time 0 --max-tokens 8 --token-ids --seed 5 \
    --prefix-groups 4 --prefix-tokens 512 --prompt-tokens 32-96 --extra-body '{"cache_prompt": true}'
traffic cancel:300 /v1/chat/completions "${few[@]}" --max-tokens 300 --ignore-eos --streaming-ratio 1 --seed 6 \
    --cancel '20% after 5 tokens'
# This server mostly goes on with a whole answer whose user has gone, also if it is curl that goes.
traffic goes_on:600 /v1/chat/completions "${few[@]}" --max-tokens 600 --ignore-eos --streaming-ratio 0 --seed 7 \
    --cancel '20% after 100ms'
slots=$(curl -sf --max-time 5 "$server/slots")
taken=$("$python" -c 'import json, sys; print(sum(slot["is_processing"] for slot in json.load(sys.stdin)))' <<<"$slots")
[ "$taken" = 0 ] && echo "PASS  slots that are taken: 0" || { echo "FAIL  slots that are taken: $taken"; bad=1; }
traffic turns:5 /v1/chat/completions --vus 2 --iterations 10 --turns 5 --think-time 0 --max-tokens 16 --ignore-eos \
    --streaming-ratio 1 --seed 8
start_llama embeddings "$llama_home/tiny.gguf" 4 8192 embeddings
traffic inputs /v1/embeddings "${few[@]}" --prompt-tokens 16-99
verdict
