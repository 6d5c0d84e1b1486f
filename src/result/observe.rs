//! What a threshold sees: one number for a metric and an aggregation.

use crate::metrics::{Merged, MetricId, SeriesTotals};
use crate::plan::{Aggregation, Threshold, ThresholdMetric, Trend};
use crate::result::ThresholdResult;
use crate::units::{Nanos, millis, seconds};

/// The figures that thresholds look at: the whole run's, or one series'.
pub struct Observed<'a> {
    pub totals: &'a SeriesTotals,
    pub duration: Nanos,
}

impl<'a> Observed<'a> {
    pub fn whole_run(merged: &'a Merged, duration: Nanos) -> Observed<'a> {
        Observed {
            totals: &merged.total,
            duration,
        }
    }

    /// Trends in milliseconds, `failed` as a share from 0 to 1, counters as a count or per second. `None`: no
    /// samples, or an aggregation that the metric does not have.
    pub fn observe(&self, metric: ThresholdMetric, aggregation: Aggregation) -> Option<f64> {
        let count = match metric {
            ThresholdMetric::Trend(trend) => return self.trend(trend, aggregation),
            ThresholdMetric::Failed => {
                return self
                    .totals
                    .failed_rate()
                    .filter(|_| aggregation == Aggregation::Rate);
            }
            ThresholdMetric::Outcome(outcome) => self.totals.outcome(outcome),
            ThresholdMetric::ConnectionErrors => self.totals.connection_errors(),
            ThresholdMetric::Timeouts => self.totals.timeouts(),
            ThresholdMetric::Requests => self.totals.finished(),
            // One request is one iteration; a cut one is none.
            ThresholdMetric::Iterations => self.totals.completed(),
        };
        match aggregation {
            Aggregation::Count => Some(count as f64),
            Aggregation::Rate if self.duration > 0 => Some(count as f64 / seconds(self.duration)),
            _ => None,
        }
    }

    fn trend(&self, trend: Trend, aggregation: Aggregation) -> Option<f64> {
        let d = self.totals.metric(metric_of(trend));
        match aggregation {
            Aggregation::Percentile(percent) => d.quantile(percent / 100.0).map(millis),
            Aggregation::Med => d.quantile(0.5).map(millis),
            Aggregation::Avg => d.mean().map(|ns| ns / 1e6),
            Aggregation::Min => d.min().map(millis),
            Aggregation::Max => d.max().map(millis),
            Aggregation::Count => Some(d.offered() as f64),
            Aggregation::Rate => None,
        }
    }

    /// One result for each threshold, in order.
    pub fn judge(&self, thresholds: &[Threshold]) -> Vec<ThresholdResult> {
        thresholds
            .iter()
            .map(|threshold| {
                let verdict = threshold.judge(|metric, figure| self.observe(metric, figure));
                ThresholdResult {
                    metric: threshold.metric.name().to_string(),
                    expression: threshold.text.clone(),
                    observed: verdict.observed,
                    ok: verdict.ok,
                }
            })
            .collect()
    }
}

fn metric_of(trend: Trend) -> MetricId {
    match trend {
        Trend::Latency => MetricId::Latency,
        Trend::LatencyOk => MetricId::LatencyOk,
        Trend::ServiceTime => MetricId::ServiceTime,
        Trend::Ttfb => MetricId::Ttfb,
        Trend::Ttft => MetricId::Ttft,
        Trend::Tbt => MetricId::Tbt,
        Trend::Tpot => MetricId::Tpot,
        Trend::Connect => MetricId::Connect,
        Trend::Tls => MetricId::Tls,
        Trend::ScheduleLag => MetricId::ScheduleLag,
    }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
