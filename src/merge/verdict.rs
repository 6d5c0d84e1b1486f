//! The verdict on the whole: thresholds judged on all requests together, and the reasons why the load ended.

use crate::error::ExitCode;
use crate::judge::{Judge, Judged, StepsResult, ThresholdResult};
use crate::merge::Part;
use crate::metrics::SeriesTotals;
use crate::paired::PairFindings;
use crate::plan::{Plan, Threshold, ThresholdMetric};
use crate::result::StoppedBy;
use crate::units::Nanos;

/// The note on breaking points, which need histograms of windows of time, and documents have none.
const POINT: &str = "no breaking point: windows are only judged during a run";
const STEPS: &str = "steps are only judged during a run: it passes if it passed in every shard";
const FAILED_APART: &str =
    "documents do not separate the values of failed requests: it passes if it passed in every shard";
const PER_SERVER: &str = "each shard has its own server: the largest figure is shown";

/// What was judged on the whole while all parts of it were loaded together.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveJudged {
    pub judged: Judged,
    /// Index of the threshold that ended the load.
    pub aborted: Option<usize>,
}

impl LiveJudged {
    /// Adds what documents alone do not say to the results of the documents: breaking points, steps, the values of
    /// failed requests, and at what figure a threshold ended the load.
    pub fn complete(&self, results: Vec<ThresholdResult>) -> (Vec<ThresholdResult>, Option<StepsResult>) {
        let complete = |result: ThresholdResult| {
            let same =
                |live: &ThresholdResult| live.metric == result.metric && live.expression == result.expression;
            let Some(index) = self.judged.thresholds.iter().position(same) else {
                return result;
            };
            let live = &self.judged.thresholds[index];
            match result.not_recomputed.as_deref() {
                _ if self.aborted == Some(index) => live.clone(),
                Some(POINT) => ThresholdResult {
                    breaking_point: live.breaking_point,
                    not_recomputed: None,
                    ..result
                },
                Some(STEPS | FAILED_APART) => live.clone(),
                _ => result,
            }
        };
        let results = results.into_iter().map(complete).collect();
        (results, self.judged.steps.clone())
    }
}

/// Judges the thresholds on all requests, and adds what was judged while the load went on. `series` and `steady` are as
/// in [`thresholds`].
pub fn judged(
    plan: &Plan,
    parts: &[Part],
    (series, steady): (&[SeriesTotals], &[SeriesTotals]),
    duration: Nanos,
    pairs: Option<&PairFindings>,
    live: Option<&LiveJudged>,
) -> (Vec<ThresholdResult>, Option<StepsResult>) {
    let results = thresholds(plan, parts, (series, steady), duration, pairs);
    match live {
        Some(live) => live.complete(results),
        None => (results, None),
    }
}

/// Judges the thresholds on all requests. `series` and `steady` have one entry for each kind of the plan, all parts
/// together: of all requests, and of those of the steady part.
fn thresholds(
    plan: &Plan,
    parts: &[Part],
    (series, steady): (&[SeriesTotals], &[SeriesTotals]),
    duration: Nanos,
    pairs: Option<&PairFindings>,
) -> Vec<ThresholdResult> {
    let mut judge = Judge::new(
        plan.thresholds.clone(),
        &plan.workload.kinds,
        &plan.executor,
        Vec::new(),
    );
    judge.append_series(series, steady);
    let judged = judge.finish(duration, &[], pairs).thresholds;
    let mut results: Vec<ThresholdResult> = plan
        .thresholds
        .iter()
        .zip(judged)
        .map(|(threshold, judged)| result(plan, threshold, judged, parts, series))
        .collect();
    // In the order in which the shards list them, which is lost when a configuration is read from JSON.
    let order = parts
        .iter()
        .map(|part| &part.document.thresholds)
        .max_by_key(|list| list.len());
    let place = |result: &ThresholdResult| {
        order.and_then(|list| {
            list.iter()
                .position(|t| t.metric == result.metric && t.expression == result.expression)
        })
    };
    results.sort_by_key(place);
    results
}

fn result(
    plan: &Plan,
    threshold: &Threshold,
    judged: ThresholdResult,
    parts: &[Part],
    series: &[SeriesTotals],
) -> ThresholdResult {
    let why = if threshold.metric == ThresholdMetric::ServerRssGrowth {
        PER_SERVER
    } else if threshold.metric.is_of_pairs() {
        return judged;
    } else if !plan.steps.is_empty() {
        STEPS
    } else if needs_failed_apart(threshold) && series.iter().any(|s| s.failed() > 0) {
        FAILED_APART
    } else {
        return ThresholdResult {
            not_recomputed: Some(POINT.to_owned()),
            ..judged
        };
    };
    let same = parts
        .iter()
        .flat_map(|part| &part.document.thresholds)
        .filter(|t: &&ThresholdResult| {
            t.metric == threshold.key && t.expression == threshold.text && !t.not_applicable
        });
    let of_server = threshold.metric == ThresholdMetric::ServerRssGrowth;
    let observed = same.clone().filter_map(|t| t.observed).reduce(f64::max);
    ThresholdResult {
        observed: observed.filter(|_| of_server),
        ok: same.clone().all(|t| t.ok),
        decided: judged
            .decided
            .map(|_| !same.clone().any(ThresholdResult::is_undecided)),
        interval: None,
        not_applicable: of_server && same.count() == 0,
        not_recomputed: Some(why.to_owned()),
        ..judged
    }
}

/// Tells whether a threshold needs values of failed requests separate from the others. Only `latency` of requests that
/// did not fail is available, because it is a metric of its own (`latency_ok`).
fn needs_failed_apart(threshold: &Threshold) -> bool {
    use crate::metrics::MetricId::Latency;
    match (threshold.metric, threshold.selector.expected_response) {
        (_, None) | (ThresholdMetric::Trend(Latency), Some(true)) => false,
        (ThresholdMetric::Trend(_), Some(_)) => true,
        _ => false,
    }
}

/// Returns why the load ended: the most serious of the parts' reasons.
pub fn stopped_by(parts: &[Part]) -> StoppedBy {
    const BY_WEIGHT: [StoppedBy; 5] = [
        StoppedBy::Failure,
        StoppedBy::Server,
        StoppedBy::Signal,
        StoppedBy::Rank,
        StoppedBy::Threshold,
    ];
    let occurred = |reason: &StoppedBy| parts.iter().any(|part| part.document.run.stopped_by == *reason);
    BY_WEIGHT.into_iter().find(occurred).unwrap_or(StoppedBy::Plan)
}

/// Returns the exit codes of the parts that count for the whole. A threshold that failed in a single part does not,
/// unless it ended that part, because thresholds are judged on the whole. Neither does a part in which nothing
/// succeeded.
pub fn occurred(parts: &[Part]) -> Vec<ExitCode> {
    let codes = parts.iter().map(|part| part.document.run.exit_code);
    let is_of_the_part =
        |code: &ExitCode| !matches!(code, ExitCode::ThresholdFailed | ExitCode::NothingSucceeded);
    let mut occurred: Vec<ExitCode> = codes.filter(is_of_the_part).collect();
    let ended = parts
        .iter()
        .any(|part| part.document.run.stopped_by == StoppedBy::Threshold);
    if ended {
        occurred.push(ExitCode::ThresholdFailed);
    }
    occurred
}
