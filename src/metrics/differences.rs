//! A distribution of differences of times, which have a sign.

use super::distribution::{Distribution, rank};
use crate::units::Nanos;

/// Differences in nanoseconds. Their sizes are kept as every other time is: rounded to a microsecond, and then to 0.1 %
/// of themselves; sums and extremes are exact.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// The sizes of those below 0.
    pub below: Distribution,
    /// Those that are 0 or more.
    pub above: Distribution,
}

impl Differences {
    /// Returns false if the difference is out of the range of a distribution.
    pub fn record(&mut self, ns: i64) -> bool {
        match ns < 0 {
            true => self.below.record(ns.unsigned_abs()),
            false => self.above.record(ns.unsigned_abs()),
        }
    }

    pub fn merge(&mut self, other: &Differences) {
        let Differences { below, above } = other;
        self.below.merge(below);
        self.above.merge(above);
    }

    /// Empties both sides and keeps their memory.
    pub fn reset(&mut self) {
        self.below.reset();
        self.above.reset();
    }

    pub fn count(&self) -> u64 {
        self.below.offered() + self.above.offered()
    }

    /// Returns the value of a rank; `None` unless it lies between 1 and the count.
    pub fn at_rank(&self, rank: u64) -> Option<i64> {
        let below = self.below.offered();
        match rank {
            0 => None,
            // The largest of these sizes is the smallest difference.
            _ if rank <= below => self.below.at_rank(below + 1 - rank).map(|ns| -signed(ns)),
            _ if rank <= self.count() => self.above.at_rank(rank - below).map(signed),
            _ => None,
        }
    }

    /// Returns the difference of rank `ceil(q * count)`, at least rank 1.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        self.at_rank(rank(q, self.count()))
    }

    /// Returns the median: the mean of the two in the middle, so that it has no lean towards either side.
    pub fn median(&self) -> Option<f64> {
        let n = self.count();
        let (low, high) = (self.at_rank(n.div_ceil(2))?, self.at_rank(n / 2 + 1)?);
        Some((low as f64 + high as f64) / 2.0)
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

    /// Returns the exact smallest difference.
    pub fn min(&self) -> Option<i64> {
        self.below
            .max()
            .map(|ns| -signed(ns))
            .or(self.above.min().map(signed))
    }

    /// Returns the exact largest difference.
    pub fn max(&self) -> Option<i64> {
        self.above
            .max()
            .map(signed)
            .or(self.below.min().map(|ns| -signed(ns)))
    }

    /// Returns the sizes of all differences, whatever their sign.
    pub fn sizes(&self) -> Distribution {
        let mut sizes = self.above.clone();
        sizes.merge(&self.below);
        sizes
    }
}

fn signed(ns: Nanos) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MICROSECOND, MILLISECOND};

    /// Differences of so many microseconds.
    fn of(micros: &[i64]) -> Differences {
        let mut differences = Differences::default();
        for us in micros {
            assert!(differences.record(us * MICROSECOND as i64));
        }
        differences
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_differences() {
        let mut micros: Vec<i64> = (-300..700).map(|n| n * 7 % 1_000).collect();
        micros.sort_unstable();
        let differences = of(&micros);
        for (q, rank) in [
            (0.001, 1),
            (0.1, 100),
            (0.3, 300),
            (0.301, 301),
            (0.5, 500),
            (0.99, 990),
            (1.0, 1_000),
        ] {
            let expected = micros[rank - 1] * 1_000;
            assert_eq!(differences.quantile(q), Some(expected), "{q}");
        }
        assert_eq!(differences.min(), Some(micros[0] * 1_000));
        assert_eq!(differences.max(), Some(micros[999] * 1_000));
    }

    #[test]
    fn one_sided_differences_have_their_extremes_on_that_side() {
        let (above, below) = (of(&[3, 1]), of(&[-3, -1]));
        assert_eq!((above.min(), above.max()), (Some(1_000), Some(3_000)));
        assert_eq!((below.min(), below.max()), (Some(-3_000), Some(-1_000)));
        assert_eq!(
            (below.quantile(0.0), below.quantile(1.0)),
            (Some(-3_000), Some(-1_000))
        );
        assert_eq!(Differences::default().quantile(0.5), None);
        assert_eq!(Differences::default().min(), None);
    }

    #[test]
    fn sizes_ignore_the_sign_and_merging_adds() {
        let mut all = of(&[-5, 2]);
        all.merge(&of(&[4]));
        assert_eq!(all.count(), 3);
        assert_eq!(all.sizes().quantile(1.0), Some(5 * MICROSECOND));
        assert_eq!(all.sizes().quantile(0.1), Some(2 * MICROSECOND));
        all.reset();
        assert_eq!((all.count(), all.max()), (0, None));
    }
    #[test]
    fn ranks_go_from_the_most_negative_to_the_largest() {
        let mut differences = Differences::default();
        for ms in [5, -2, 0, 9, -7, 3] {
            differences.record(ms * MILLISECOND as i64);
        }
        let ranks: Vec<i64> = (1..=6)
            .map(|rank| (differences.at_rank(rank).unwrap() as f64 / 1e6).round() as i64)
            .collect();
        assert_eq!(ranks, [-7, -2, 0, 3, 5, 9]);
        assert_eq!((differences.at_rank(0), differences.at_rank(7)), (None, None));
        assert!((differences.median().unwrap() / 1.5e6 - 1.0).abs() < 2e-3);
        assert!((differences.mean().unwrap() - 8e6 / 6.0).abs() < 1.0);
        // Sum of squares 168, less 64/6, over five.
        assert!((differences.variance() / 1e12 / ((168.0 - 64.0 / 6.0) / 5.0) - 1.0).abs() < 5e-3);
    }

    #[test]
    fn nothing_has_neither_median_nor_mean() {
        let none = Differences::default();
        assert_eq!((none.median(), none.mean(), none.variance()), (None, None, 0.0));
    }
}
