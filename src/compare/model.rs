//! One run to compare, in the same form for every tool.

use crate::compare::Statistic;
use crate::metrics::Distribution;

/// The number of values of a metric that are kept as they are, which is 800 KB.
pub const RAW_VALUES_MAX: usize = 100_000;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own result document.
    Ours,
    K6SummaryExport,
    K6HandleSummary,
    K6MachineSummary,
    K6Points,
    K6Csv,
    Oha,
    /// `vllm bench serve --save-result`.
    Vllm,
    /// `sglang.bench_serving --output-file`.
    Sglang,
    /// guidellm's `benchmarks.json`.
    Guidellm,
    /// AIPerf's `profile_export_aiperf.json`.
    Aiperf,
    /// AIPerf's `profile_export.jsonl`.
    AiperfRecords,
    /// inference-perf's `summary_lifecycle_metrics.json`, or that of a stage.
    InferencePerf,
    /// `vegeta report -type=json`.
    Vegeta,
    /// `vegeta encode`, to JSON or CSV.
    VegetaResults,
}

impl Format {
    /// Returns the tool that writes it.
    pub fn tool(self) -> Tool {
        match self {
            Format::Ours => Tool::Ours,
            Format::K6SummaryExport
            | Format::K6HandleSummary
            | Format::K6MachineSummary
            | Format::K6Points
            | Format::K6Csv => Tool::K6,
            Format::Oha => Tool::Oha,
            Format::Vllm => Tool::Vllm,
            Format::Sglang => Tool::Sglang,
            Format::Guidellm => Tool::Guidellm,
            Format::Aiperf | Format::AiperfRecords => Tool::Aiperf,
            Format::InferencePerf => Tool::InferencePerf,
            Format::Vegeta | Format::VegetaResults => Tool::Vegeta,
        }
    }

    /// Returns the command that writes it, where a file does not name its tool.
    pub fn writer(self) -> &'static str {
        match self {
            Format::Vllm => "vllm bench serve",
            Format::Sglang => "sglang.bench_serving",
            other => other.tool().name(),
        }
    }

    /// Describes the format.
    pub fn description(self) -> &'static str {
        match self {
            Format::Ours => "a result document of llmload-uring",
            Format::K6SummaryExport => "k6's --summary-export",
            Format::K6HandleSummary => "the data of k6's handleSummary",
            Format::K6MachineSummary => "k6's machine-readable summary",
            Format::K6Points => "k6's --out json",
            Format::K6Csv => "k6's --out csv",
            Format::Oha => "oha's JSON",
            Format::Vllm => "the result of `vllm bench serve`",
            Format::Sglang => "the result of `sglang.bench_serving`",
            Format::Guidellm => "guidellm's benchmarks.json",
            Format::Aiperf => "AIPerf's profile_export_aiperf.json",
            Format::AiperfRecords => "AIPerf's profile_export.jsonl",
            Format::InferencePerf => "inference-perf's lifecycle metrics",
            Format::Vegeta => "the report of vegeta",
            Format::VegetaResults => "the results of `vegeta encode`",
        }
    }
}

/// A tool whose results can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Ours,
    K6,
    Oha,
    Vllm,
    Sglang,
    Guidellm,
    Aiperf,
    InferencePerf,
    Vegeta,
}

impl Tool {
    pub const ALL: [Tool; 9] = [
        Tool::Ours,
        Tool::K6,
        Tool::Oha,
        Tool::Vllm,
        Tool::Sglang,
        Tool::Guidellm,
        Tool::Aiperf,
        Tool::InferencePerf,
        Tool::Vegeta,
    ];

    /// Returns the name in `NAME:FILE`.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Ours => "llmload-uring",
            Tool::K6 => "k6",
            Tool::Oha => "oha",
            Tool::Vllm => "vllm",
            Tool::Sglang => "sglang",
            Tool::Guidellm => "guidellm",
            Tool::Aiperf => "aiperf",
            Tool::InferencePerf => "inference-perf",
            Tool::Vegeta => "vegeta",
        }
    }

    pub fn from_name(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Returns the format as which a file of this tool is read if nothing in it says which: the reader then names what
    /// is missing. `None` if its formats are told apart by more than their members.
    pub fn format(self) -> Option<Format> {
        match self {
            Tool::Vllm => Some(Format::Vllm),
            Tool::Sglang => Some(Format::Sglang),
            Tool::Guidellm => Some(Format::Guidellm),
            Tool::Aiperf => Some(Format::Aiperf),
            Tool::InferencePerf => Some(Format::InferencePerf),
            Tool::Vegeta => Some(Format::Vegeta),
            Tool::Ours | Tool::K6 | Tool::Oha => None,
        }
    }
}

/// A run as a reader builds it. All figures are in the units of our own documents (milliseconds, bytes, per second, 0
/// to 1).
#[derive(Clone, Debug)]
pub struct Run {
    /// The run's name as the user gave it: a path, or `@NAME` for a baseline.
    pub label: String,
    pub format: Format,
    pub facts: RunFacts,
    pub trends: Vec<Trend>,
    pub scalars: Vec<Scalar>,
    /// Metrics without a counterpart among ours: a script's own trends and counters, and k6's sub-metrics.
    pub others: Vec<Other>,
    pub thresholds: Vec<Verdict>,
    /// Notes on what could not be read, or does not mean what it seems to.
    pub notes: Vec<String>,
    /// What pairs of requests show, if every request went to both of two servers.
    pub paired: Option<PairedRun>,
    /// The repetitions of `--repeat`, each with the same trends; empty if the run was not repeated.
    pub repeats: Vec<Run>,
}

impl Run {
    /// Makes a run without figures.
    pub fn new(label: &str, format: Format, facts: RunFacts) -> Run {
        Run {
            label: label.to_owned(),
            format,
            facts,
            trends: Vec::new(),
            scalars: Vec::new(),
            others: Vec::new(),
            thresholds: Vec::new(),
            notes: Vec::new(),
            paired: None,
            repeats: Vec::new(),
        }
    }
}

/// The facts that have to be the same before figures can be compared. `None` if the file does not give one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// The tool and its version, for example `k6 2.2.0` or `llmload-uring 0.1.0`.
    pub tool: Option<String>,
    pub profile: Option<String>,
    pub peak_vus: Option<u64>,
    /// The planned rate of arrivals, if there is one: `50/s, poisson`.
    pub load: Option<String>,
    pub target: Option<String>,
    /// Kernel, CPU model and number of CPUs, in one line.
    pub host: Option<String>,
    pub stamp_source: Option<String>,
    /// What drove the generator's sockets: `io_uring` or `epoll`.
    pub io: Option<String>,
    pub seed: Option<u64>,
    pub started_at: Option<String>,
    pub duration_seconds: Option<f64>,
    pub requests: Option<u64>,
    pub exit_code: Option<u8>,
}

/// The values of one metric.
#[derive(Clone, Debug)]
pub struct Trend {
    /// Our metric with the same meaning, for example `service_time` for k6's http_req_duration.
    pub metric: &'static str,
    /// The metric's name in the file.
    pub source: String,
    /// How its meaning differs from our metric's, in a few words.
    pub differs: Option<&'static str>,
    /// What the values are of, if that is not what our metric is of: figures are judged only where both runs have the
    /// same sense. Empty for our metric's own.
    pub sense: &'static str,
    pub values: Values,
    /// The figures that the file states beside its values. They are shown instead of those of the values.
    pub stated: Vec<(Stat, f64)>,
    /// Where percentiles (0 to 100) lie with 95 % confidence, in milliseconds, if the file says so.
    pub intervals: Vec<(f64, [f64; 2])>,
    /// Rows per second in order, if the file has them, for autocorrelation. Rows without values have count 0.
    pub slices: Vec<Slice>,
}

/// Two servers compared request by request within a run.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedRun {
    pub base: String,
    pub other: String,
    pub figures: Vec<PairedFigure>,
}

/// A difference: the other server's figure minus the base's, in milliseconds, or in points of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedFigure {
    pub metric: &'static str,
    /// The median or the mean of times; `None` for a share.
    pub stat: Option<Statistic>,
    pub value: f64,
    /// `None` if there are too few pairs.
    pub interval: Option<[f64; 2]>,
}

#[derive(Clone, Debug)]
pub enum Values {
    /// Every value, accurate to 0.1 %.
    Histogram(Box<Distribution>),
    /// Every value in milliseconds, ascending. There are at most [`RAW_VALUES_MAX`]; more are kept as a histogram.
    Raw(Vec<f64>),
    /// The figures of a summary only.
    Summary {
        count: Option<u64>,
        stats: Vec<(Stat, f64)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stat {
    Min,
    Mean,
    Max,
    /// A percentile, from 0 to 100.
    Percentile(f64),
}

/// A metric that is kept under its own name and compared only with itself.
#[derive(Clone, Debug)]
pub struct Other {
    pub source: String,
    /// `ms`, `bytes`, or empty if the file does not give a unit.
    pub unit: &'static str,
    pub figure: Figure,
}

#[derive(Clone, Debug)]
pub enum Figure {
    /// Values in the metric's own unit.
    Values(Values),
    Number(f64),
    /// A share from 0 to 1, and the count that it is a share of, if the file gives it.
    Share {
        share: f64,
        of: Option<u64>,
    },
}

/// One second of a trend, or more if the run was longer than a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slice {
    /// The end of the slice, in seconds since the start.
    pub elapsed: f64,
    pub count: u64,
    /// The sum of the values, in milliseconds.
    pub sum: f64,
}

/// A number of the whole run: requests, a rate, an error rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Our name for it: `requests`, `requests_per_second`, `output_tokens_per_second`, `error_rate`, `failed`, ...
    pub metric: &'static str,
    pub source: String,
    pub differs: Option<&'static str>,
    /// What the number is of, if that is not what ours is of; see [`Trend::sense`].
    pub sense: &'static str,
    pub unit: &'static str,
    pub value: f64,
    /// For a share, the count that it is a share of.
    pub of: Option<u64>,
    /// Rows per second, if the file has them: `sum` is the amount in that second (for a share, the hits), and `count`
    /// the requests that finished in it.
    pub slices: Vec<Slice>,
}

impl Scalar {
    /// Makes a number that means what ours does.
    pub fn new(metric: &'static str, source: &str, unit: &'static str, value: f64) -> Scalar {
        Scalar {
            metric,
            source: source.to_owned(),
            differs: None,
            sense: "",
            unit,
            value,
            of: None,
            slices: Vec::new(),
        }
    }
}

/// The tool's own verdict on a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub metric: String,
    pub expression: String,
    pub ok: bool,
}
