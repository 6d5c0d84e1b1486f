//! Options that other tools have for what is not an option here: where it stands instead, or that there is nothing.

use super::Row;

pub const ABSENT: &[Row] = &[
    (
        "lora-modules lora-name lora-path lora-request-distribution lora-traffic-split",
        "a document has a kind of request for each adapter: `{ name: a, models: [ADAPTER], weight: 1, … }` in `requests`",
    ),
    (
        "probe-request-rate",
        "a document has a kind of request with a rate of its own: `{ name: probe, rate: 1, max_tokens: 1, … }` in \
         `requests`",
    ),
    (
        "plot-timeline plot-jsonl",
        "the result has a timeline, a row for each second: `--output result.json`",
    ),
    (
        "serve-params bench-params link-vars sweep-params param-sweep",
        "one run is made at a time: `llmload-uring compare` shows several side by side",
    ),
    (
        "timed-trace-chunk-hash-size chunk-hash-size mooncake-block-size hash-block-size",
        "write `--dataset-block {16}`: so many tokens stand behind a hash id",
    ),
    (
        "timed-trace-label-timestamp timed-trace-label-input-length timed-trace-label-output-length \
         timed-trace-label-hash-ids",
        "rename the members of the file: `timestamp`, `input_length`, `output_length`, `hash_ids`",
    ),
    (
        "arrival-smoothness vllm-burstiness",
        "write `--rate 10 --arrival gamma:{2}`: 1 is Poisson, less comes in bursts, more is more even",
    ),
    (
        "request-rate-series request-rate-ramp-duration concurrency-ramp-duration",
        "write `--stages 30s:20/s,2m:50/s` for rates, or `--stages 30s:50,2m:50` for users",
    ),
    (
        "prefill-concurrency",
        "`--vus N`, or `--max-in-flight N` at a rate, limits all requests in flight, whatever they wait for",
    ),
    (
        "user-centric-rate",
        "write `--vus 10 --think-time 5s`: users pause after each answer",
    ),
    (
        "seq-dist sequence-distribution",
        "a document has a kind of request for each pair of lengths, with its `weight`, `prompts: { prompt_tokens: 512 }` \
         and `max_tokens`",
    ),
    (
        "user-context-prompt-length",
        "a conversation has `session_tokens` for what is its own (docs/CONVERSATIONS.md)",
    ),
    (
        "synthesis-prefix-len-multiplier synthesis-prefix-root-multiplier synthesis-prompt-len-multiplier \
         synthesis-max-isl synthesis-max-osl",
        "the rows of a trace are sent as they are; `--prefix-groups`, `--prefix-tokens` and `--prompt-tokens` make \
         prompts",
    ),
    (
        "failed-request-threshold max-error-rate-threshold",
        "write `--threshold 'failed: rate<0.01'`",
    ),
    (
        "search-space search-algorithm",
        "`llmload-uring find-limit PROFILE --slo 'ttft: p(95)<500'` searches the highest load that meets SLOs",
    ),
    (
        "slice-duration",
        "the result has a timeline, a row for each second: `--output result.json`",
    ),
    (
        "gpu-telemetry gpu-metrics",
        "write `--server-metrics http://HOST:9400/metrics`: what a DCGM exporter shows of the GPUs, each \
         second of the load",
    ),
    (
        "cooldown cool-down cooldown-percent rampdown-percent",
        "write `--duration {60s}`: what ends later, within the graceful stop, is in no rate",
    ),
];
