//! One run to be compared, whatever tool wrote it.

use crate::metrics::Distribution;

/// So many values of a metric are kept as they are; 800 KB.
pub const RAW_VALUES_MAX: usize = 100_000;

/// What a file turned out to be.
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
}

/// Built by a reader; all figures are in the units of our own documents (milliseconds, bytes, per second, 0 to 1).
#[derive(Clone, Debug)]
pub struct Run {
    /// As the user named it: a path, or `@NAME` of a baseline.
    pub label: String,
    pub format: Format,
    pub facts: RunFacts,
    pub trends: Vec<Trend>,
    pub scalars: Vec<Scalar>,
    /// What has no counterpart among our metrics: a script's own trends and counters, k6's sub-metrics.
    pub others: Vec<Other>,
    pub thresholds: Vec<Verdict>,
    /// What could not be read, or reads otherwise than it looks.
    pub notes: Vec<String>,
    /// Runs of `--repeat`, each with the same trends in small; empty where there was one.
    pub repeats: Vec<Run>,
}

/// What must be alike before figures are. `None`: the format does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// `k6 2.2.0`, `llmload-uring 0.1.0`.
    pub tool: Option<String>,
    pub profile: Option<String>,
    pub peak_vus: Option<u64>,
    pub target: Option<String>,
    /// Kernel, CPU model, number of CPUs: one line.
    pub host: Option<String>,
    pub stamp_source: Option<String>,
    pub seed: Option<u64>,
    pub started_at: Option<String>,
    pub duration_seconds: Option<f64>,
    pub requests: Option<u64>,
    pub exit_code: Option<u8>,
}

/// Values of one metric.
#[derive(Clone, Debug)]
pub struct Trend {
    /// Our metric of that meaning: `service_time` for k6's http_req_duration.
    pub metric: &'static str,
    /// As the file calls it.
    pub source: String,
    /// Where it means something else than our metric: what, in a few words.
    pub differs: Option<&'static str>,
    pub values: Values,
    /// Per second where the file has it, in order: for autocorrelation. Rows without values have count 0.
    pub slices: Vec<Slice>,
}

#[derive(Clone, Debug)]
pub enum Values {
    /// Every value, to 0.1 %.
    Histogram(Box<Distribution>),
    /// Every value, ascending, milliseconds: at most [`RAW_VALUES_MAX`], beyond that a histogram.
    Raw(Vec<f64>),
    /// Only what a summary says.
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
    /// 0 to 100.
    Percentile(f64),
}

/// A metric that is kept under its own name, and compared with nothing but itself.
#[derive(Clone, Debug)]
pub struct Other {
    pub source: String,
    /// `ms`, `bytes`, or empty where the file does not say.
    pub unit: &'static str,
    pub figure: Figure,
}

#[derive(Clone, Debug)]
pub enum Figure {
    /// In the metric's own unit.
    Values(Values),
    Number(f64),
    /// 0 to 1, of how many where the file says so.
    Share {
        share: f64,
        of: Option<u64>,
    },
}

/// One second of a trend, or more where the run was longer than a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slice {
    /// The end of the slice, seconds since the start.
    pub elapsed: f64,
    pub count: u64,
    /// Milliseconds.
    pub sum: f64,
}

/// A number of the whole run: requests, a rate, an error rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Ours: `requests`, `requests_per_second`, `output_tokens_per_second`, `error_rate`, `failed`, ...
    pub metric: &'static str,
    pub source: String,
    pub differs: Option<&'static str>,
    pub unit: &'static str,
    pub value: f64,
    /// Where it is a share: of how many.
    pub of: Option<u64>,
    /// Per second where the file has it: `sum` is the amount in that second (of a share: the hits), `count` the
    /// requests finished in it.
    pub slices: Vec<Slice>,
}

/// What the tool itself said of a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub metric: String,
    pub expression: String,
    pub ok: bool,
}

/// Count, mean and variance of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub count: u64,
    pub mean: f64,
    pub variance: f64,
}
