//! Options of other load testers and clients, and what to type for them here.

mod absent;
mod commands;

use absent::ABSENT;
use commands::{BASELINE, COMPARE, FIND_LIMIT, IMPORT_INFERENCE_PERF, IMPORT_K6, MERGE, MOCK, OTHER, PROBE};

/// The commands that have options of other programs under other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Run,
    /// It has the options of a run, and chooses the load itself.
    FindLimit,
    Mock,
    Compare,
    Merge,
    ImportK6,
    ImportInferencePerf,
    Probe,
    Baseline,
    Other,
}

/// Names without dashes, separated by blanks, and the tip for all of them. `{X}` is the value that was typed, or
/// `X` where it cannot be repeated.
type Row = (&'static str, &'static str);

const RATE: &str =
    "write `--rate {10}`: that many requests per second, whether or not earlier ones have been answered";
const RATE_RAMP: &str =
    "a ramp of rates is `--stages 30s:20/s,2m:50/s`, one of users `--stages 30s:50,2m:50,10s:0`";
const API: &str = "the path of the target says which API is asked: `--target http://HOST:PORT/v1/chat/completions`, \
    `…/v1/completions`, `…/v1/responses`; where it does not, write `--api NAME` (docs/SERVERS.md has the names)";
const TOKENIZER: &str = "tokens are counted by the server's own `usage`; `--tokenizer server` or `--tokenizer \
                         tokenizer.json` makes prompts exactly as long as asked";
const PROMPTS: &str = "write `--dataset FORMAT:FILE`, for example `--dataset sharegpt:FILE` (docs/DATASETS.md has the \
    formats), or `--prompt TEXT`";
const INPUT: &str = "write `--prompt-tokens {512}`; a spread is a range or a distribution, `--prompt-tokens \
    'normal(mean=512,std=64)'`";
const TIMEOUT: &str = "limits of a request are set in a document, for each kind: `timeout: 60s`, `connect_timeout: 5s`; \
    `llmload-uring profiles show smoke` prints one";
const KEY: &str = "every user of this host can read a command line: put the key in LLMLOAD_API_KEY, or in a file \
    for `--api-key-file`";
const BODY: &str = "the program writes the body itself: `--model NAME`, `--prompt TEXT`, `--max-tokens N` and their \
    like set what is in it, and `--extra-body JSON` adds any other member";
const MEMBER: &str = "write `--extra-body '{ \"NAME\": VALUE}'`, with the name that the server has for it; a null removes a member";
const EXACT: &str = "write `--ignore-eos`: every answer is as long as `--max-tokens`; `--min-tokens N` is for servers \
    that take it";
const DOCUMENT: &str = "a document is run by its path, `llmload-uring ./my.yaml`, or by `--config FILE`; \
    `llmload-uring import-k6 script.js` makes one from a k6 script, and `import-inference-perf config.yml` from a \
    configuration of inference-perf";
const VERBOSE: &str = "there is no log; `--details --output result.json` writes every request to the result, and \
    `--progress plain` prints a line every 10 s";
const LENGTH: &str =
    "the run's length is `--duration {10s}`; a limit for each request is `timeout` in a document";
const OUTPUT: &str = "write `--output {result.json}`; with `--details` it has every request";
const SHARDS: &str = "each process takes its share with `--shard 1/2`, `--shard 2/2`, and `llmload-uring merge` joins \
    the results";
const CONNECTIONS: &str = "each user keeps its own connection, as most clients do; `--connection per-request` opens one \
    for each request";
const AS_SENT: &str = "redirects are not followed, and answers are asked for without compression; there is no option \
    for either";
const ALWAYS: &str = "leave it out: the result always has count, mean and percentiles of every figure";

const REPLAY: &str = "write `--dataset mooncake:{FILE} --replay`: each row is sent when its timestamp says";

const RUN: &[Row] = &[
    (
        "url base-url server-url api-base api-url endpoint-url server openai-api-base uri",
        "write `--target {URL}`",
    ),
    (
        "host hostname ip addr address",
        "write `--target http://HOST:PORT`",
    ),
    (
        "endpoint endpoint-type api-type backend backend-type backend-kwargs llm-api request-type \
         request-format service-kind path openai-api",
        API,
    ),
    (
        "qps rps request-rate requests-per-second arrival-rate query-per-sec max-qps R q \
         request-rate-per-second throughput",
        RATE,
    ),
    (
        "ramp-up-strategy ramp-up-start-rps ramp-up-end-rps spawn-rate hatch-rate r",
        RATE_RAMP,
    ),
    (
        "request-cancellation-rate request-cancellation-delay cancel-rate cancellation-rate cancel-after abort-after \
         abort-rate",
        "write `--cancel '10% after 2s'`, or `--cancel '10% after 5 tokens'`",
    ),
    (
        "rate-type burstiness arrival-pattern burst-delay burst-rate request-rate-mode",
        "write `--rate 10 --arrival poisson`, or `gamma:B` for a burstiness of B",
    ),
    (
        "concurrency c max-concurrency users num-users user-count connections clients num-clients \
         parallel parallelism num-concurrent-requests concurrent-requests concurrent virtual-users \
         max-vus v-users concurrent-users",
        "write `--vus {N}`",
    ),
    (
        "num-prompts n num-requests requests request-count max-requests number num-queries \
         max-num-completed-requests total-requests n-requests count request-num num-samples",
        "write `--iterations {N}`",
    ),
    (
        "z time run-time runtime max-seconds benchmark-duration test-duration length seconds \
         max-duration duration-seconds measurement-interval duration-sec",
        "write `--duration {10s}`",
    ),
    ("t max-time", LENGTH),
    (
        "timeout T request-timeout request-timeout-seconds connect-timeout read-timeout http-timeout \
         timeout-seconds",
        TIMEOUT,
    ),
    (
        "model-name model-names models served-model-name model-id m llm model-selection",
        "write `--model {NAME}`",
    ),
    (
        "tokenizer-mode processor processor-args trust-remote-code tokenizer-revision \
         tokenizer-trust-remote-code tokenizer-name tokenizer-path",
        TOKENIZER,
    ),
    (
        "random-input-len input-len isl synthetic-input-tokens-mean synthetic-input-tokens-stddev \
         mean-input-tokens stddev-input-tokens random-range-ratio \
         input-tokens prompt-length max-prompt-length min-prompt-length input-length \
         input-tokens-mean isl-stddev prompt-tokens-mean gsp-question-len \
         prefix-repetition-suffix-len",
        INPUT,
    ),
    (
        "gsp-num-groups num-prefix-prompts prefix-repetition-num-prefixes num-prefixes",
        "write `--prefix-groups {N} --prefix-tokens 2048`: groups of prompts, each with a prefix of its own",
    ),
    (
        "gsp-system-prompt-len random-prefix-len prefix-length prefix-prompt-length prefix-repetition-prefix-len \
         prefix-len shared-system-prompt-length",
        "write `--prefix-tokens {2048}` with `--prefix-groups 1`, or more groups",
    ),
    ("gsp-prompts-per-group", "write `--prompts-per-group {N}`"),
    (
        "gsp-output-len prefix-repetition-output-len",
        "write `--max-tokens {N}`",
    ),
    (
        "tokenize-prompt random-ids",
        "write `--token-ids`, with a target whose path is `/v1/completions`",
    ),
    (
        "random-output-len output-len osl output-tokens-mean mean-output-tokens max-new-tokens \
         sharegpt-output-len max-output-tokens output-tokens num-predict n-predict output-length \
         hf-output-len custom-output-len max-completion-tokens output-tokens-stddev osl-stddev",
        "write `--max-tokens {N}`; a spread is a range or a distribution, `--max-tokens 'normal(mean=128,std=16)'`",
    ),
    (
        "dataset-name dataset-path data data-file input-file public-dataset prompts prompts-file \
         prompt-file custom-dataset-type hf-name hf-split hf-subset data-args num-dataset-entries \
         urls-from-file data-samples",
        PROMPTS,
    ),
    (
        "stream streaming use-streaming",
        "write `--streaming-ratio 1`: every chat request asks for a stream",
    ),
    (
        "disable-stream no-stream non-streaming",
        "write `--streaming-ratio 0`: no chat request asks for a stream",
    ),
    (
        "output-file output-path out outputs json j json-file json-output O output-format save output-json \
         output-token-throughput w result-file export-json",
        OUTPUT,
    ),
    (
        "save-result result-filename",
        "write `--output {result.json}`, or `--export vllm={result.json}` for the file of vLLM's benchmark",
    ),
    (
        "summary-export",
        "write `--output {result.json}`, or `--export k6={result.json}` for k6's summary",
    ),
    (
        "profile-export-file profile-export-prefix",
        "write `--output result.json`, or `--export aiperf=DIR` for the files of AIPerf",
    ),
    (
        "save-detailed",
        "write `--output result.json --details`, or `--export vllm-detailed=result.json` for the file of vLLM's benchmark",
    ),
    (
        "append-result log-requests record",
        "write `--output result.json --details`",
    ),
    (
        "html html-report report-html html-output",
        "write `--report page.html`",
    ),
    (
        "result-dir output-artifact-dir artifact-dir output-dir export-dir artifacts results",
        "write `--results-dir {DIR}`: each run gets its own file there",
    ),
    (
        "num-warmups warmup-requests warmup-request-count warmup-percent warm-up warmup-duration \
         warmup-seconds warmup-time warmup-num num-warmup-requests warmup-concurrency",
        "write `--warmup 10s`: a warm-up lasts for a time, and is excluded from all figures",
    ),
    ("random-seed rng-seed", "write `--seed {N}`"),
    (
        "ready-check-timeout-sec wait-for-server ready-timeout server-ready-timeout wait wait-ready \
         endpoint-ready-timeout",
        "write `--wait-for-target 60s`",
    ),
    (
        "token bearer-token bearer openai-api-key auth-token key auth apikey password",
        KEY,
    ),
    (
        "H headers extra-headers add-header",
        "write `--header 'Name: value'`, once for each header",
    ),
    (
        "user-agent A user-agent-header",
        "write `--header 'User-Agent: NAME'`",
    ),
    (
        "a basic-auth user U",
        "write `--header 'Authorization: Basic …'`, better in LLMLOAD_HEADER",
    ),
    (
        "k insecure-skip-tls-verify skip-tls-verify no-verify no-verify-ssl skip-verify \
         disable-ssl-verification tls-skip-verify",
        "write `--insecure`",
    ),
    (
        "ca-cert ca-file ca-bundle ca cacerts ca-path",
        "write `--cacert {FILE}`",
    ),
    (
        "cert client-cert E",
        "certificates of a client are not supported; `--cacert FILE` trusts a server's",
    ),
    (
        "v verbose debug log-level loglevel log-output log-format http-debug vv enable-debug",
        VERBOSE,
    ),
    (
        "no-tui disable-tqdm no-progress disable-progress no-progress-bar headless ui ui-type plain tui \
         fps display",
        "write `--progress plain` for a line every 10 s, or `--progress none`",
    ),
    (
        "no-color color disable-color no-colour",
        "set NO_COLOR=1 in the environment",
    ),
    (
        "no-summary silent disable-console disable-console-output S",
        "write `--quiet`",
    ),
    (
        "slo sla assert fail-if max-error-rate max-errors abort-on-fail thresholds fail-on slos",
        "write `--threshold 'ttft: p(95)<500'`; `failed: rate<0.01` is about errors",
    ),
    (
        "percentile-metrics metric-percentiles percentiles summary-trend-stats stats latency latencies \
         summary-time-unit stats-success-breakdown summary-mode metrics",
        ALWAYS,
    ),
    (
        "extra-inputs extra-args extra-request-body additional-sampling-params min-p frequency-penalty \
         presence-penalty repetition-penalty use-beam-search logprobs top-logprobs best-of request-params \
         chat-template-kwargs response-format priority structured-outputs guided-json",
        MEMBER,
    ),
    ("X method body D data-binary data-raw request b", BODY),
    (
        "system-prompt system-message system-prompt-file",
        "write `--system TEXT`, or `--system @FILE`",
    ),
    ("force-min-tokens force-output-len min-new-tokens", EXACT),
    (
        "stop-sequences stop-words stop-strings",
        "write `--stop {TEXT}`, once for each text",
    ),
    (
        "num-choices num-return-sequences num-completions",
        "write `--choices {N}`",
    ),
    (
        "e env include-system-env-vars",
        "every option has a variable, LLMLOAD_ and its name: `LLMLOAD_VUS=10 llmload-uring smoke`",
    ),
    (
        "execution-segment processes num-processes master worker distributed workers-max",
        SHARDS,
    ),
    (
        "stage ramp ramp-up rampup ramp-duration rampup-time ramp-up-time",
        "write `--stages 30s:50,2m:50,10s:0`",
    ),
    (
        "think sleep pause delay wait-time min-iteration-duration request-delay interval \
         session-turn-delay-mean",
        "write `--think-time {1s}`",
    ),
    (
        "threads workers cpus-per-worker num-threads worker-threads",
        "write `--cores {N}`; users are `--vus N`",
    ),
    (
        "file f script locustfile config-file scenario workload profile-file C p lua-script",
        DOCUMENT,
    ),
    (
        "profile",
        "the profile is the first word: `llmload-uring smoke`; `llmload-uring profiles` lists them",
    ),
    (
        "dry-run check validate paused print-config explain",
        "`llmload-uring config check PROFILE` prints the run and sends nothing",
    ),
    (
        "list list-profiles l ls",
        "`llmload-uring profiles` lists the profiles",
    ),
    (
        "proxy x socks proxy-url",
        "proxies are not supported: give the server's own URL to `--target`",
    ),
    (
        "http2 http-version h2 http3 http2-parallel",
        "only HTTP/1.1 is supported",
    ),
    (
        "disable-keepalive no-connection-reuse no-vu-connection-reuse no-keepalive no-keep-alive",
        "write `--connection per-request`",
    ),
    (
        "keepalive keep-alive K connection-reuse-strategy connection-reuse",
        CONNECTIONS,
    ),
    (
        "local-ips local-ip local-address local-addr laddr interface source-ip source-addr source-ips \
         source-addresses bind-address bind",
        "write `--source-address {10.0.0.5}`: addresses of this host to connect from",
    ),
    ("redirect redirects L compressed disable-compression", AS_SENT),
    (
        "tag tags label metadata name extra-metadata",
        "choose the file's name instead: `--output NAME.json`",
    ),
    (
        "runs repetitions trials num-runs num-profile-runs repeats",
        "write `--repeat {N}`",
    ),
    (
        "simulator sim mock",
        "leave out `--target`: the built-in simulator is tested then; `llmload-uring mock` starts a mock server",
    ),
    (
        "conversation-turn-mean session-turns-mean num-turns multi-turn turn-num",
        "write `--turns {5}`: every user holds one conversation of so many turns after another",
    ),
    (
        "num-conversations conversation-num session-num num-sessions",
        "write `--turns 5 --iterations {100}`: with `--turns` an iteration is a session, and `--vus N` is how many are \
         held at the same time",
    ),
    (
        "use-trace-timestamps fixed-schedule fixed-schedule-auto-offset self-timed replay-trace trace-replay \
         open-loop-replay use-timestamps",
        REPLAY,
    ),
    (
        "mooncake-slowdown-factor slowdown-factor slowdown trace-slowdown timed-trace-sec-multiplier",
        "write `--replay --time-scale {2}`: it multiplies the gaps of the trace, so 2 is half as fast",
    ),
    (
        "synthesis-speedup-ratio speedup-ratio speedup speed trace-speed speed-factor replay-speed",
        "write `--replay --time-scale 0.5` for twice as fast: the gaps of the trace are multiplied by it",
    ),
    (
        "fixed-schedule-start-offset fixed-schedule-end-offset trace-start trace-end trace-offset",
        "write `--replay --trace-window 10m..20m`: the part of the trace to replay, since its first row",
    ),
];

/// Returns the tip for `option`, typed with its dashes, if another program has it under this name.
pub fn counterpart(place: Place, option: &str, value: Option<&str>) -> Option<String> {
    let rows = match place {
        Place::Run | Place::FindLimit => RUN,
        Place::Mock => MOCK,
        Place::Compare => COMPARE,
        Place::Merge => MERGE,
        Place::ImportK6 => IMPORT_K6,
        Place::ImportInferencePerf => IMPORT_INFERENCE_PERF,
        Place::Probe => PROBE,
        Place::Baseline => BASELINE,
        Place::Other => OTHER,
    };
    let name = option.trim_start_matches('-');
    // Letters differ by their case: `-R` is a rate, `-r` a ramp.
    let name = match name.len() {
        1 => name.to_owned(),
        _ => name.replace('_', "-").to_lowercase(),
    };
    let first = match place {
        Place::FindLimit => FIND_LIMIT,
        _ => &[],
    };
    let absent = match place {
        Place::Run | Place::FindLimit => ABSENT,
        _ => &[],
    };
    let (_, tip) = first
        .iter()
        .chain(rows)
        .chain(absent)
        .find(|(names, _)| names.split(' ').any(|known| known == name))?;
    Some(filled(tip, value))
}

/// Returns the name of the variable for what other programs call `name`, without the prefix of both.
pub fn variable_for(name: &str) -> Option<String> {
    let tip = counterpart(Place::Run, &format!("--{name}"), None)?;
    if tip == KEY {
        return Some("API_KEY".to_owned());
    }
    let (_, after) = tip.split_once("`--")?;
    let option: String = after
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    Some(option.replace('-', "_").to_uppercase())
}

/// Replaces `{X}` in the tip by the value.
fn filled(tip: &str, value: Option<&str>) -> String {
    let mut out = String::new();
    let mut rest = tip;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((example, after)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match example.starts_with(' ') {
            true => out.push_str(&format!("{{{example}}}")),
            false => out.push_str(&fitting(value, example)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Returns the value if it is of the example's kind, and else the example.
fn fitting(value: Option<&str>, example: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value {
        Some(value) if example == "URL" && !value.contains("://") => format!("http://{value}"),
        Some(value) if (example == "N" || digits(example)) && !digits(value) => example.to_owned(),
        Some(value)
            if example.starts_with(|c: char| c.is_ascii_digit())
                && !value.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            example.to_owned()
        }
        Some(value) => value.to_owned(),
        None => example.to_owned(),
    }
}

#[cfg(test)]
#[path = "elsewhere_tests.rs"]
mod tests;
