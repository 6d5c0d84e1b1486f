//! Thresholds judged: over the whole run, over a sliding window of ten seconds while it goes on, step by step.
//!
//! ```text
//! once a second:  append_snapshot(of core 0), append_snapshot(of core 1), ..., tick(elapsed, VUs)
//! at the end:     append_snapshot(of each core), tick(elapsed, VUs), finish(duration, ..)
//! ```
//! Pure: times come in as arguments. Memory: `plan::THRESHOLD_TRENDS_MAX` says how much at most.

mod growth;
mod steps;
mod tally;

pub use growth::{GROWTH_SPAN_MIN, rss_growth};
pub use steps::{SETTLE, StepResult, StepsResult};
pub use tally::Tally;

use crate::metrics::{SeriesTotals, Snapshot};
use crate::plan::{Executor, Plan, Plateau, Selector, Threshold, ThresholdMetric};
use crate::report::Sliding;
use crate::units::{Nanos, decimal, seconds};
use crate::workload::RequestKind;
use serde::{Deserialize, Serialize};
use steps::Steps;

/// What became of a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// With its tags, as written.
    pub metric: String,
    pub expression: String,
    /// Trends in milliseconds; null: there were no samples, and the threshold failed, unless it does not apply.
    pub observed: Option<f64>,
    pub ok: bool,
    /// It is about something that this run did not have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_applicable: bool,
    /// Null: not reached.
    pub breaking_point: Option<BreakingPoint>,
    /// Of a document that joins several: what could not be judged on all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_recomputed: Option<String>,
}

/// The end of the first window that failed for good, and the users at that time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakingPoint {
    /// Since the start of the load.
    pub elapsed_seconds: f64,
    /// Planned.
    pub vus: u64,
    pub vus_running: u64,
}

/// How many VUs there are at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vus {
    pub planned: u64,
    pub running: u64,
}

/// Everything that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// In the plan's order.
    pub thresholds: Vec<ThresholdResult>,
    pub steps: Option<StepsResult>,
}

/// What the thresholds on one metric of the same requests share.
#[derive(Debug)]
struct Watch {
    metric: ThresholdMetric,
    selector: Selector,
    /// The series it looks at.
    series: Vec<usize>,
    /// Since the last tick.
    open: Tally,
    window: Sliding<Tally>,
    /// Since the current step has settled.
    step: Tally,
    /// Since the start, up to the last tick.
    total: Tally,
}

/// What a server that hangs is known by, between two ticks.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    completed: u64,
    vus_planned: u64,
}

#[derive(Debug)]
pub struct Judge {
    thresholds: Vec<Threshold>,
    /// Index of each threshold's watch.
    watch_of: Vec<usize>,
    watches: Vec<Watch>,
    window: Sliding<Pulse>,
    /// Requests that ended since the last tick.
    completed: u64,
    /// From here on windows are not judged: the final way down.
    load_end: Nanos,
    load_is_over: bool,
    /// Each threshold's first failed window of those that failed since.
    failing: Vec<Option<BreakingPoint>>,
    /// The threshold that ended the run, and what it saw then.
    aborted: Option<(usize, f64)>,
    steps: Steps,
}

impl Judge {
    pub fn of(plan: &Plan) -> Judge {
        // A shard without VUs has nothing that could be judged; the others' documents have all of it.
        let thresholds = match plan.vus_of_shard() {
            0 => Vec::new(),
            _ => plan.thresholds.clone(),
        };
        Judge::new(
            thresholds,
            &plan.workload.kinds,
            &plan.executor,
            plan.steps.clone(),
        )
    }

    /// `kinds` are the series of the snapshots to come.
    pub fn new(
        thresholds: Vec<Threshold>,
        kinds: &[RequestKind],
        executor: &Executor,
        steps: Vec<Plateau>,
    ) -> Judge {
        let mut watches: Vec<Watch> = Vec::new();
        let mut watch_of = Vec::with_capacity(thresholds.len());
        for threshold in &thresholds {
            let same = |w: &Watch| w.metric == threshold.metric && w.selector == threshold.selector;
            let known = watches.iter().position(same);
            watch_of.push(known.unwrap_or(watches.len()));
            if known.is_none() {
                watches.push(Watch::new(threshold, kinds));
            }
        }
        Judge {
            failing: vec![None; thresholds.len()],
            thresholds,
            watch_of,
            watches,
            window: Sliding::new(),
            completed: 0,
            load_end: executor.load_end(),
            load_is_over: false,
            aborted: None,
            steps: Steps::new(steps),
        }
    }

    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.append_series(&snapshot.series);
    }

    pub fn append_series(&mut self, series: &[SeriesTotals]) {
        self.completed += series.iter().map(SeriesTotals::completed).sum::<u64>();
        for watch in &mut self.watches {
            for index in &watch.series {
                let expected = watch.selector.expected_response;
                watch.open.merge_series(watch.metric, expected, &series[*index]);
            }
        }
    }

    /// The load was ended before its plan: windows are not judged any more.
    pub fn end_load(&mut self) {
        self.load_is_over = true;
    }

    /// Closes the second that ends at `elapsed`. A text: a threshold with `abortOnFail` has failed, for the first
    /// time, and the run is to end.
    pub fn tick(&mut self, elapsed: Nanos, vus: Vus) -> Option<String> {
        let start = self.window.end();
        let end = elapsed.max(start + 1);
        let completed = std::mem::take(&mut self.completed);
        if self.steps.leaves(start, end) {
            self.close_step();
        }
        let pulse = Pulse {
            completed,
            vus_planned: vus.planned,
        };
        self.window.push(pulse, end);
        let in_step = self.steps.enters(start, end, completed);
        for watch in &mut self.watches {
            watch.close(end, in_step);
        }
        self.load_is_over |= end > self.load_end;
        if !self.load_is_over {
            self.judge_window(vus);
        }
        self.abort()
    }

    fn judge_window(&mut self, vus: Vus) {
        let span = self.window.span();
        let is_silent = self.is_silent();
        let point = BreakingPoint {
            elapsed_seconds: seconds(self.window.end()),
            vus: vus.planned,
            vus_running: vus.running,
        };
        for (index, watch) in self.watches.iter().enumerate() {
            let mut tally = Tally::default();
            watch.window.slots().for_each(|slot| tally.merge(slot));
            let judged = self.watch_of.iter().zip(&self.thresholds).zip(&mut self.failing);
            for ((_, threshold), failing) in judged.filter(|((watch, _), _)| **watch == index) {
                let holds = tally
                    .figure(threshold.metric, threshold.aggregation, span)
                    .map(|observed| threshold.holds(observed));
                let is_silent = is_silent && threshold.metric != ThresholdMetric::ServerRssGrowth;
                match holds {
                    Some(true) => *failing = None,
                    Some(false) => *failing = failing.or(Some(point)),
                    None if is_silent => *failing = failing.or(Some(point)),
                    None => {}
                }
            }
        }
    }

    /// Users were there all through a whole window, and nothing ended: the server hangs.
    fn is_silent(&self) -> bool {
        let silent = |pulse: &Pulse| pulse.completed == 0 && pulse.vus_planned > 0;
        self.window.is_full() && self.window.slots().all(silent)
    }

    fn abort(&mut self) -> Option<String> {
        if self.aborted.is_some() {
            return None;
        }
        let end = self.window.end();
        let thresholds = self.thresholds.iter().zip(&self.watch_of).enumerate();
        for (index, (threshold, watch)) in thresholds {
            let total = &self.watches[*watch].total;
            if threshold.abort_after.is_some_and(|after| end >= after)
                && let Some(observed) = total.figure(threshold.metric, threshold.aggregation, end)
                && !threshold.holds(observed)
            {
                self.aborted = Some((index, observed));
                let Threshold { key, text, .. } = threshold;
                let observed = decimal(observed);
                return Some(format!("{key}: {text} failed, observed {observed}"));
            }
        }
        None
    }

    fn close_step(&mut self) {
        let span = self.steps.span();
        let results = self.results(|watch| &watch.step, span);
        self.steps.close(results);
        for watch in &mut self.watches {
            watch.step.reset();
        }
    }

    /// One result for each threshold by the tallies that `pick` takes, without breaking points.
    fn results(&self, pick: fn(&Watch) -> &Tally, span: Nanos) -> Vec<ThresholdResult> {
        let thresholds = self.thresholds.iter().zip(&self.watch_of);
        let result = |(threshold, watch): (&Threshold, &usize)| {
            let tally = pick(&self.watches[*watch]);
            let observed = tally.figure(threshold.metric, threshold.aggregation, span);
            let not_applicable = threshold.metric == ThresholdMetric::ServerRssGrowth;
            ThresholdResult {
                metric: threshold.key.clone(),
                expression: threshold.text.clone(),
                observed,
                ok: not_applicable || observed.is_some_and(|observed| threshold.holds(observed)),
                not_applicable,
                breaking_point: None,
                not_recomputed: None,
            }
        };
        thresholds.map(result).collect()
    }

    /// `server_rss`: a managed server's resident bytes over elapsed time; empty where there is none.
    pub fn finish(mut self, duration: Nanos, server_rss: &[(Nanos, u64)]) -> Judged {
        self.close_step();
        for watch in &mut self.watches {
            watch.total.merge(&watch.open);
        }
        let mut results = self.results(|watch| &watch.total, duration);
        let steps = std::mem::replace(&mut self.steps, Steps::new(Vec::new())).finish();
        let decisive = steps.as_ref().and_then(StepsResult::decisive);
        let growth = rss_growth(server_rss, duration);
        for (index, result) in results.iter_mut().enumerate() {
            let threshold = &self.thresholds[index];
            if let (ThresholdMetric::ServerRssGrowth, Some(kib)) = (threshold.metric, growth) {
                result.observed = growth;
                result.ok = threshold.holds(kib);
                result.not_applicable = false;
            } else if let Some(step) = decisive {
                result.observed = step.thresholds[index].observed;
                result.ok = step.thresholds[index].ok;
            }
            if let Some((_, observed)) = self.aborted.filter(|(aborted, _)| *aborted == index) {
                result.observed = Some(observed);
                result.ok = false;
            }
            result.breaking_point = self.failing[index];
        }
        Judged {
            thresholds: results,
            steps,
        }
    }
}

impl Watch {
    fn new(threshold: &Threshold, kinds: &[RequestKind]) -> Watch {
        let selector = threshold.selector.clone();
        let kinds = kinds.iter().enumerate();
        Watch {
            metric: threshold.metric,
            series: kinds
                .filter(|(_, kind)| selector.selects(kind))
                .map(|(index, _)| index)
                .collect(),
            selector,
            open: Tally::default(),
            window: Sliding::new(),
            step: Tally::default(),
            total: Tally::default(),
        }
    }

    /// Ends the slot of what came since the last tick at `end`. A slot that leaves the window is used again.
    fn close(&mut self, end: Nanos, in_step: bool) {
        self.total.merge(&self.open);
        if in_step {
            self.step.merge(&self.open);
        }
        let full = std::mem::take(&mut self.open);
        self.open = self.window.push(full, end).unwrap_or_default();
        self.open.reset();
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
