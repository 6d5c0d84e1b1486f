//! Options that commands other than a run have in other programs, and what to type for them here.

use super::Row;

pub const MOCK: &[Row] = &[
    (
        "port p host address bind addr http-addr l",
        "write `--listen 127.0.0.1:8080`",
    ),
    (
        "delay latency first-token time-to-first-token prefill",
        "write `--ttft {50ms}`",
    ),
    (
        "itl tpot tbt inter-token-latency token-delay interval",
        "write `--gap {10ms}`",
    ),
    (
        "error-rate fail-rate errors chaos failure-rate",
        "write `--faults 503=10`: 10 of 1000 requests fail",
    ),
    ("duration d timeout time max-time", "write `--max-seconds {60}`"),
    ("max-tokens output-len n output-tokens", "write `--tokens {100}`"),
    (
        "model m model-name models",
        "leave it out: the mock answers for every model",
    ),
    (
        "rate tokens-per-second tps throughput",
        "write `--token-rate {1000}`",
    ),
];

/// What means another thing to a search than to a run, which has the other rows.
pub const FIND_LIMIT: &[Row] = &[
    (
        "max-vus max-users max-concurrency users num-users user-count concurrency c connections clients num-clients \
         parallel parallelism virtual-users concurrent-users max-connections max-clients max",
        "write `--to {N}`: the most users to try",
    ),
    (
        "min-vus min-users min-concurrency start-vus start-concurrency min",
        "write `--from {N}`: the fewest users to try",
    ),
    (
        "qps rps request-rate requests-per-second max-qps max-rate max-rps R q throughput",
        "write `--over rate --to 500/s`: the most requests per second to try",
    ),
    (
        "z run-time runtime benchmark-duration test-duration length duration-sec measurement-interval \
         duration-seconds probe-duration",
        "write `--probe-time {30s}` for one load, `--max-time 15m` for the whole search",
    ),
    (
        "max-duration max-seconds total-time timeout-total",
        "write `--max-time {15m}`",
    ),
    (
        "sla assert fail-if thresholds slos goal",
        "write `--slo 'ttft: p(95)<500'`, once for each",
    ),
    ("precision tolerance accuracy", "write `--resolution {0.05}`"),
];

pub const COMPARE: &[Row] = &[
    (
        "threshold thresholds fail-if max-regression rule tolerance fail-on-regression",
        "write `--fail-on 'latency p95 > +10%'`",
    ),
    (
        "json csv md markdown text html f",
        "write `--format json`, `csv`, `md` or `text`",
    ),
    (
        "output o out output-file",
        "it prints to standard output: add `> FILE`; `--plot FILE.svg` writes a plot",
    ),
    (
        "baseline base b",
        "the first word is what the others are compared with, a file or @NAME of a baseline",
    ),
    ("new candidate", "write `llmload-uring compare BASE NEW`"),
    ("svg graph chart", "write `--plot FILE.svg`"),
];

pub const IMPORT_K6: &[Row] = &[
    (
        "target url base-url",
        "the target is given to the run of the profile: `llmload-uring ./mine.yaml --target {URL}`",
    ),
    ("profile requests", "write `--mix {PROFILE}`"),
    (
        "vus u duration d stages s iterations i",
        "the script gives it; options of the run override it later",
    ),
];

pub const IMPORT_INFERENCE_PERF: &[Row] = &[
    (
        "target url base-url",
        "the file names the server; `llmload-uring ./mine.yaml --target {URL}` loads another one",
    ),
    (
        "config-file config c file f",
        "the file is a word: `llmload-uring import-inference-perf config.yml`",
    ),
    (
        "vus u duration d stages s iterations i rate",
        "the file gives it; options of the run override it later",
    ),
    (
        "analyze",
        "`llmload-uring compare` reads its reports: summary_lifecycle_metrics.json, and those of its stages",
    ),
];

pub const PROBE: &[Row] = &[
    (
        "target url base-url",
        "it only looks at this host; `llmload-uring quick-smoke --target {URL}` asks the server",
    ),
    ("users concurrency c connections", "write `--vus {N}`"),
    ("format", "write `--json`"),
];

pub const MERGE: &[Row] = &[
    (
        "force f allow-missing",
        "write `--partial` to merge although shards are missing",
    ),
    ("out output-file", "write `--output {FILE}`"),
];

pub const BASELINE: &[Row] = &[
    (
        "name n",
        "the name is a word: `llmload-uring baseline save NAME FILE`",
    ),
    (
        "file f output o",
        "the file is a word: `llmload-uring baseline save NAME FILE`",
    ),
    ("dir path baselines", "write `--folder {FOLDER}`"),
];

pub const OTHER: &[Row] = &[("shell s", "the shell is a word: `llmload-uring completions bash`")];
