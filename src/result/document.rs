//! The result document: one type, written by a run and by `merge`, read by `merge` and `compare`.
//!
//! docs/RESULT.md lists every key with its unit and meaning; a test holds that page to these types. Times are
//! milliseconds unless a key names another unit. `#[serde(default)]` is used only for keys that a document may omit;
//! any other missing key is an error.

use crate::error::ExitCode;
use crate::judge::{StepsResult, ThresholdResult};
use crate::metrics::MetricId;
use crate::result::details;
use crate::result::{
    Client, Contention, FailureFigures, Finding, GroupFigures, ManagedServerFigures, ManagedServerRow,
    MergedFigures, MetricFigures, Ordered, Paired, PhaseFigures, Pushes, Rates, Repeat, RowFigures, Schema,
    ServerAccount, ServerTimings, SessionFigures, ShardFigures, SlotFreeFigures, Spread, StartFigures,
    Totals, TraceFigures, WarmUp, Warning,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run, or the parts of one that were merged. Fields are in the document's order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    pub schema: Schema,
    /// The effective configuration with secrets redacted, as `config check` prints it.
    pub config: Value,
    /// Number of requests that the document lists one by one; `None` if there is no list. The list itself is never in
    /// memory: it is copied from disk when the document is written, and counted when it is read.
    #[serde(default, skip_serializing, deserialize_with = "details::counted")]
    pub details: Option<u64>,
    pub host: Host,
    pub run: Run,
    pub totals: Totals,
    pub rates: Rates,
    /// Why requests failed, the most frequent kind of failure first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureFigures>,
    /// Figures over all requests, by the key of the metric.
    pub metrics: Ordered<MetricFigures>,
    /// Figures by the name of the kind of request: `SERVER/KIND` with several servers, or only the server's name if it
    /// has one kind.
    pub kinds: Ordered<GroupFigures>,
    /// Figures by the name of the server, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Ordered<GroupFigures>>,
    /// Present if the load ramped and was steady: the figures of each phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<PhaseFigures>,
    /// Present if a trace was replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceFigures>,
    /// Present if a server states its own times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_timings: Option<ServerTimings>,
    /// Present if servers show metrics: their own account of the load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_metrics: Vec<ServerAccount>,
    /// One row per second; rows are longer if the run is longer than a day.
    pub timeline: Vec<RowFigures>,
    /// CPU and memory of the managed server, about one row per second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_server_timeline: Vec<ManagedServerRow>,
    /// Present if a warm-up came first, which is in no other figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<WarmUp>,
    /// Spread across the repetitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Each repetition, if the plan was run several times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Repeat>,
    /// Present if each server was loaded alone first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contention: Option<Contention>,
    /// Present if every request went to both of two servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
    /// Present if a kind of request is a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionFigures>,
    /// Present if requests were to be cancelled: how long each server went on with those that were cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slot_free: Vec<SlotFreeFigures>,
    pub client: Client,
    /// Present if the run started its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_server: Option<ManagedServerFigures>,
    /// Present if figures were pushed to a Pushgateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes: Option<Pushes>,
    pub thresholds: Vec<ThresholdResult>,
    /// Present if the profile judges step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsResult>,
    pub warnings: Vec<Warning>,
    pub analysis: Vec<Finding>,
    /// In a merged document: the figures of each part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartFigures>,
    /// Text that the run showed at its end.
    pub summary: String,
}

impl RunResult {
    /// Returns the figures of a metric over all requests; `None` for a rare metric without values.
    pub fn metric(&self, id: MetricId) -> Option<&MetricFigures> {
        self.metrics.get(id.key())
    }

    /// Tells whether the run started the built-in simulator and loaded that.
    pub fn loaded_the_simulator(&self) -> bool {
        self.config["managed_server"].get("simulator").is_some()
    }

    /// Returns the figures by server if there are several, otherwise by kind of request.
    pub fn groups(&self) -> &Ordered<GroupFigures> {
        self.servers.as_ref().unwrap_or(&self.kinds)
    }
}

/// Facts about the run: what was run, when, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub profile: String,
    /// Origins of the targets, comma-separated.
    pub target: String,
    /// The models that requests named, each once; `None` in documents of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Present if a tokenizer counted the words of made prompts: what its counts come to. Processes with the same text
    /// here made the same prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_counts: Option<String>,
    /// Start of the load, RFC 3339, UTC.
    pub started_at: String,
    /// Time from the start of the program to the start of the load.
    pub startup_seconds: f64,
    pub duration_seconds: f64,
    pub stopped_by: StoppedBy,
    pub layout: Layout,
    /// Part of the plan that this process ran, if several share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardFigures>,
    /// Present if the load was to begin at a given instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartFigures>,
    /// Present in a merged document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedFigures>,
    /// Exit code in a word.
    pub verdict: String,
    pub exit_code: ExitCode,
    /// Versions by program.
    pub versions: Ordered<String>,
}

/// The layout of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    Profile,
    /// The Python tool's layout, followed by our rows; for a workload that names its servers.
    Workload,
}

/// The reason why the load ended.
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
    /// Another rank of the run was lost.
    Rank,
}

/// The host that the load came from. In a merged document a value is null if the processes differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// `uname -r`.
    pub kernel: Option<String>,
    /// Model of the CPU.
    pub cpu: Option<String>,
    pub cpus_allowed: Option<Vec<usize>>,
    /// CPUs of the worker cores.
    pub worker_cpus: Option<Vec<usize>>,
    /// CPUs of the managed server; empty without one.
    pub server_cpus: Option<Vec<usize>>,
    pub reporter_cpu: Option<usize>,
    /// Limit of open files.
    pub open_files: Option<u64>,
    pub memlock_bytes: Option<u64>,
    /// First and last local port that connect() uses.
    pub local_ports: Option<[u16; 2]>,
    /// Minimum time that a core waits before it looks at its completions again.
    pub min_wait_us: Option<u64>,
    /// How many CPUs' time the control group allows; `None` without a limit.
    #[serde(default)]
    pub cpu_quota: Option<f64>,
}

impl Host {
    /// Returns the values that both hosts agree on.
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
            cpu_quota,
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
            cpu_quota: same(self.cpu_quota, cpu_quota),
        }
    }
}

/// One part of a merged document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartFigures {
    /// Name of the file as given to `merge`.
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
