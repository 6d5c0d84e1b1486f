//! The figures of one probe, and the document of a search.

use serde::Serialize;
use serde_json::Value;

use crate::error::{ExitCode, one_line};
use crate::limit::evidence::Decision;
use crate::limit::search::{End, LessSureEnds, Over, Purpose};
use crate::metrics::Distribution;
use crate::result::{Host, IoFigures, LimitReason};
use crate::units::{Nanos, millis};

/// Some percentiles of a metric, in milliseconds; null if it has no values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

impl Percentiles {
    pub fn of(values: &Distribution) -> Percentiles {
        let at = |q| values.quantile(q).map(|ns: Nanos| millis(ns));
        Percentiles {
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
        }
    }
}

/// What a probe showed of one SLO.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloRow {
    pub slo: String,
    /// Its figure, as a threshold of a run has it: milliseconds, a share, or a count per second.
    pub observed: Option<f64>,
    pub decision: Decision,
    /// It is the reason why the load does not hold.
    pub broke: bool,
    /// The kind of request, with its server, that violates it most; null if there is only one.
    pub worst_kind: Option<String>,
    /// The share of requests that violate it, with those that follow; null if it is about a mean or a count.
    pub violated_percent: Option<f64>,
    /// Arrivals that no user could take, and requests that had not ended when the waiting did. Each violates it, though
    /// it is not in the figure.
    pub dropped: u64,
    pub cut: u64,
    /// The figure with its unit, for people.
    #[serde(skip)]
    pub shown: Option<String>,
}

/// What a server held during a probe, by its own account. Null where it does not show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerProbe {
    pub url: String,
    /// Requests, on average.
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    /// The most requests that waited at one reading.
    pub waiting_max: Option<f64>,
    /// The largest share of the cache of keys and values that was in use, 0 to 1.
    pub kv_cache_usage_max: Option<f64>,
    pub preemptions: Option<f64>,
    /// The mean time in its queue, in milliseconds.
    pub queue_time_mean: Option<f64>,
}

/// One probe. Its figures are those of the requests that were due while it counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeRow {
    pub level: f64,
    pub purpose: Purpose,
    pub decision: Decision,
    /// The figures meet the SLOs, whether or not that is more than chance.
    pub seems_to_hold: bool,
    /// When it began, since the start of the search.
    pub began_seconds: f64,
    /// How long requests were counted.
    pub counted_seconds: f64,
    /// How long all of it took, with settling and the end of the last request.
    pub seconds: f64,
    /// Requests that ended, and those of them that failed.
    pub requests: u64,
    pub failed: u64,
    /// Requests that had not ended when the waiting did.
    pub cut: u64,
    /// Arrivals that no user could take.
    pub dropped: u64,
    /// Good answers per second, while requests were counted.
    pub ok_per_second: f64,
    pub output_tokens_per_second: f64,
    pub ttft: Percentiles,
    pub latency: Percentiles,
    pub tbt: Percentiles,
    /// The share of requests that meet every limit of `goodput`; null if there are none.
    pub goodput: Option<f64>,
    pub slos: Vec<SloRow>,
    /// Why the generator itself may have been the limit; empty if it was fit.
    pub generator_limits: Vec<LimitReason>,
    /// What servers that show metrics held meanwhile, by their own account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerProbe>,
    /// The most frequent failure, in words.
    pub failure: Option<String>,
    /// The probe ended before it was decided and before its time was over: a signal, or the server or a rank was lost.
    pub ended_early: bool,
}

impl ProbeRow {
    /// Returns the SLOs that the load broke.
    pub fn broken(&self) -> impl Iterator<Item = &SloRow> {
        self.slos.iter().filter(|slo| slo.broke)
    }
}

/// The settings of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchFigures {
    pub over: Over,
    pub from: f64,
    pub to: f64,
    pub resolution: f64,
    pub settle_seconds: f64,
    pub probe_min_seconds: f64,
    pub probe_max_seconds: f64,
    pub max_seconds: f64,
    pub slos: Vec<SloFigures>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloFigures {
    pub metric: String,
    pub expression: String,
    /// Nobody asked for it; it is there because no other SLO is about failures.
    pub added: bool,
}

/// The answer of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The highest load that was tried and holds; null if none does.
    pub limit: Option<f64>,
    /// The interval: the highest load that was shown to hold, and the lowest that was shown not to; null where there is
    /// no such load.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// The probability with which the interval holds the limit, at least.
    pub confidence: f64,
    /// The ends of the interval that can only be shown with less confidence.
    pub less_sure: LessSureEnds,
    pub ended_by: End,
    /// A load that held before the server was overloaded, and not afterwards.
    pub degraded_from: Option<f64>,
    /// The lowest load that does not hold, and what it broke.
    pub broke_first: Option<BrokeFirst>,
    pub knee: Option<Knee>,
    /// The generator may have been the limit, not the server: why, and at which load.
    pub generator_first: Option<GeneratorFirst>,
    pub expected: Option<Expected>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BrokeFirst {
    pub level: f64,
    pub slos: Vec<SloRow>,
    pub failure: Option<String>,
}

/// From here on more load gives hardly more throughput.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Knee {
    pub level: f64,
    pub ok_per_second: f64,
    /// The highest throughput of all loads.
    pub most_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratorFirst {
    pub level: f64,
    pub reasons: Vec<LimitReason>,
}

/// What `--expect` asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    pub expression: String,
    pub ok: bool,
    /// The interval lies on one side of it.
    pub decided: bool,
}

/// The facts about a search as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFigures {
    pub profile: String,
    pub target: String,
    pub started_at: String,
    pub duration_seconds: f64,
    pub verdict: String,
    pub exit_code: ExitCode,
    pub version: String,
    /// The ranks that made the load; empty if it was this process alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<SearchRank>,
}

/// A rank of a search of several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchRank {
    pub rank: u32,
    pub host: String,
    /// Why it was lost; null if it was there until the end.
    pub lost: Option<String>,
}

impl SearchRank {
    /// Returns the loss in words, if it was lost.
    pub fn loss(&self) -> Option<String> {
        let why = one_line(self.lost.as_deref()?);
        Some(format!("rank {} ({}): {why}", self.rank, one_line(&self.host)))
    }
}

/// What the document of a search says of its generator for all probes; the key is where a run's document has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchClient {
    pub io: IoFigures,
}

/// The document of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitResult {
    pub schema: &'static str,
    pub config: Value,
    pub host: Host,
    pub client: SearchClient,
    pub run: RunFigures,
    pub search: SearchFigures,
    pub answer: Answer,
    pub probes: Vec<ProbeRow>,
    /// Probes in which a rank was lost. Their loads were less than their levels, so they show nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_probes: Vec<ProbeRow>,
    pub summary: String,
}

pub const SCHEMA: &str = "llmload-uring/limit/1";
