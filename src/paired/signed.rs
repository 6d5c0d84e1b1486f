//! A distribution of differences, which have a sign.

use crate::metrics::Distribution;
use crate::units::Nanos;

/// Differences in nanoseconds. Their magnitudes are kept as every other time is: rounded to a microsecond, and then to
/// 0.1 % of themselves; sums and extremes are exact.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// The magnitudes of those below 0.
    pub below: Distribution,
    /// Those that are 0 or more.
    pub above: Distribution,
}

impl Signed {
    pub fn record(&mut self, ns: i64) {
        match ns < 0 {
            true => self.below.record(ns.unsigned_abs()),
            false => self.above.record(ns.unsigned_abs()),
        };
    }

    pub fn merge(&mut self, other: &Signed) {
        let Signed { below, above } = other;
        self.below.merge(below);
        self.above.merge(above);
    }

    pub fn count(&self) -> u64 {
        self.below.offered() + self.above.offered()
    }

    /// Returns the value of a rank, from 1 to the count.
    pub fn at_rank(&self, rank: u64) -> Option<f64> {
        let below = self.below.offered();
        match rank <= below {
            true => value(&self.below, below + 1 - rank).map(|ns| -(ns as f64)),
            false => value(&self.above, rank - below).map(|ns| ns as f64),
        }
    }

    /// Returns the median: the mean of the two in the middle, so that it has no lean towards either side.
    pub fn median(&self) -> Option<f64> {
        let n = self.count();
        let (low, high) = (self.at_rank(n.div_ceil(2))?, self.at_rank(n / 2 + 1)?);
        Some((low + high) / 2.0)
    }

    /// Returns the exact mean.
    pub fn mean(&self) -> Option<f64> {
        let sum = self.above.sum_ns() as f64 - self.below.sum_ns() as f64;
        (self.count() > 0).then(|| sum / self.count() as f64)
    }

    /// Returns the variance, to the precision of the histogram.
    pub fn variance(&self) -> f64 {
        let Some(mean) = self.mean() else { return 0.0 };
        let squares = |values: &Distribution, sign: f64| -> f64 {
            let steps = values.steps();
            let square = |(ns, n): &(Nanos, u64)| (sign * *ns as f64 - mean).powi(2) * *n as f64;
            steps.iter().map(square).sum()
        };
        let degrees = self.count().saturating_sub(1).max(1) as f64;
        (squares(&self.below, -1.0) + squares(&self.above, 1.0)) / degrees
    }
}

fn value(values: &Distribution, rank: u64) -> Option<Nanos> {
    let n = values.offered();
    (1..=n).contains(&rank).then_some(())?;
    // The middle of the rank's step, so that rounding cannot reach the next rank.
    values.quantile((rank as f64 - 0.5) / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn ranks_go_from_the_most_negative_to_the_largest() {
        let mut signed = Signed::default();
        for ms in [5, -2, 0, 9, -7, 3] {
            signed.record(ms * MILLISECOND as i64);
        }
        let ranks: Vec<i64> = (1..=6)
            .map(|rank| (signed.at_rank(rank).unwrap() / 1e6).round() as i64)
            .collect();
        assert_eq!(ranks, [-7, -2, 0, 3, 5, 9]);
        assert_eq!((signed.at_rank(0), signed.at_rank(7)), (None, None));
        assert!((signed.median().unwrap() / 1.5e6 - 1.0).abs() < 2e-3);
        assert!((signed.mean().unwrap() - 8e6 / 6.0).abs() < 1.0);
        // Sum of squares 168, less 64/6, over five.
        assert!((signed.variance() / 1e12 / ((168.0 - 64.0 / 6.0) / 5.0) - 1.0).abs() < 5e-3);
    }

    #[test]
    fn nothing_has_neither_median_nor_mean() {
        let none = Signed::default();
        assert_eq!((none.median(), none.mean(), none.variance()), (None, None, 0.0));
    }
}
