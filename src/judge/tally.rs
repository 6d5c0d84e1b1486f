//! Tallies: what a threshold's metric counts of some requests in some period.

use crate::metrics::{Distribution, MetricId, Outcome, SeriesTotals};
use crate::plan::{Aggregation, ThresholdMetric};
use crate::stats::Clusters;
use crate::units::{Nanos, millis, seconds};

/// A tally is additive: the tally of a period is the sum of the tallies of its parts. The metric decides which fields
/// are used.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests, or tokens, that the metric counts.
    hits: u64,
    /// Those of which `hits` is a share, if the metric is a share.
    base: u64,
    values: Distribution,
    /// Of `tbt`: its values by request.
    gaps: Clusters,
}

impl Tally {
    /// Adds what `metric` counts in `series`. `expected` restricts it to requests that did not fail (true) or that did
    /// (false).
    pub fn merge_series(&mut self, metric: ThresholdMetric, expected: Option<bool>, series: &SeriesTotals) {
        let (ok, failed) = match expected {
            None => (series.ok(), series.failed()),
            Some(true) => (series.ok(), 0),
            Some(false) => (0, series.failed()),
        };
        let interrupted = if expected == Some(false) {
            0
        } else {
            series.interrupted()
        };
        let cancelled = match expected {
            None => series.cancelled(),
            Some(_) => 0,
        };
        let if_failed = |n: u64| if expected == Some(true) { 0 } else { n };
        self.hits += match metric {
            ThresholdMetric::Trend(id) => return self.merge_values(id, expected, series),
            ThresholdMetric::Failed | ThresholdMetric::Failures => failed,
            ThresholdMetric::Checks => ok,
            ThresholdMetric::Outcome(outcome) if outcome.is_failure() => if_failed(series.outcome(outcome)),
            ThresholdMetric::Outcome(_) if expected == Some(false) => 0,
            ThresholdMetric::Outcome(Outcome::Cancelled) => cancelled,
            ThresholdMetric::Outcome(outcome) => series.outcome(outcome),
            ThresholdMetric::ConnectionErrors => if_failed(series.connection_errors()),
            ThresholdMetric::Timeouts => if_failed(series.timeouts()),
            ThresholdMetric::Requests => ok + failed + interrupted + cancelled,
            // One request is one iteration, unless it was interrupted.
            ThresholdMetric::Iterations => ok + failed + cancelled,
            ThresholdMetric::DroppedIterations => series.dropped_iterations,
            // These metrics do not count requests.
            ThresholdMetric::ServerRssGrowth | ThresholdMetric::Paired(_) | ThresholdMetric::PairedFailed => {
                0
            }
            ThresholdMetric::Goodput | ThresholdMetric::Good => series.goodput.good,
            ThresholdMetric::Offered => series.sending.offered,
            ThresholdMetric::Sent => series.sent(),
            ThresholdMetric::Queued => series.sending.queued,
            ThresholdMetric::Late => series.sending.late,
            ThresholdMetric::InputTokens => series.usage.prompt.tokens,
            ThresholdMetric::OutputTokens => series.output_tokens,
            ThresholdMetric::TotalTokens => series.usage.prompt.tokens + series.output_tokens,
            ThresholdMetric::CachedShare => series.usage.cached.tokens,
            ThresholdMetric::ReasoningShare => series.usage.reasoning.tokens,
        };
        self.base += match metric {
            ThresholdMetric::Goodput => series.goodput.judged,
            ThresholdMetric::Late => series.sent(),
            ThresholdMetric::CachedShare => series.usage.cached.of,
            ThresholdMetric::ReasoningShare => series.usage.reasoning.of,
            _ => ok + failed,
        };
    }

    fn merge_values(&mut self, id: MetricId, expected: Option<bool>, series: &SeriesTotals) {
        if id == MetricId::Tbt {
            self.gaps.merge(series.gaps());
        }
        match (expected, id) {
            (None, _) => self.values.merge(series.metric(id)),
            (Some(false), _) => self.values.merge(series.failed_metric(id)),
            (Some(true), MetricId::Latency) => self.values.merge(series.metric(MetricId::LatencyOk)),
            (Some(true), _) => {
                let all = series.metric(id);
                self.values.merge(&all.minus(series.failed_metric(id)));
            }
        }
    }

    pub fn merge(&mut self, other: &Tally) {
        let Tally {
            hits,
            base,
            values,
            gaps,
        } = other;
        self.hits += hits;
        self.base += base;
        self.values.merge(values);
        self.gaps.merge(gaps);
    }

    /// Returns the requests that the metric counts.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Returns the requests of which these are a share, if the metric is a share.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Returns the values of a trend.
    pub fn values(&self) -> &Distribution {
        &self.values
    }

    /// Empties the tally and keeps its memory.
    pub fn reset(&mut self) {
        let Tally {
            hits,
            base,
            values,
            gaps,
        } = self;
        (*hits, *base) = (0, 0);
        values.reset();
        *gaps = Clusters::default();
    }

    /// Returns a figure: trends in milliseconds, shares such as `failed` from 0 to 1, counters as a
    /// count or per second of `span`. `None` if there are no samples, or if the metric does not have this aggregation.
    pub fn figure(&self, metric: ThresholdMetric, aggregation: Aggregation, span: Nanos) -> Option<f64> {
        match (metric, aggregation) {
            (ThresholdMetric::Trend(_), _) => self.trend(aggregation),
            (metric, _) if metric.is_of_the_end() => None,
            (metric, Aggregation::Value) if metric.is_share_of_tokens() => {
                (self.base > 0).then(|| self.hits as f64 / self.base as f64)
            }
            (metric, Aggregation::Rate) if metric.is_share() => {
                (self.base > 0).then(|| self.hits as f64 / self.base as f64)
            }
            (metric, _) if metric.is_share() => None,
            (_, Aggregation::Count) => Some(self.hits as f64),
            (_, Aggregation::Rate) if span > 0 => Some(self.hits as f64 / seconds(span)),
            _ => None,
        }
    }

    /// Returns where a quantile of a trend lies with 95 % confidence, in milliseconds; `None` if there are too few
    /// values.
    pub fn interval(&self, metric: ThresholdMetric, q: f64) -> Option<[f64; 2]> {
        let independent = match metric {
            ThresholdMetric::Trend(MetricId::Tbt) => self.gaps.independent(),
            _ => self.values.offered(),
        };
        let (low, high) = self.values.interval(q, independent)?;
        Some([low, high].map(millis))
    }

    fn trend(&self, aggregation: Aggregation) -> Option<f64> {
        let d = &self.values;
        match aggregation {
            Aggregation::Percentile(percent) => d.quantile(percent / 100.0).map(millis),
            Aggregation::Med => d.quantile(0.5).map(millis),
            Aggregation::Avg => d.mean().map(|ns| ns / 1e6),
            Aggregation::Min => d.min().map(millis),
            Aggregation::Max => d.max().map(millis),
            Aggregation::Count | Aggregation::Rate | Aggregation::Value => None,
        }
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
