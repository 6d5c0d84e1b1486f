//! The figures that the block on a terminal shows; `output::block` draws them.

use crate::metrics::{Distribution, Outcome};
use crate::plan::{Plan, StageAt};
use crate::report::Aggregator;
use crate::units::Nanos;

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

/// All figures that one drawing of the block needs.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveFigures {
    pub profile: String,
    /// k6's name of the executor.
    pub executor: &'static str,
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
    /// Requests finished since the start, including interrupted ones.
    pub requests: u64,
    pub in_flight: u64,
    pub failed: u64,
    /// Share of failed among completed requests since the start, 0 to 1.
    pub failed_rate: f64,
    /// Failures by outcome since the start, the most frequent first; only those that occurred.
    pub errors: Vec<(&'static str, u64)>,
    /// Rate over the last ten seconds, like the next three figures.
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub ttft: LiveSpread,
    pub latency: LiveSpread,
    /// Share of the last second in which each worker core was busy, 0 to 1.
    pub cores_busy: Vec<f64>,
    pub kernel_stamps: bool,
    /// Reads without a kernel stamp although one was asked for.
    pub stamps_missing: u64,
    /// Reap lag p99 of the last ten seconds.
    pub reap_lag_p99: Option<Nanos>,
}

/// The state that has to be kept from one drawing to the next.
#[derive(Debug)]
pub struct LiveView {
    kernel_stamps: bool,
    cores: Vec<CoreView>,
}

#[derive(Clone, Copy, Debug, Default)]
struct CoreView {
    busy_ns: u64,
    wall_ns: u64,
    busy: f64,
}

impl LiveView {
    pub fn new(cores: usize, kernel_stamps: bool) -> LiveView {
        LiveView {
            kernel_stamps,
            cores: vec![CoreView::default(); cores],
        }
    }

    /// Returns the figures after the tick at `elapsed`.
    pub fn figures(
        &mut self,
        aggregator: &Aggregator,
        plan: &Plan,
        elapsed: Nanos,
        vus_planned: u64,
        stopping: bool,
    ) -> LiveFigures {
        let merged = aggregator.merged();
        let (total, counters, window) = (&merged.total, merged.counters(), aggregator.window());
        let duration = plan.executor.duration();
        let mut errors: Vec<(&'static str, u64)> = Outcome::ALL
            .iter()
            .filter(|o| o.is_failure() && total.outcome(**o) > 0)
            .map(|o| (o.name(), total.outcome(*o)))
            .collect();
        errors.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let mut stage = plan.executor.stage_at(elapsed);
        stage.target = plan.shard.vus_of(stage.target);
        LiveFigures {
            profile: plan.profile.clone(),
            executor: plan.executor.name(),
            stage,
            phase: match stopping {
                true => LivePhase::Stopping,
                false if elapsed >= duration => LivePhase::Finishing,
                false => LivePhase::Running,
            },
            elapsed,
            duration,
            iterations: plan.iterations_of_shard(),
            vus_planned,
            vus_running: counters.vus_running,
            connections: counters.connections_open,
            requests: total.finished(),
            in_flight: merged.in_flight(),
            failed: total.failed(),
            failed_rate: total.failed_rate().unwrap_or(0.0),
            errors,
            requests_per_second: window.requests_per_second,
            output_tokens_per_second: window.output_tokens_per_second,
            ttft: LiveSpread::from_distribution(&window.ttft),
            latency: LiveSpread::from_distribution(&window.latency),
            cores_busy: self.cores_busy(aggregator),
            kernel_stamps: self.kernel_stamps,
            stamps_missing: counters.stamps_missing,
            reap_lag_p99: window.reap_lag.quantile(0.99),
        }
    }

    /// Computes how busy each core was between its last two snapshots; a core that sent none since keeps its figure.
    fn cores_busy(&mut self, aggregator: &Aggregator) -> Vec<f64> {
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

    #[test]
    fn a_core_is_as_busy_as_in_its_last_interval_not_as_since_the_start() {
        let mut aggregator = Aggregator::new(2, 0);
        let mut recorders = [0, 1].map(|core| Recorder::new(core, 0, false));
        let mut view = LiveView::new(2, true);
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
            busy.push(view.figures(&aggregator, &plan, elapsed, 4, false).cores_busy);
        }
        assert_eq!(busy, [[0.5, 0.25], [1.0, 0.25], [0.0, 0.5]]);
    }

    #[test]
    fn the_phase_follows_the_plan_unless_the_run_was_stopped() {
        let aggregator = Aggregator::new(1, 0);
        let mut view = LiveView::new(1, true);
        let mut phase = |elapsed, stopping| {
            let figures = view.figures(&aggregator, &plan(), elapsed, 0, stopping);
            figures.phase
        };
        assert_eq!(phase(9 * SECOND, false), LivePhase::Running);
        assert_eq!(phase(10 * SECOND, false), LivePhase::Finishing);
        assert_eq!(phase(3 * SECOND, true), LivePhase::Stopping);
    }
}
