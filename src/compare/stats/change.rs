//! Changes with their 95 % intervals.

use crate::compare::Slice;
use crate::compare::stats::Ecdf;
use crate::compare::stats::serial::{LogVariance, log_mean_variance, log_total_variance, share_variance};
use crate::stats::{ranks, t, z};

/// The number of values that a mean needs on each side.
const MEAN_VALUES_MIN: u64 = 20;
/// The smallest value that has a logarithm here. Values below half a microsecond were rounded to 0.
const LEAST_MS: f64 = 0.0005;

/// The reason why there is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There are too few values.
    TooFew,
    /// There are no rows per second, so it is unknown how values depend on each other.
    NoTimeline,
    /// Only a summary of the values is known.
    OnlySummary,
    /// One run has values where the other has none, such as a 0 for each connection that was already open.
    OtherValues,
    /// The figures are of different things, such as times from the due time and times from the send.
    OtherSense,
    /// The figure is a count, whose rate or share is judged instead.
    Count,
}

/// An interval of relative changes (0.1 is 10 % more), or of points of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// A change, relative or in points between two shares. `change` is `None` if the base is 0 and the other value is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub change: Option<f64>,
    pub interval: Result<Interval, Why>,
}

impl Change {
    /// Returns the interval to show: a change from 0 has none in percent.
    pub fn shown_interval(&self) -> Option<Interval> {
        self.interval.ok().filter(|_| self.change.is_some())
    }

    /// Returns a change that has no interval, for the given reason.
    pub fn without_interval(a: f64, b: f64, why: Why) -> Change {
        Change {
            change: relative(a, b),
            interval: Err(why),
        }
    }

    /// Returns the change between the figures that are shown, if they are not those that it was made of.
    pub fn shown_as(self, a: f64, b: f64) -> Change {
        Change {
            change: relative(a, b),
            ..self
        }
    }

    fn from_logs(a: f64, b: f64, interval: Result<(f64, f64), Why>) -> Change {
        Change {
            change: relative(a, b),
            interval: interval.map(|(low, high)| Interval {
                low: low.exp_m1(),
                high: high.exp_m1(),
            }),
        }
    }
}

fn relative(a: f64, b: f64) -> Option<f64> {
    if a == b {
        return Some(0.0);
    }
    (a != 0.0).then(|| b / a - 1.0)
}

/// One run's values of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub ecdf: &'a Ecdf,
    /// The number of independent values at most: gaps between tokens of the same request are not independent.
    pub independent: u64,
}

impl Side<'_> {
    fn n(&self) -> u64 {
        self.ecdf.count().min(self.independent)
    }

    /// Returns how far the quantile's interval extends down and up, in logarithms.
    fn extent(&self, q: f64) -> Option<(f64, f64)> {
        let (n, count) = (self.n(), self.ecdf.count());
        let (lower, upper) = ranks(q, n)?;
        // If fewer values are independent, their ranks are scaled to the ranks of all values.
        let scaled = |rank: u64| (rank as f64 * count as f64 / n as f64).round() as u64;
        let log = |ms: f64| ms.max(LEAST_MS).ln();
        let at = log(self.ecdf.quantile(q));
        let bucket = self.ecdf.resolution();
        let down = at - log(self.ecdf.at_rank(scaled(lower)));
        let up = log(self.ecdf.at_rank(scaled(upper))) - at;
        Some((down.max(0.0).hypot(bucket), up.max(0.0).hypot(bucket)))
    }
}

/// The variances that all figures of a metric in two runs have in common, from rows that depend on their neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Serial {
    mean: LogVariance,
    /// The variance of the level, which moves all values of a second together: the mean's variance without the scatter
    /// of independent values.
    level: LogVariance,
}

impl Serial {
    /// Estimates the variances from rows per second; `None` if there are too few.
    pub fn new(a: (Side, &[Slice]), b: (Side, &[Slice])) -> Option<Serial> {
        let mean = log_mean_variance(a.1, b.1, false)?;
        let cut = log_mean_variance(a.1, b.1, true)?;
        let scatter = |side: Side| side.ecdf.relative_variance(true) / side.ecdf.count() as f64;
        let level = LogVariance {
            variance: (cut.variance - scatter(a.0) - scatter(b.0)).max(0.0),
            ..cut
        };
        Some(Serial { mean, level })
    }

    /// Returns the variances for a metric without rows: this metric's level, and the scatter of the other's own values.
    pub fn borrowed(self, a: Side, b: Side) -> Serial {
        let scatter = |side: Side| side.ecdf.relative_variance(false) / side.n().max(1) as f64;
        Serial {
            mean: LogVariance {
                variance: self.level.variance + scatter(a) + scatter(b),
                ..self.level
            },
            level: self.level,
        }
    }
}

/// Returns the change of a quantile. Its interval combines those of both quantiles by order statistics (David and
/// Nagaraja, Order Statistics, 2003, 7.1) into one for a difference of logarithms (Zou and Donner 2008), and adds the
/// level's.
pub fn quantile_change(q: f64, a: Side, b: Side, serial: Result<Serial, Why>) -> Change {
    let (at_a, at_b) = (a.ecdf.quantile(q), b.ecdf.quantile(q));
    let interval = || {
        let ((down_a, up_a), (down_b, up_b)) = a.extent(q).zip(b.extent(q)).ok_or(Why::TooFew)?;
        let level = serial?.level.half();
        let log = at_b.max(LEAST_MS).ln() - at_a.max(LEAST_MS).ln();
        let low = log - down_b.hypot(up_a).hypot(level);
        Ok((low, log + up_b.hypot(down_a).hypot(level)))
    };
    Change::from_logs(at_a, at_b, interval())
}

/// Tells whether quantile `q` of `n` values can have an interval at all.
pub fn has_interval(q: f64, n: u64) -> bool {
    ranks(q, n).is_some()
}

/// Returns the change of a mean.
pub fn mean_change(a: Side, b: Side, serial: Result<Serial, Why>) -> Change {
    let (at_a, at_b) = (a.ecdf.mean(), b.ecdf.mean());
    let interval = || {
        if a.n().min(b.n()) < MEAN_VALUES_MIN {
            return Err(Why::TooFew);
        }
        let half = serial?.mean.half();
        let bucket = a.ecdf.resolution().hypot(b.ecdf.resolution());
        let half = half.hypot(bucket);
        let log = at_b.max(LEAST_MS).ln() - at_a.max(LEAST_MS).ln();
        Ok((log - half, log + half))
    };
    Change::from_logs(at_a, at_b, interval())
}

/// A total per second, with its rows.
#[derive(Clone, Copy, Debug)]
pub struct RateSample<'a> {
    pub value: f64,
    /// The rows; `sum` is the amount in that second.
    pub slices: &'a [Slice],
}

/// Returns the change of a rate.
pub fn rate_change(a: RateSample, b: RateSample) -> Change {
    let interval = || {
        if a.slices.is_empty() || b.slices.is_empty() {
            return Err(Why::NoTimeline);
        }
        if a.value <= 0.0 || b.value <= 0.0 {
            return Err(Why::TooFew);
        }
        let half = log_total_variance(a.slices, b.slices).ok_or(Why::TooFew)?.half();
        let log = (b.value / a.value).ln();
        Ok((log - half, log + half))
    };
    Change::from_logs(a.value, b.value, interval())
}

/// A share of requests, with its rows.
#[derive(Clone, Copy, Debug)]
pub struct ShareSample<'a> {
    pub value: f64,
    pub of: u64,
    /// The rows; `sum` is the number of hits among `count` requests in that second.
    pub slices: &'a [Slice],
}

impl ShareSample<'_> {
    /// Returns Wilson's interval. Failures come in bursts, so the number of trials is reduced by the variance between
    /// rows.
    fn wilson(&self) -> (f64, f64) {
        let (p, n) = (self.value, self.of as f64);
        let plain = p * (1.0 - p) / n;
        let effect = share_variance(self.slices).map_or(1.0, |v| if plain > 0.0 { v / plain } else { 1.0 });
        let n = n / effect.max(1.0);
        let z2 = z() * z();
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = z() * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        (middle - half, middle + half)
    }
}

/// Returns the points between two shares, with Newcombe's interval (1998, method 10).
pub fn share_change(a: ShareSample, b: ShareSample) -> Change {
    let interval = || {
        if a.slices.is_empty() || b.slices.is_empty() {
            return Err(Why::NoTimeline);
        }
        if a.of.min(b.of) < MEAN_VALUES_MIN {
            return Err(Why::TooFew);
        }
        let ((low_a, high_a), (low_b, high_b)) = (a.wilson(), b.wilson());
        let points = b.value - a.value;
        Ok(Interval {
            low: points - (b.value - low_b).hypot(high_a - a.value),
            high: points + (high_b - b.value).hypot(a.value - low_a),
        })
    };
    Change {
        change: Some(b.value - a.value),
        interval: interval(),
    }
}

/// Returns the change between figures of repeated runs, by Welch (1947) on their logarithms. Each side needs at least
/// two figures above 0.
pub fn welch_change(a: &[f64], b: &[f64]) -> Change {
    let log = |values: &[f64]| -> Vec<f64> { values.iter().map(|v| v.max(LEAST_MS).ln()).collect() };
    let found = welch(&log(a), &log(b));
    Change {
        change: Some((found.0).exp_m1()),
        interval: Ok(Interval {
            low: (found.0 - found.1).exp_m1(),
            high: (found.0 + found.1).exp_m1(),
        }),
    }
}

/// Returns the points between shares of repeated runs, in the same way but without logarithms.
pub fn welch_difference(a: &[f64], b: &[f64]) -> Change {
    let (difference, half) = welch(a, b);
    Change {
        change: Some(difference),
        interval: Ok(Interval {
            low: difference - half,
            high: difference + half,
        }),
    }
}

/// Returns the difference of the means, and half its interval.
fn welch(a: &[f64], b: &[f64]) -> (f64, f64) {
    let moments = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
        (mean, variance / n, n - 1.0)
    };
    let ((mean_a, of_a, free_a), (mean_b, of_b, free_b)) = (moments(a), moments(b));
    let whole = of_a + of_b;
    if whole == 0.0 {
        return (mean_b - mean_a, 0.0);
    }
    let degrees = whole * whole / (of_a * of_a / free_a + of_b * of_b / free_b);
    (mean_b - mean_a, t(degrees) * whole.sqrt())
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
