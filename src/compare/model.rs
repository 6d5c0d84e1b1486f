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
    pub values: Values,
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
    pub unit: &'static str,
    pub value: f64,
    /// For a share, the count that it is a share of.
    pub of: Option<u64>,
    /// Rows per second, if the file has them: `sum` is the amount in that second (for a share, the hits), and `count`
    /// the requests that finished in it.
    pub slices: Vec<Slice>,
}

/// The tool's own verdict on a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub metric: String,
    pub expression: String,
    pub ok: bool,
}
