//! From the merged totals and the facts of the run to the result document.

use crate::config::Config;
use crate::error::ExitCode;
use crate::judge::{Judged, StepsResult, ThresholdResult};
use crate::metrics::{CoreTotals, Merged, MetricId, TlsFailure};
use crate::plan::AnalysisLimits;
use crate::plan::Shard;
use crate::report::{Aggregator, TimelineRow};
use crate::result::Pushes;
use crate::result::analysis::{Finding, analyse};
use crate::result::endpoints::{Endpoint, Grouping, Rates, Traffic, metrics, rates, traffic};
use crate::result::figures::{MetricFigures, Ordered};
use crate::result::passes::PassFigures;
use crate::result::server::ServerFigures;
use crate::result::timings::ServerTimings;
use crate::result::warnings::{self, Warning};
use crate::result::{Fitness, MergedFigures, ShardFigures, StartFigures};
use crate::server::ServerSample;
use crate::units::{Nanos, millis, seconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub const SCHEMA: &str = "llmload-uring/1";

/// The result document but for its details, which are streamed from disk. Field order is the document's;
/// `summary` is filled in last, by the caller, from `output::summary`.
#[derive(Clone, Debug, Serialize)]
pub struct RunResult {
    pub schema: &'static str,
    pub config: Value,
    pub run: Run,
    pub host: Value,
    pub totals: Totals,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
    /// With one server by kind of request, with several by server.
    pub endpoints: Ordered<Endpoint>,
    /// With several servers: by server and kind of request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Ordered<Endpoint>>,
    /// Where the server states its own times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_timings: Option<ServerTimings>,
    pub timeline: Vec<TimelineRow>,
    /// CPU and memory of a server that the run has started, about a row a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_timeline: Vec<ServerSample>,
    pub thresholds: Vec<ThresholdResult>,
    /// Where the profile judges step by step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsResult>,
    pub passes: PassFigures,
    pub client: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerFigures>,
    /// To a Pushgateway, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushes: Option<Pushes>,
    pub warnings: Vec<Warning>,
    pub analysis: Vec<Finding>,
    /// Of a document that joins several: what each says of its own process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Value>,
    pub summary: String,
    #[serde(skip)]
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    pub profile: String,
    pub target: String,
    pub started_at: String,
    /// From the start of the program to the start of the load.
    pub startup_seconds: f64,
    pub duration_seconds: f64,
    pub stopped_by: StoppedBy,
    /// The part of the plan that this process ran, where several share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<StartFigures>,
    /// Of a document that joins several.
    #[serde(flatten)]
    pub merged: Option<MergedFigures>,
    pub verdict: &'static str,
    pub exit_code: ExitCode,
    pub versions: Ordered<String>,
}

/// How the summary is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Profile,
    /// Of a document that names its servers: as the Python tool printed it, with our rows behind.
    Workload,
}

impl Shape {
    pub fn of(config: &Config) -> Shape {
        match config.document_names_servers() {
            true => Shape::Workload,
            false => Shape::Profile,
        }
    }
}

/// Why the load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    Plan,
    Signal,
    Threshold,
    /// The managed server ended by itself.
    Server,
    /// A worker failed.
    Failure,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Totals {
    #[serde(flatten)]
    pub traffic: Traffic,
    pub in_flight: u64,
    pub dropped_iterations: u64,
    pub stale_reconnects: u64,
    pub token_events: u64,
    pub coalesced_events: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub connections_opened: u64,
    pub peak_connections: u64,
    pub peak_vus: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StampSource {
    Kernel,
    User,
}

/// How the generator itself did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Client {
    #[serde(flatten)]
    pub fitness: Fitness,
    pub stamp_source: StampSource,
    pub quickack: bool,
    pub stamps_missing: u64,
    pub clock_steps: u64,
    pub details_lost: u64,
    pub out_of_range: u64,
    pub reap_lag: MetricFigures,
    pub stamp_lag: MetricFigures,
    /// Only where the target speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFigures>,
    pub cores: Vec<CoreFigures>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TlsFigures {
    /// False: any certificate was accepted (`--insecure`).
    pub verified: bool,
    pub handshakes: u64,
    /// Of these, those that took up an earlier session.
    pub resumed: u64,
    /// The reasons that occurred.
    pub failures: Ordered<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreFigures {
    /// Of a document that joins several: the number of the process it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    pub core: usize,
    /// The CPU it was pinned to.
    pub cpu: Option<usize>,
    pub busy_percent: Option<f64>,
    pub loop_stalls: u64,
    pub buffer_shortages: u64,
    pub completion_queue_overflows: u64,
    pub completions: u64,
    pub waits: u64,
    pub reads: u64,
    pub reap_lag_ms_p50: Option<f64>,
    pub reap_lag_ms_p99: Option<f64>,
    pub schedule_lag_ms_p50: Option<f64>,
    pub schedule_lag_ms_p99: Option<f64>,
}

/// What the totals don't know.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Effective configuration, secrets already redacted.
    pub config: Value,
    pub host: Value,
    pub profile: String,
    /// Wall clock at the start, nanoseconds since 1970.
    pub started_at_unix_ns: i128,
    pub duration: Nanos,
    pub stopped_by: StoppedBy,
    pub versions: Vec<(String, String)>,
    /// Name of each series, in order.
    pub series_names: Vec<String>,
    /// Name of each server where there are several, else empty.
    pub server_names: Vec<String>,
    /// Index of each series' server.
    pub server_of_series: Vec<u16>,
    /// CPU of each core, in order; may be shorter.
    pub cpus: Vec<usize>,
    pub stamp_source: StampSource,
    pub quickack: bool,
    pub judged: Judged,
    /// Whether certificates were verified; `None`: no TLS.
    pub tls_verified: Option<bool>,
    /// Details that were recorded but could not be written (`DetailSpool::lost`).
    pub details_unwritten: u64,
    pub pushes: Option<Pushes>,
    /// Origin of the server under test.
    pub target: String,
    /// A managed server's figures.
    pub server: Option<ServerFigures>,
    pub server_timeline: Vec<ServerSample>,
    /// The part of the plan that was run, where several processes share it.
    pub shard: Option<Shard>,
    /// Where the load was to begin at an instant.
    pub start: Option<StartFigures>,
    /// From the start of the program to the start of the load.
    pub startup: Nanos,
    pub analysis: AnalysisLimits,
    pub shape: Shape,
    pub passes: PassFigures,
    /// A generator that was the limit fails the run.
    pub fit_required: bool,
    /// What else went wrong; a failed threshold and a signal are added here.
    pub problems: Vec<ExitCode>,
}

impl RunResult {
    /// Pure. `summary` is still empty.
    pub fn build(facts: RunFacts, aggregator: &Aggregator) -> RunResult {
        let merged = aggregator.merged();
        let (fit_required, occurred) = (facts.fit_required, occurred(&facts));
        let client = client(merged, &facts);
        let grouping = Grouping {
            kinds: &facts.series_names,
            servers: &facts.server_names,
            server_of_kind: &facts.server_of_series,
        };
        let (endpoints, requests) = grouping.rows(&merged.series, facts.duration);
        let mut result = RunResult {
            schema: SCHEMA,
            run: Run {
                profile: facts.profile,
                target: facts.target,
                startup_seconds: seconds(facts.startup),
                started_at: rfc3339(facts.started_at_unix_ns),
                duration_seconds: seconds(facts.duration),
                stopped_by: facts.stopped_by,
                shard: facts.shard.map(ShardFigures::of),
                start: facts.start,
                merged: None,
                // Both until the generator has been judged, below.
                verdict: ExitCode::Ok.verdict(),
                exit_code: ExitCode::Ok,
                versions: facts.versions.into_iter().collect(),
            },
            totals: totals(aggregator),
            rates: rates(&merged.total, facts.duration),
            metrics: metrics(&merged.total),
            endpoints,
            requests,
            server_timings: ServerTimings::of(&merged.total),
            timeline: aggregator.timeline().to_vec(),
            server_timeline: facts.server_timeline,
            thresholds: facts.judged.thresholds,
            steps: facts.judged.steps,
            passes: facts.passes,
            client,
            server: facts.server,
            pushes: facts.pushes,
            config: facts.config,
            host: facts.host,
            warnings: Vec::new(),
            analysis: Vec::new(),
            parts: Vec::new(),
            summary: String::new(),
            shape: facts.shape,
        };
        result.warnings = warnings::of(&result);
        result.analysis = analyse(&result, &facts.analysis);
        result.judge_generator(fit_required, occurred);
        result
    }

    /// Whether the generator was the limit, and what that and what else occurred does to the exit code.
    pub(crate) fn judge_generator(&mut self, fit_required: bool, mut occurred: Vec<ExitCode>) {
        self.client.fitness = Fitness::of(&self.warnings, fit_required);
        if self.client.fitness.fails() {
            occurred.push(ExitCode::NotTrustworthy);
        }
        self.run.exit_code = ExitCode::combine(&occurred);
        self.run.verdict = self.run.exit_code.verdict();
    }
}

fn occurred(facts: &RunFacts) -> Vec<ExitCode> {
    let mut occurred = facts.problems.clone();
    if facts.judged.thresholds.iter().any(|t| !t.ok) {
        occurred.push(ExitCode::ThresholdFailed);
    }
    match facts.stopped_by {
        StoppedBy::Plan => {}
        StoppedBy::Signal => occurred.push(ExitCode::Interrupted),
        StoppedBy::Threshold => occurred.push(ExitCode::ThresholdFailed),
        StoppedBy::Server => occurred.push(ExitCode::Target),
        StoppedBy::Failure => occurred.push(ExitCode::Internal),
    }
    occurred
}

/// UTC. A clock outside the years 1 to 9999 gives the epoch: the label of a run is no reason to lose the run.
pub fn rfc3339(unix_ns: i128) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(unix_ns)
        .ok()
        .and_then(|t| t.replace_nanosecond(t.millisecond() as u32 * 1_000_000).ok())
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_string())
}

pub(super) fn totals(aggregator: &Aggregator) -> Totals {
    let merged = aggregator.merged();
    let counters = merged.counters();
    Totals {
        traffic: traffic(&merged.total),
        in_flight: merged.in_flight(),
        dropped_iterations: counters.dropped_iterations,
        stale_reconnects: counters.stale_reconnects,
        token_events: counters.token_events,
        coalesced_events: counters.coalesced_events,
        bytes_sent: counters.bytes_sent,
        bytes_received: counters.bytes_received,
        connections_opened: counters.connections_opened,
        peak_connections: aggregator.peak_connections(),
        peak_vus: aggregator.peak_vus(),
    }
}

fn client(merged: &Merged, facts: &RunFacts) -> Client {
    let sum = merged.counters();
    Client {
        fitness: Fitness::default(),
        stamp_source: facts.stamp_source,
        quickack: facts.quickack,
        stamps_missing: sum.stamps_missing,
        clock_steps: sum.clock_steps,
        details_lost: sum.details_lost + facts.details_unwritten,
        out_of_range: sum.out_of_range,
        reap_lag: MetricFigures::of(&merged.reap_lag()),
        stamp_lag: MetricFigures::of(&merged.stamp_lag()),
        tls: facts.tls_verified.map(|verified| TlsFigures {
            verified,
            handshakes: sum.tls_handshakes,
            resumed: sum.tls_resumed,
            failures: TlsFailure::ALL
                .into_iter()
                .map(|reason| (reason.name(), sum.tls_failures[reason as usize]))
                .filter(|(_, n)| *n > 0)
                .collect(),
        }),
        cores: merged
            .cores
            .iter()
            .enumerate()
            .map(|(core, totals)| core_figures(core, totals, facts))
            .collect(),
    }
}

fn core_figures(core: usize, totals: &CoreTotals, facts: &RunFacts) -> CoreFigures {
    let c = &totals.counters;
    CoreFigures {
        shard: None,
        core,
        cpu: facts.cpus.get(core).copied(),
        busy_percent: c.busy(facts.duration).map(|share| share * 100.0),
        loop_stalls: c.loop_stalls,
        buffer_shortages: c.buffer_shortages,
        completion_queue_overflows: c.cq_overflows,
        completions: c.completions,
        waits: c.waits,
        reads: c.reads,
        reap_lag_ms_p50: totals.reap_lag.quantile(0.5).map(millis),
        reap_lag_ms_p99: totals.reap_lag.quantile(0.99).map(millis),
        schedule_lag_ms_p50: totals.schedule_lag.quantile(0.5).map(millis),
        schedule_lag_ms_p99: totals.schedule_lag.quantile(0.99).map(millis),
    }
}

impl RunResult {
    /// Figures of one of the table's metrics over all series.
    pub fn metric(&self, id: MetricId) -> &MetricFigures {
        &self.metrics.0[id as usize].1
    }
}
