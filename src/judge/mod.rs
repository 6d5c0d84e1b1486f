//! Judges thresholds: over the whole run, over a sliding window of ten seconds while it runs, and step by step.
//!
//! ```text
//! once a second:  append_snapshot(of core 0), append_snapshot(of core 1), ..., tick(elapsed, VUs)
//! at the end:     append_snapshot(of each core), tick(elapsed, VUs), finish(duration, ..)
//! ```
//! The room is pure: times come in as arguments. `plan::THRESHOLD_TRENDS_MAX` bounds the memory.

mod growth;
mod pairs;
mod steps;
mod tally;

pub use growth::{GROWTH_SPAN_MIN, rss_growth};
pub use steps::{SETTLE, StepResult, StepTimes, StepsResult};
pub use tally::Tally;

use crate::metrics::{SeriesTotals, Snapshot};
use crate::paired::PairFindings;
use crate::plan::{Executor, Phases, Plan, Plateau, RateCurve, Selector, Threshold, ThresholdMetric};
use crate::report::{LiveThresholds, Sliding};
use crate::units::{Nanos, seconds};
use crate::workload::RequestKind;
use serde::{Deserialize, Serialize};
use steps::Steps;

/// The result of a threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// Metric with its tags, as written.
    pub metric: String,
    pub expression: String,
    /// Observed figure, trends in milliseconds. Null if there were no samples; the threshold has failed then, unless it
    /// does not apply.
    pub observed: Option<f64>,
    pub ok: bool,
    /// Of a quantile: whether its interval lies on one side of the limit. False if it does not, or if there are too few
    /// samples for an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<bool>,
    /// Of a quantile: where it lies with 95 % confidence; `None` if there are too few samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The threshold concerns something that this run did not have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_applicable: bool,
    /// Breaking point; null if it was not reached, or if steps say where the threshold fails.
    pub breaking_point: Option<BreakingPoint>,
    /// In a merged document: why it could not be judged on all of the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_recomputed: Option<String>,
}

/// The end of the first window that failed for good, and the users at that time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakingPoint {
    /// Time since the start of the load.
    pub elapsed_seconds: f64,
    /// Planned number of VUs.
    pub vus: u64,
    pub vus_running: u64,
    /// Planned rate of arrivals, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
}

/// The number of VUs at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vus {
    pub planned: u64,
    pub running: u64,
}

impl ThresholdResult {
    /// Returns true if there were samples, but not enough to know on which side of the limit the quantile lies.
    pub fn is_undecided(&self) -> bool {
        self.decided == Some(false) && !self.not_applicable
    }

    /// Fails a threshold that is not decided.
    pub fn require_decided(&mut self) {
        self.ok &= !self.is_undecided();
    }
}

/// The results of all thresholds and steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Results in the plan's order.
    pub thresholds: Vec<ThresholdResult>,
    pub steps: Option<StepsResult>,
}

/// The tallies shared by all thresholds on one metric of the same requests.
#[derive(Debug)]
struct Watch {
    metric: ThresholdMetric,
    selector: Selector,
    /// Indices of the series it looks at.
    series: Vec<usize>,
    /// Tally since the last tick.
    open: Tally,
    window: Sliding<Tally>,
    /// Tally since the current step settled.
    step: Tally,
    /// Tally from the start to the last tick.
    total: Tally,
}

/// The counts between two ticks by which a server that hangs is recognised.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    completed: u64,
    /// There was something to do by the plan: users, or arrivals.
    is_loaded: bool,
}

/// The period that results are about: one step, which is steady, or the run up to an instant.
#[derive(Clone, Copy, Debug)]
enum Span {
    Step(Nanos),
    Until(Nanos),
}

#[derive(Debug)]
pub struct Judge {
    thresholds: Vec<Threshold>,
    /// Index of each threshold's watch.
    watch_of: Vec<usize>,
    watches: Vec<Watch>,
    window: Sliding<Pulse>,
    phases: Phases,
    /// Requests that ended since the last tick.
    completed: u64,
    /// Start of the final ramp-down, from which on windows are not judged.
    load_end: Nanos,
    /// The planned rate of all shards, if requests arrive at one.
    curve: Option<RateCurve>,
    shards: u32,
    load_is_over: bool,
    /// First failed window of each threshold that has failed in every window since.
    failing: Vec<Option<BreakingPoint>>,
    /// Index of the threshold that ended the run, and its result at that time.
    aborted: Option<(usize, ThresholdResult)>,
    steps: Steps,
}

impl Judge {
    pub fn from_plan(plan: &Plan) -> Judge {
        // A shard without VUs has nothing to judge; the thresholds are judged in the documents of the others.
        let thresholds = match plan.vus_of_shard() {
            0 => Vec::new(),
            _ => plan.thresholds.clone(),
        };
        let judge = Judge::new(
            thresholds,
            &plan.workload.kinds,
            &plan.executor,
            plan.steps.clone(),
        );
        Judge {
            shards: plan.shard.count(),
            ..judge
        }
    }

    /// Makes it a judge that ends no load: it only says what held.
    pub fn without_abort(mut self) -> Judge {
        for threshold in &mut self.thresholds {
            threshold.abort_after = None;
        }
        self
    }

    /// Makes a judge of `thresholds`; `kinds` are the series of the snapshots that it will get.
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
            phases: Phases::of(executor),
            completed: 0,
            load_end: executor.load_end(),
            curve: executor.rate_curve(),
            shards: 1,
            load_is_over: false,
            aborted: None,
            steps: Steps::new(steps),
        }
    }

    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        for (index, is_steady, series) in snapshot.each() {
            // Where phases are not kept apart, there is only one.
            let is_steady = is_steady || !snapshot.phased;
            // A user who cancels has not waited in vain.
            self.completed += series.completed() + series.cancelled();
            self.steps.append_series(series);
            for watch in &mut self.watches {
                if is_steady || !watch.selector.steady {
                    watch.append(index, series);
                }
            }
        }
    }

    /// Adds the figures of a whole run by series: those of all requests, and those of the steady part.
    pub fn append_series(&mut self, all: &[SeriesTotals], steady: &[SeriesTotals]) {
        for watch in &mut self.watches {
            let series = if watch.selector.steady { steady } else { all };
            for (index, series) in series.iter().enumerate() {
                watch.append(index, series);
            }
        }
    }

    /// Returns the index of the threshold that ended the load.
    pub fn aborted(&self) -> Option<usize> {
        self.aborted.as_ref().map(|(index, _)| *index)
    }

    /// Stops judging windows, because the load was ended before its plan was over.
    pub fn end_load(&mut self) {
        self.load_is_over = true;
    }

    /// Closes the second that ends at `elapsed`. Returns a text if a threshold with `abortOnFail` has failed for the
    /// first time, so that the run must end.
    pub fn tick(&mut self, elapsed: Nanos, vus: Vus) -> Option<String> {
        let start = self.window.end();
        let end = elapsed.max(start + 1);
        let completed = std::mem::take(&mut self.completed);
        if self.steps.must_close(start, end) {
            self.close_step();
        }
        let pulse = Pulse {
            completed,
            is_loaded: vus.planned > 0 || self.rate_before(end).is_some_and(|rate| rate > 0.0),
        };
        self.window.push(pulse, end);
        let in_step = self.steps.record(start, end);
        for watch in &mut self.watches {
            watch.close(end, in_step);
        }
        self.load_is_over |= end > self.load_end;
        if !self.load_is_over {
            self.judge_window(vus);
        }
        self.abort()
    }

    /// Returns the planned rate of this shard just before `end`.
    fn rate_before(&self, end: Nanos) -> Option<f64> {
        let rate = self.curve.as_ref()?.rate_at(end.saturating_sub(1));
        Some(rate / f64::from(self.shards))
    }

    fn judge_window(&mut self, vus: Vus) {
        let (end, span) = (self.window.end(), self.window.span());
        let is_silent = self.is_silent();
        let point = BreakingPoint {
            elapsed_seconds: seconds(self.window.end()),
            vus: vus.planned,
            vus_running: vus.running,
            rate_per_second: self.rate_before(self.window.end()),
        };
        for (index, watch) in self.watches.iter().enumerate() {
            let mut tally = Tally::default();
            watch.window.slots().for_each(|slot| tally.merge(slot));
            let judged = self.watch_of.iter().zip(&self.thresholds).zip(&mut self.failing);
            for ((_, threshold), failing) in judged.filter(|((watch, _), _)| **watch == index) {
                let span = match threshold.selector.steady {
                    true => self.phases.steady_within(end - span, end),
                    false => span,
                };
                let holds = tally
                    .figure(threshold.metric, threshold.aggregation, span)
                    .map(|observed| threshold.holds(observed));
                let is_silent = is_silent && !threshold.metric.is_of_the_end();
                match holds {
                    Some(true) => *failing = None,
                    Some(false) => *failing = failing.or(Some(point)),
                    None if is_silent => *failing = failing.or(Some(point)),
                    None => {}
                }
            }
        }
    }

    /// Returns true if the server hangs: there were users during a whole window, and nothing ended.
    fn is_silent(&self) -> bool {
        let silent = |pulse: &Pulse| pulse.completed == 0 && pulse.is_loaded;
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
            let span = self.span_of(threshold, end);
            if threshold.abort_after.is_some_and(|after| end >= after)
                && let Some(observed) = total.figure(threshold.metric, threshold.aggregation, span)
                && !threshold.holds(observed)
            {
                self.aborted = Some((index, result_of(threshold, total, span)));
                let (rule, observed) = (threshold.says(), threshold.shown(observed));
                return Some(format!("`{rule}` does not hold ({observed})"));
            }
        }
        None
    }

    /// Returns the time by which a rate of the run up to `end` divides: what of it was steady, if only that is asked
    /// for.
    fn span_of(&self, threshold: &Threshold, end: Nanos) -> Nanos {
        match threshold.selector.steady {
            true => self.phases.steady_within(0, end),
            false => end,
        }
    }

    /// Returns the state of the thresholds as of the last tick: over the whole run so far, or over the current step if
    /// steps are judged.
    pub fn so_far(&self) -> LiveThresholds {
        let (pick, span): (fn(&Watch) -> &Tally, Span) = match self.steps.are_judged() {
            true => (|watch| &watch.step, Span::Step(self.steps.span())),
            false => (|watch| &watch.total, Span::Until(self.window.end())),
        };
        let mut state = LiveThresholds::default();
        for (threshold, result) in self.thresholds.iter().zip(self.results(pick, span)) {
            let Some(observed) = result.observed.filter(|_| !result.not_applicable) else {
                continue;
            };
            state.judged += 1;
            if !result.ok {
                let text = format!("{}: {}", threshold.says(), threshold.shown(observed));
                state.failing.push(text);
            }
        }
        state
    }

    fn close_step(&mut self) {
        let span = self.steps.span();
        let results = self.results(|watch| &watch.step, Span::Step(span));
        self.steps.close(results);
        for watch in &mut self.watches {
            watch.step.reset();
        }
    }

    /// Returns one result for each threshold from the tallies that `pick` chooses, without breaking points.
    fn results(&self, pick: fn(&Watch) -> &Tally, span: Span) -> Vec<ThresholdResult> {
        let thresholds = self.thresholds.iter().zip(&self.watch_of);
        thresholds
            .map(|(threshold, watch)| {
                let span = match span {
                    Span::Step(span) => span,
                    Span::Until(end) => self.span_of(threshold, end),
                };
                result_of(threshold, pick(&self.watches[*watch]), span)
            })
            .collect()
    }

    /// Judges the whole run. `server_rss` is a managed server's resident bytes over elapsed time; empty if there is
    /// none. `found` is what pairs of requests show, if the run had any.
    pub fn finish(
        mut self,
        duration: Nanos,
        server_rss: &[(Nanos, u64)],
        found: Option<&PairFindings>,
    ) -> Judged {
        self.close_step();
        for watch in &mut self.watches {
            watch.total.merge(&watch.open);
        }
        let mut results = self.results(|watch| &watch.total, Span::Until(duration));
        let steps = std::mem::replace(&mut self.steps, Steps::new(Vec::new())).finish();
        let decisive = steps.as_ref().and_then(StepsResult::decisive);
        let growth = rss_growth(server_rss, duration);
        for (index, result) in results.iter_mut().enumerate() {
            let threshold = &self.thresholds[index];
            if let (ThresholdMetric::ServerRssGrowth, Some(kib)) = (threshold.metric, growth) {
                result.observed = growth;
                result.ok = threshold.holds(kib);
                result.not_applicable = false;
            } else if threshold.metric.is_of_pairs() {
                pairs::judge(threshold, found, result);
            } else if let Some(step) = decisive {
                *result = step.thresholds[index].clone();
            }
            if let Some((_, at_its_end)) = self.aborted.take_if(|(aborted, _)| *aborted == index) {
                *result = at_its_end;
            }
            // A run that is judged by a step would contradict itself: beyond its peak it fails in every window.
            result.breaking_point = self.failing[index].filter(|_| decisive.is_none());
        }
        Judged {
            thresholds: results,
            steps,
        }
    }
}

/// Judges a threshold by the figures of a period of `span`.
fn result_of(threshold: &Threshold, tally: &Tally, span: Nanos) -> ThresholdResult {
    let observed = tally.figure(threshold.metric, threshold.aggregation, span);
    let not_applicable = threshold.metric.is_of_the_end();
    let quantile = threshold.quantile().filter(|_| observed.is_some());
    let interval = quantile.and_then(|q| tally.interval(threshold.metric, q));
    ThresholdResult {
        metric: threshold.key.clone(),
        expression: threshold.text.clone(),
        observed,
        ok: not_applicable || observed.is_some_and(|observed| threshold.holds(observed)),
        decided: quantile.map(|_| interval.is_some_and(|interval| threshold.is_decided(interval))),
        interval,
        not_applicable,
        breaking_point: None,
        not_recomputed: None,
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

    /// Adds figures of the series with this index, if it is one of those looked at.
    fn append(&mut self, index: usize, series: &SeriesTotals) {
        if self.series.contains(&index) {
            let expected = self.selector.expected_response;
            self.open.merge_series(self.metric, expected, series);
        }
    }

    /// Closes the slot of the time since the last tick at `end`. The memory of a slot that leaves the window is used
    /// again.
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
mod decided_tests;
#[cfg(test)]
mod rates_tests;
#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
