//! The figures that the block on a terminal shows; `output::block` draws them.

use crate::metrics::{Distribution, FailedRequests, FailureKind, GoodCounts, Merged, Outcome, SeriesTotals};
use crate::plan::{Plan, StageAt};
use crate::report::Aggregator;
use crate::report::failures::{message_of, show_failure};
use crate::report::window::{SeriesSlot, WindowFigures, rate};
use crate::units::{Masks, Nanos};
use crate::workload::{Call, Chat};

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivePhase {
    Running,
    /// The plan is over; requests in flight may finish.
    Finishing,
    /// The run was stopped before its end; requests in flight may finish.
    Stopping,
}

/// Quantiles of the last ten seconds; `None` if nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveSpread {
    pub p50: Option<Nanos>,
    pub p90: Option<Nanos>,
    pub p99: Option<Nanos>,
    pub max: Option<Nanos>,
}

impl LiveSpread {
    fn from_distribution(d: &Distribution) -> LiveSpread {
        LiveSpread {
            p50: d.quantile(0.5),
            p90: d.quantile(0.9),
            p99: d.quantile(0.99),
            max: d.max(),
        }
    }
}

/// The figures of one of several servers. Rates and the mean are those of the last ten seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveServer {
    pub name: String,
    pub models: Vec<String>,
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub ttft_mean: Option<Nanos>,
    /// Requests that wait for this server's answer.
    pub in_flight: u64,
    /// Failures since the start.
    pub failed: u64,
}

/// Whose figures are shown, if several ranks make the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveRanks {
    /// Those of all ranks but the ones that were lost.
    Whole { there: u32, all: u32 },
    /// Those of one rank.
    Part { rank: u32, all: u32 },
}

impl std::fmt::Display for LiveRanks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LiveRanks::Whole { there, all } if there == all => write!(f, "{all} ranks"),
            LiveRanks::Whole { there, all } => write!(f, "{there} of {all} ranks"),
            LiveRanks::Part { rank, all } => write!(f, "rank {rank} of {all}"),
        }
    }
}

/// The state of the thresholds so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveThresholds {
    /// Number of thresholds that have something to judge.
    pub judged: usize,
    /// Those that fail so far, each with the figure.
    pub failing: Vec<String>,
}

/// All figures that one drawing of the block needs.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveFigures {
    pub profile: String,
    /// The only target's address, or what there is instead.
    pub target: String,
    pub ranks: Option<LiveRanks>,
    /// Models that requests ask for, each once; with several servers, see `servers`.
    pub models: Vec<String>,
    pub stage: StageAt,
    pub phase: LivePhase,
    pub elapsed: Nanos,
    /// Planned duration without the graceful stop; with `iterations` only the limit.
    pub duration: Nanos,
    /// Number of requests that ends the run, if the executor counts them.
    pub iterations: Option<u64>,
    pub vus_planned: u64,
    pub vus_running: u64,
    pub connections: u64,
    /// Requests finished since the start, including interrupted and cancelled ones.
    pub requests: u64,
    pub in_flight: u64,
    pub failed: u64,
    /// Share of failed among completed requests since the start, 0 to 1.
    pub failed_rate: f64,
    /// Failures by outcome since the start, the most frequent first; only those that occurred.
    pub errors: Vec<(&'static str, u64)>,
    /// The newest kind of failure: its count, its name, and what the first such answer said.
    pub newest_failure: Option<String>,
    /// Rate over the last ten seconds, like the next two figures.
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub input_tokens_per_second: f64,
    /// Arrivals that were dropped since the start, and those that wait for a free user now.
    pub dropped: u64,
    pub waiting: u64,
    /// Requests that their users cancelled since the start.
    pub cancelled: u64,
    /// Requests of the last ten seconds that have limits, and those that met all.
    pub goodput: GoodCounts,
    pub ttft: LiveSpread,
    /// Time between tokens.
    pub tbt: LiveSpread,
    pub latency: LiveSpread,
    /// Each server, if there are several; otherwise empty.
    pub servers: Vec<LiveServer>,
    pub thresholds: LiveThresholds,
    /// Share of the last second in which each worker core was busy, 0 to 1.
    pub cores_busy: Vec<f64>,
    pub kernel_stamps: bool,
    /// Reads without a kernel stamp although one was asked for.
    pub stamps_missing: u64,
    /// How late requests went out, p99 of the last ten seconds.
    pub send_delay_p99: Option<Nanos>,
    /// Reap lag p99 of the last ten seconds.
    pub reap_lag_p99: Option<Nanos>,
}

/// The state that the display needs at one tick of the reporter.
pub struct LiveTick<'a> {
    pub plan: &'a Plan,
    pub aggregator: &'a Aggregator,
    pub elapsed: Nanos,
    pub vus_planned: u64,
    pub ranks: Option<LiveRanks>,
    pub thresholds: LiveThresholds,
    /// The run has been asked to end.
    pub stopping: bool,
}

/// The state that has to be kept from one drawing to the next.
#[derive(Debug)]
pub struct LiveView {
    target: String,
    masks: Masks,
    kernel_stamps: bool,
    cores: Vec<CoreView>,
    /// Failures by kind at the last drawing.
    failures: Vec<(FailureKind, u64)>,
    newest: Option<FailureKind>,
}

#[derive(Clone, Copy, Debug, Default)]
struct CoreView {
    busy_ns: u64,
    wall_ns: u64,
    busy: f64,
}

impl LiveView {
    /// `target` says in a few words what is loaded, and `masks` hides secrets in what servers say.
    pub fn new(target: &str, masks: &Masks, cores: usize, kernel_stamps: bool) -> LiveView {
        LiveView {
            target: target.to_owned(),
            masks: masks.clone(),
            kernel_stamps,
            cores: vec![CoreView::default(); cores],
            failures: Vec::new(),
            newest: None,
        }
    }

    /// Returns the figures after a tick.
    pub fn figures(&mut self, tick: &LiveTick<'_>) -> LiveFigures {
        let LiveTick {
            plan,
            aggregator,
            elapsed,
            ..
        } = *tick;
        let merged = aggregator.merged();
        let (total, counters, window) = (&merged.total, merged.counters(), aggregator.window());
        let duration = plan.executor.duration();
        let mut stage = plan.executor.stage_at(elapsed);
        (stage.from, stage.target) = (plan.shard.vus_of(stage.from), plan.shard.vus_of(stage.target));
        stage.rates = stage
            .rates
            .map(|rates| rates.map(|rate| rate / f64::from(plan.shard.count())));
        LiveFigures {
            profile: plan.profile.clone(),
            target: self.target.clone(),
            ranks: tick.ranks,
            models: models(plan, None),
            stage,
            phase: match tick.stopping {
                true => LivePhase::Stopping,
                false if elapsed >= duration => LivePhase::Finishing,
                false => LivePhase::Running,
            },
            elapsed,
            duration,
            iterations: plan.iterations_of_shard(),
            vus_planned: tick.vus_planned,
            vus_running: counters.vus_running,
            connections: counters.connections_open,
            requests: total.finished(),
            in_flight: merged.in_flight(),
            failed: total.failed(),
            failed_rate: total.failed_rate().unwrap_or(0.0),
            errors: errors(total),
            newest_failure: self.newest(merged),
            requests_per_second: window.requests_per_second,
            output_tokens_per_second: window.output_tokens_per_second,
            input_tokens_per_second: window.input_tokens_per_second,
            dropped: total.dropped_iterations,
            waiting: counters.waiting,
            cancelled: total.cancelled(),
            goodput: window.goodput,
            ttft: LiveSpread::from_distribution(&window.ttft),
            tbt: LiveSpread::from_distribution(&window.tbt),
            latency: LiveSpread::from_distribution(&window.latency),
            servers: servers(plan, merged, &window),
            thresholds: tick.thresholds.clone(),
            cores_busy: self.cores_busy(aggregator),
            kernel_stamps: self.kernel_stamps,
            stamps_missing: counters.stamps_missing,
            send_delay_p99: window.send_delay.quantile(0.99),
            reap_lag_p99: window.reap_lag.quantile(0.99),
        }
    }

    /// Describes the newest kind of failure: what failed, how often so far, and the reason that its server or the
    /// system gives. Newest is the kind that grew most since the last drawing; while none grows, the last one stays.
    fn newest(&mut self, merged: &Merged) -> Option<String> {
        let kinds = merged.failures.by_count();
        let before = |kind: FailureKind| {
            let known = self.failures.iter().find(|(known, _)| *known == kind);
            known.map_or(0, |(_, count)| *count)
        };
        let growth = |failed: &FailedRequests| failed.count.saturating_sub(before(failed.kind));
        // Of several that grew alike, the one that is most frequent, which comes first.
        let grown = kinds.iter().rev().filter(|failed| growth(failed) > 0);
        let newest = grown
            .max_by_key(|failed| growth(failed))
            .map(|failed| failed.kind);
        self.newest = newest.or(self.newest);
        self.failures = kinds.iter().map(|failed| (failed.kind, failed.count)).collect();
        let found = kinds
            .into_iter()
            .find(|failed| Some(failed.kind) == self.newest)?;
        let shown = show_failure(found, &self.masks);
        let said = shown.body.map(|body| message_of(&body));
        let said = said
            .or(shown.location.map(|to| format!("to {to}")))
            .or(shown.place)
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        let status = match found.kind.status {
            // Their outcomes name it.
            0 | 429 | 503 => String::new(),
            status => format!(" {status}"),
        };
        let (outcome, count) = (found.kind.outcome.name(), found.count);
        Some(format!("{count} x {outcome}{status}{said}"))
    }

    /// Computes how busy each core was between its last two snapshots; a core that sent none since keeps its figure.
    fn cores_busy(&mut self, aggregator: &Aggregator) -> Vec<f64> {
        // Those of further ranks show up with their first snapshots.
        let cores = self.cores.len().max(aggregator.merged().cores.len());
        self.cores.resize(cores, CoreView::default());
        for (view, core) in self.cores.iter_mut().zip(&aggregator.merged().cores) {
            let (busy_ns, wall_ns) = (core.counters.busy_ns, core.counters.wall_ns);
            if wall_ns > view.wall_ns {
                let busy = (busy_ns - view.busy_ns) as f64 / (wall_ns - view.wall_ns) as f64;
                *view = CoreView {
                    busy_ns,
                    wall_ns,
                    busy: busy.min(1.0),
                };
            }
        }
        self.cores.iter().map(|view| view.busy).collect()
    }
}

/// Returns the failures by outcome, the most frequent first.
fn errors(total: &SeriesTotals) -> Vec<(&'static str, u64)> {
    let mut errors: Vec<(&'static str, u64)> = Outcome::ALL
        .iter()
        .filter(|o| o.is_failure() && total.outcome(**o) > 0)
        .map(|o| (o.name(), total.outcome(*o)))
        .collect();
    errors.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    errors
}

/// Returns the models that the requests to a server, or to all, ask for, each once.
fn models(plan: &Plan, server: Option<u16>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let kinds = plan.workload.kinds.iter();
    for kind in kinds.filter(|kind| server.is_none_or(|server| kind.server == server)) {
        if let Call::Chat(Chat { models, .. }) = &kind.call {
            for model in models {
                if !found.contains(model) {
                    found.push(model.clone());
                }
            }
        }
    }
    found
}

/// Returns the figures of each server; none if there is only one.
fn servers(plan: &Plan, merged: &Merged, window: &WindowFigures) -> Vec<LiveServer> {
    let figures = |(server, name): (u16, String)| {
        let kinds = plan.workload.kinds.iter().enumerate();
        let (mut sum, mut in_flight, mut failed) = (SeriesSlot::default(), 0, 0);
        for (index, _) in kinds.filter(|(_, kind)| kind.server == server) {
            if let Some(series) = window.series.get(index) {
                sum.merge(series);
            }
            if let Some(series) = merged.series.get(index) {
                in_flight += series.started.saturating_sub(series.finished());
                failed += series.failed();
            }
        }
        LiveServer {
            name,
            models: models(plan, Some(server)),
            requests_per_second: rate(sum.completed, window.span),
            output_tokens_per_second: rate(sum.output_tokens, window.span),
            ttft_mean: sum.ttft_mean(),
            in_flight,
            failed,
        }
    };
    (0u16..).zip(plan.server_names()).map(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Recorder, Snapshot};
    use crate::plan::Executor;
    use crate::units::SECOND;

    fn plan() -> Plan {
        Plan::with_executor(Executor::ConstantVus {
            vus: 4,
            duration: 10 * SECOND,
        })
    }

    fn tick<'a>(plan: &'a Plan, aggregator: &'a Aggregator, elapsed: Nanos, stopping: bool) -> LiveTick<'a> {
        LiveTick {
            plan,
            aggregator,
            elapsed,
            vus_planned: 4,
            ranks: None,
            thresholds: LiveThresholds::default(),
            stopping,
        }
    }

    #[test]
    fn a_core_is_as_busy_as_in_its_last_interval_not_as_since_the_start() {
        let mut aggregator = Aggregator::new(2, 0);
        let mut recorders = [0, 1].map(|core| Recorder::new(core, 0, false));
        let mut view = LiveView::new("http://host", &Masks::new(), 2, true);
        let plan = plan();
        let mut busy = Vec::new();
        // The second core sends nothing in the second interval.
        for (second, shares) in [[0.5, 0.25], [1.0, -1.0], [0.0, 0.5]].iter().enumerate() {
            for (recorder, share) in recorders
                .iter_mut()
                .zip(shares)
                .filter(|(_, share)| **share >= 0.0)
            {
                recorder.counters().wall_ns += SECOND;
                recorder.counters().busy_ns += (share * SECOND as f64) as u64;
                aggregator.append_snapshot(&recorder.take(Snapshot::new(0, 0, false)));
            }
            let elapsed = (second as u64 + 1) * SECOND;
            aggregator.tick(elapsed, 4);
            let tick = tick(&plan, &aggregator, elapsed, false);
            busy.push(view.figures(&tick).cores_busy);
        }
        assert_eq!(busy, [[0.5, 0.25], [1.0, 0.25], [0.0, 0.5]]);
    }

    #[test]
    fn the_phase_follows_the_plan_unless_the_run_was_stopped() {
        let aggregator = Aggregator::new(1, 0);
        let mut view = LiveView::new("http://host", &Masks::new(), 1, true);
        let mut phase =
            |elapsed, stopping| view.figures(&tick(&plan(), &aggregator, elapsed, stopping)).phase;
        assert_eq!(phase(9 * SECOND, false), LivePhase::Running);
        assert_eq!(phase(10 * SECOND, false), LivePhase::Finishing);
        assert_eq!(phase(3 * SECOND, true), LivePhase::Stopping);
    }

    #[test]
    fn the_newest_failure_is_the_kind_that_grew_last_with_its_count() {
        use crate::metrics::{Evidence, Sample};
        let mut aggregator = Aggregator::new(1, 1);
        let mut recorder = Recorder::new(0, 1, false);
        let mut view = LiveView::new("http://host", &Masks::default(), 1, true);
        let plan = plan();
        let mut newest = Vec::new();
        // The outcomes that fail in each second; in the third, none.
        for (second, outcomes) in [
            (1, vec![Outcome::Http503, Outcome::Http503]),
            (2, vec![Outcome::Reset]),
            (3, vec![]),
            (4, vec![Outcome::Http503, Outcome::Reset]),
        ] {
            for outcome in outcomes {
                let sample = Sample::ended(outcome, SECOND);
                recorder.started(0);
                recorder.finish(&sample);
                let text = outcome.name().as_bytes();
                let evidence = Evidence {
                    text,
                    ..Evidence::default()
                };
                recorder.show_failure(0, &sample, &evidence);
            }
            aggregator.append_snapshot(&recorder.take(Snapshot::new(0, 1, false)));
            aggregator.tick(second * SECOND, 1);
            let tick = tick(&plan, &aggregator, second * SECOND, false);
            newest.push(view.figures(&tick).newest_failure.unwrap_or_default());
        }
        let begins = ["2 x http_503", "1 x reset", "1 x reset", "3 x http_503"];
        for (found, begin) in newest.iter().zip(begins) {
            assert!(found.starts_with(begin), "{newest:#?}");
        }
    }
}
