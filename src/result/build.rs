//! Builds the result document from the merged totals and the facts of a run.

use crate::error::{ExitCode, FINDINGS_FAILED, NOT_JUDGED};
use crate::judge::{Judged, ThresholdResult};
use crate::plan::AnalysisLimits;
use crate::report::Aggregator;
use crate::result::analysis::analyse;
use crate::result::groups::{Grouping, metrics, rates, traffic};
use crate::result::{
    Client, FailureFigures, Finding, GeneratorFacts, Host, ManagedServerFigures, ManagedServerRow,
    PassFigures, PhaseFigures, PhaseTimes, Pushes, Run, RunResult, Schema, ServerAccount, ServerTimings,
    SlotFreeFigures, StoppedBy, Totals, TraceFigures, rows_of_document, warnings,
};
use crate::units::Nanos;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The facts of a run that the figures of the load do not contain: finished sections of the document, and the inputs of
/// the others.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Effective configuration, with secrets already redacted.
    pub config: Value,
    pub host: Host,
    /// Facts about the run, without a verdict, which [`RunResult::judge`] sets.
    pub run: Run,
    pub duration: Nanos,
    /// Time from the start of the load to its end, which rates divide by.
    pub loaded: Nanos,
    pub phases: PhaseTimes,
    pub grouping: Grouping,
    /// The pace of a trace, if one was replayed.
    pub trace: Option<TraceFigures>,
    pub generator: GeneratorFacts,
    pub judged: Judged,
    /// Why requests failed.
    pub failures: Vec<FailureFigures>,
    pub passes: PassFigures,
    pub slot_free: Vec<SlotFreeFigures>,
    pub server_metrics: Vec<ServerAccount>,
    pub managed_server: Option<ManagedServerFigures>,
    pub managed_server_timeline: Vec<ManagedServerRow>,
    pub pushes: Option<Pushes>,
}

/// What a run must be besides meeting its thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Required {
    /// The generator must have been fit.
    pub fit: bool,
    /// Each threshold on a quantile must be decided.
    pub decided: bool,
}

impl RunResult {
    /// Builds the document from the figures of `load`. Nothing is judged yet, and `summary` is still empty.
    pub fn build(facts: RunFacts, load: &Aggregator) -> RunResult {
        let RunFacts {
            config,
            host,
            run,
            duration,
            loaded,
            phases,
            grouping,
            trace,
            generator,
            judged,
            failures,
            passes,
            slot_free,
            server_metrics,
            managed_server,
            managed_server_timeline,
            pushes,
        } = facts;
        let merged = load.merged();
        let PassFigures {
            warmup,
            repeats,
            spread,
            contention,
            paired,
            sessions,
        } = passes;
        RunResult {
            schema: Schema,
            config,
            details: None,
            host,
            run,
            totals: Totals::from_load(load),
            rates: rates(&merged.total, loaded),
            failures,
            metrics: metrics(&merged.total),
            kinds: grouping.by_kind(&merged.series, loaded),
            servers: grouping.by_server(&merged.series, loaded),
            phases: merged
                .phases
                .as_ref()
                .map(|by_phase| PhaseFigures::new(by_phase, &grouping, &phases, loaded)),
            trace,
            server_timings: ServerTimings::from_series(&merged.total),
            server_metrics,
            timeline: rows_of_document(load.timeline()),
            managed_server_timeline,
            warmup,
            spread,
            repeats,
            contention,
            paired,
            sessions,
            slot_free,
            client: Client::from_facts(&generator, merged, duration),
            managed_server,
            pushes,
            thresholds: judged.thresholds,
            steps: judged.steps,
            warnings: Vec::new(),
            analysis: Vec::new(),
            parts: Vec::new(),
            summary: String::new(),
        }
    }

    /// Adds warnings and analysis, and sets the verdict from them, from the thresholds, from the reason why the load
    /// ended, and from anything else that `occurred`.
    pub fn judge(&mut self, limits: &AnalysisLimits, required: Required, occurred: Vec<ExitCode>) {
        self.warnings = warnings::find(self);
        self.conclude(limits, required, occurred);
    }

    /// Does the same with warnings that exist already.
    pub(crate) fn conclude(
        &mut self,
        limits: &AnalysisLimits,
        required: Required,
        mut occurred: Vec<ExitCode>,
    ) {
        self.analysis = analyse(self, limits);
        if required.decided {
            self.thresholds
                .iter_mut()
                .for_each(ThresholdResult::require_decided);
        }
        if self.client.judge(&self.warnings, required.fit) {
            occurred.push(ExitCode::NotTrustworthy);
        }
        if self.thresholds.iter().any(|t| !t.ok) {
            occurred.push(ExitCode::ThresholdFailed);
        }
        let by_thresholds =
            occurred.contains(&ExitCode::ThresholdFailed) || self.run.stopped_by == StoppedBy::Threshold;
        if limits.fail_on_findings && self.analysis.iter().any(Finding::blames_the_server) {
            occurred.push(ExitCode::ThresholdFailed);
        }
        if self.nothing_succeeded() {
            occurred.push(ExitCode::NothingSucceeded);
        }
        occurred.push(self.run.stopped_by.exit_code());
        self.run.exit_code = ExitCode::combine(&occurred);
        let is_judged = limits.fail_on_findings || self.thresholds.iter().any(|t| !t.not_applicable);
        let verdict = match self.run.exit_code {
            ExitCode::Ok if !is_judged => NOT_JUDGED,
            ExitCode::ThresholdFailed if !by_thresholds => FINDINGS_FAILED,
            code => code.verdict(),
        };
        self.run.verdict = verdict.to_owned();
    }

    /// Returns true if no request succeeded, except in a shard without VUs, which has nothing to measure. A request
    /// that was cancelled as planned did what was asked of it.
    fn nothing_succeeded(&self) -> bool {
        self.totals.ok + self.totals.cancelled == 0 && (self.totals.requests > 0 || self.run.shard.is_none())
    }
}

impl StoppedBy {
    /// Returns the exit code of a run that ended for this reason.
    fn exit_code(self) -> ExitCode {
        match self {
            StoppedBy::Plan => ExitCode::Ok,
            StoppedBy::Signal => ExitCode::Interrupted,
            StoppedBy::Threshold => ExitCode::ThresholdFailed,
            StoppedBy::Server => ExitCode::Target,
            StoppedBy::Failure => ExitCode::Internal,
            StoppedBy::Rank => ExitCode::RankLost,
        }
    }
}

/// Formats an instant as RFC 3339, UTC. A clock outside the years 1 to 9999 gives the epoch, because a wrong label is
/// not a reason to lose a run.
pub fn rfc3339(unix_ns: i128) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(unix_ns)
        .ok()
        .and_then(|t| t.replace_nanosecond(t.millisecond() as u32 * 1_000_000).ok())
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_string())
}

/// Writes date and time as digits with `between` them: `20260102-030405`.
pub fn date_and_time(at: OffsetDateTime, between: char) -> String {
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}{between}{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

impl Totals {
    pub(super) fn from_load(load: &Aggregator) -> Totals {
        let merged = load.merged();
        let counters = merged.counters();
        Totals {
            in_flight: merged.in_flight(),
            stale_reconnects: counters.stale_reconnects,
            token_events: counters.token_events,
            coalesced_events: counters.coalesced_events,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            connections_opened: counters.connections_opened,
            peak_connections: load.peak_connections(),
            peak_vus: load.peak_vus(),
            peak_waiting: load.peak_waiting(),
            ..Totals::from(traffic(&merged.total))
        }
    }
}
