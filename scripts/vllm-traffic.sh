#!/usr/bin/env bash
# Sends each shape of traffic to a real vLLM on the CPU with a tiny model of random weights, and checks what the server
# counted meanwhile: four APIs, prompts of token ids and of counted words, prompts that share prefixes, a trace with hash
# ids, requests that their users cancel and when their slots are free, conversations, embeddings, rerank and score.
# Prints PASS or FAIL with the figures of each check; exit code 1 if one fails. About 2 minutes on two CPUs, 4 GB of
# memory; the first time it installs vLLM in target/vllm, which takes 6 GB and 3 minutes more.
#
#   [SKIP_BUILD=1] scripts/vllm-traffic.sh
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${SKIP_BUILD:-}" ] || cargo build --release --locked --quiet --bin llmload-uring
bin=${LLMLOAD:-target/release/llmload-uring}
. scripts/servers_lib.sh
install_vllm
python=$vllm_home/v/bin/python

kind=vllm busy='^vllm:num_requests_(running|waiting)'
. scripts/traffic_lib.sh

echo "$(date +%F)  kernel $(uname -r)  $(nproc) CPUs  $(vllm_version)"
start_vllm --enable-prompt-tokens-details
# The latencies of a tiny model on shared CPUs are no subject here: users do not pause, to save time.
few=(--vus 4 --iterations 50 --think-time 0)
traffic plain /v1/chat/completions "${few[@]}" --max-tokens 16-40
# Below 100 tokens, within 1 % means exactly as long as asked. The vocabulary has 512 tokens.
traffic ids /v1/completions "${few[@]}" --max-tokens 16-40 --token-ids=3-511 --prompt-tokens 16-99
traffic plain /v1/responses "${few[@]}" --max-tokens 16-40
traffic plain /v1/messages "${few[@]}" --max-tokens 16-40
# A tokenizer makes prompts of text as long as asked too. It asks the server twice for each kind of request, streams and
# whole answers: what the server adds to a prompt, and whether it counts a whole one as asked.
words=(--max-tokens 8 --tokenizer server --prompt-tokens 64-300)
for path in /v1/chat/completions /v1/completions /v1/responses /v1/messages; do
    traffic words:4 "$path" "${few[@]}" "${words[@]}"
done
traffic words:4 /v1/chat/completions "${few[@]}" "${words[@]}" --system 'Be terse.'
traffic words:4 /v1/chat/completions "${few[@]}" --max-tokens 8 --tokenizer server --prefix-groups 4 \
    --prefix-tokens 200 --prompt-tokens 'lognormal(median=120,sigma=0.4,max=400)'
# One user: with two, both may ask for a prefix before the server has it.
traffic groups:4:512 /v1/completions --vus 1 --iterations 48 --think-time 0 --max-tokens 8 --token-ids=3-511 \
    --prefix-groups 4 --prefix-tokens 512 --prompt-tokens 32-96
# The blocks of the server have 128 tokens: of what two prompts have in common, it finds whole ones. Hash ids for 512
# tokens lose nothing by that, those for 16 do.
for block in 512 16; do
    trace=$work/trace-$block.jsonl
    "$python" scripts/traffic_trace.py "$block" 2000 60 >"$trace"
    traffic "trace:$block" /v1/completions --dataset "mooncake:$trace" --dataset-block "$block" --replay \
        --token-ids=3-511 --seed "$block"
done
trace=
traffic cancel:300 /v1/chat/completions "${few[@]}" --max-tokens 300 --ignore-eos --streaming-ratio 1 \
    --cancel '20% after 5 tokens'
traffic cancel:600 /v1/chat/completions "${few[@]}" --max-tokens 600 --ignore-eos --streaming-ratio 0 \
    --cancel '20% after 100ms'
traffic turns:5 /v1/chat/completions --vus 2 --iterations 10 --turns 5 --think-time 0 --max-tokens 16 --ignore-eos \
    --streaming-ratio 1
stop_servers
start_vllm --runner pooling --convert embed
for path in /v1/embeddings /v1/rerank /v1/score; do
    traffic inputs "$path" "${few[@]}" --prompt-tokens 16-99
done
verdict
