//! The result document: one type, written by a run and by `merge`, read by `merge` and `compare`.
//!
//! docs/RESULT.md lists every key with its unit and meaning; a test holds that page to these types. Times are
//! milliseconds where a key does not name another unit. `#[serde(default)]` stands only where a document may lack
//! a key; elsewhere a missing key is an error.

use crate::error::ExitCode;
use crate::judge::{StepsResult, ThresholdResult};
use crate::metrics::MetricId;
use crate::result::details;
use crate::result::{
    Client, Contention, Finding, GroupFigures, ManagedServerFigures, ManagedServerRow, MergedFigures,
    MetricFigures, Ordered, Pushes, Rates, Repeat, RowFigures, Schema, ServerTimings, ShardFigures, Spread,
    StartFigures, TokenSources, WarmUp, Warning,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run, or the parts of one that were merged. Fields are in the document's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    pub schema: Schema,
    /// The effective configuration with secrets redacted, as `config check` prints it.
    pub config: Value,
    /// How many requests the document lists one by one. The list itself is never in memory: it is copied from disk
    /// when the document is written, and counted when it is read. `None`: there is no list.
    #[serde(default, skip_serializing, deserialize_with = "details::counted")]
    pub details: Option<u64>,
    pub host: Host,
    pub run: Run,
    pub totals: Totals,
    pub rates: Rates,
    /// Over all requests, by the key of the metric.
    pub metrics: Ordered<MetricFigures>,
    /// By the name of the kind of request: `SERVER/KIND` with several servers, the server's where it has one kind.
    pub kinds: Ordered<GroupFigures>,
    /// By the name of the server, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Ordered<GroupFigures>>,
    /// Where a server states its own times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_timings: Option<ServerTimings>,
    /// One row a second; longer rows where the run is longer than a day.
    pub timeline: Vec<RowFigures>,
    /// CPU and memory of a server that the run has started, about a row a second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_server_timeline: Vec<ManagedServerRow>,
    /// Where load came first that is in no figure but these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<WarmUp>,
    /// Across the repetitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Where the plan was run several times: each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// Where each server was loaded alone first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contention: Option<Contention>,
    pub client: Client,
    /// Where the run has started its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_server: Option<ManagedServerFigures>,
    /// Where a Pushgateway is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes: Option<Pushes>,
    pub thresholds: Vec<ThresholdResult>,
    /// Where the profile judges step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsResult>,
    pub warnings: Vec<Warning>,
    pub analysis: Vec<Finding>,
    /// Of a merged document: what each process says of itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartFigures>,
    /// The text that the run has shown at its end.
    pub summary: String,
}

impl RunResult {
    /// Figures of one of the table's metrics over all requests; `None`: a rare one without values.
    pub fn metric(&self, id: MetricId) -> Option<&MetricFigures> {
        self.metrics.get(id.key())
    }

    /// By server where there are several, by kind of request where there is one.
    pub fn groups(&self) -> &Ordered<GroupFigures> {
        self.servers.as_ref().unwrap_or(&self.kinds)
    }
}

/// What was run, when, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub profile: String,
    /// Origins of the servers under test, comma-separated.
    pub target: String,
    /// RFC 3339, UTC: the start of the load.
    pub started_at: String,
    /// From the start of the program to the start of the load.
    pub startup_seconds: f64,
    pub duration_seconds: f64,
    pub stopped_by: StoppedBy,
    pub layout: Layout,
    /// The part of the plan that this process ran, where several share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardFigures>,
    /// Where the load was to begin at an instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartFigures>,
    /// Of a merged document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedFigures>,
    /// The exit code in a word.
    pub verdict: String,
    pub exit_code: ExitCode,
    /// By program.
    pub versions: Ordered<String>,
}

/// How the summary is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    Profile,
    /// Of a workload that names its servers: as the Python tool printed it, with our rows behind.
    Workload,
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

/// Where the load came from. In a merged document null stands where the processes differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// `uname -r`.
    pub kernel: Option<String>,
    /// The CPU's model.
    pub cpu: Option<String>,
    pub cpus_allowed: Option<Vec<usize>>,
    /// One engine core each.
    pub worker_cpus: Option<Vec<usize>>,
    /// For the managed server; empty without one.
    pub server_cpus: Option<Vec<usize>>,
    pub reporter_cpu: Option<usize>,
    /// How many files may be open.
    pub open_files: Option<u64>,
    pub memlock_bytes: Option<u64>,
    /// The first and the last that connect() hands out.
    pub local_ports: Option<[u16; 2]>,
    /// The least time that a core waits between two looks at its completions.
    pub min_wait_us: Option<u64>,
}

impl Host {
    /// What both agree on.
    pub fn in_common(self, other: &Host) -> Host {
        fn same<T: PartialEq>(a: Option<T>, b: &Option<T>) -> Option<T> {
            a.filter(|a| b.as_ref() == Some(a))
        }
        let Host {
            kernel,
            cpu,
            cpus_allowed,
            worker_cpus,
            server_cpus,
            reporter_cpu,
            open_files,
            memlock_bytes,
            local_ports,
            min_wait_us,
        } = other;
        Host {
            kernel: same(self.kernel, kernel),
            cpu: same(self.cpu, cpu),
            cpus_allowed: same(self.cpus_allowed, cpus_allowed),
            worker_cpus: same(self.worker_cpus, worker_cpus),
            server_cpus: same(self.server_cpus, server_cpus),
            reporter_cpu: same(self.reporter_cpu, reporter_cpu),
            open_files: same(self.open_files, open_files),
            memlock_bytes: same(self.memlock_bytes, memlock_bytes),
            local_ports: same(self.local_ports, local_ports),
            min_wait_us: same(self.min_wait_us, min_wait_us),
        }
    }
}

/// What was counted over the whole run: the counts of [`crate::result::Traffic`], and those of the cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    /// The outcomes that occurred.
    pub by_outcome: Ordered<u64>,
    /// What exactly was wrong, of failed requests whose outcome has several causes.
    pub by_cause: Ordered<u64>,
    /// Answers by the finish reason that their server gave.
    pub by_finish: Ordered<u64>,
    /// The statuses that occurred.
    pub by_status: Ordered<u64>,
    pub output_tokens: u64,
    pub token_source: TokenSources,
    /// Good answers without text, and the tokens that their servers claim for them.
    pub ok_without_text: u64,
    pub tokens_without_text: u64,
    /// Event streams whose content type does not say so.
    pub untyped_streams: u64,
    /// The longest that an interrupted request had been under way: a lower bound.
    pub interrupted_elapsed_max_seconds: f64,
    /// Begun and not ended: 0, unless a worker failed.
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

/// Of a merged document: one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartFigures {
    /// As `merge` was given it.
    pub file: String,
    pub run: Run,
    pub host: Host,
    pub client: Client,
    pub thresholds: Vec<ThresholdResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_server: Option<ManagedServerFigures>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_server_timeline: Vec<ManagedServerRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes: Option<Pushes>,
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
