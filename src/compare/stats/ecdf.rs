//! The empirical distribution of one metric's values, from raw values or from a histogram.

use crate::compare::Values;
use crate::units::MILLISECOND;

/// The width of a histogram's bucket, at most this share of its value.
const BUCKET: f64 = 0.001;
/// The quantile that larger values are cut to where a variance must not depend on a few timeouts.
const CUT: f64 = 0.99;

/// Values in milliseconds, ascending, each with the number of values up to it.
#[derive(Clone, Debug)]
pub struct Ecdf {
    values: Vec<f64>,
    upto: Vec<u64>,
    mean: f64,
    /// How far off a value may be because of its bucket, as a share of it.
    resolution: f64,
}

impl Ecdf {
    /// Returns `None` for a summary, and if there are no values.
    pub fn from_values(values: &Values) -> Option<Ecdf> {
        match values {
            Values::Summary { .. } => None,
            Values::Histogram(d) => {
                let mean = d.mean()? / MILLISECOND as f64;
                let steps = d.steps().into_iter();
                let steps = steps.map(|(ns, count)| (ns as f64 / MILLISECOND as f64, count));
                Some(Ecdf::build(steps, mean, BUCKET))
            }
            Values::Raw(values) if values.is_empty() => None,
            Values::Raw(values) => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                Some(Ecdf::build(values.iter().map(|v| (*v, 1)), mean, 0.0))
            }
        }
    }

    fn build(steps: impl Iterator<Item = (f64, u64)>, mean: f64, resolution: f64) -> Ecdf {
        let (mut values, mut upto, mut seen) = (Vec::new(), Vec::new(), 0);
        for (value, count) in steps {
            seen += count;
            values.push(value);
            upto.push(seen);
        }
        Ecdf {
            values,
            upto,
            mean,
            resolution,
        }
    }

    pub fn count(&self) -> u64 {
        self.upto.last().copied().unwrap_or(0)
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    pub fn resolution(&self) -> f64 {
        self.resolution
    }

    /// Returns the value of that rank, from 1 to the count.
    pub fn at_rank(&self, rank: u64) -> f64 {
        let at = self.upto.partition_point(|upto| *upto < rank);
        self.values[at.min(self.values.len() - 1)]
    }

    /// Returns a quantile: without interpolation for a histogram; for raw values interpolated between the two nearest
    /// ranks, as k6 does it.
    pub fn quantile(&self, q: f64) -> f64 {
        let n = self.count();
        if self.resolution > 0.0 {
            // A product such as 0.07 * 100 lies one ulp above the rank that is meant.
            let rank = (q * n as f64 * (1.0 - 4.0 * f64::EPSILON)).ceil() as u64;
            return self.at_rank(rank.clamp(1, n));
        }
        let place = q * (n - 1) as f64;
        let below = self.at_rank(place as u64 + 1);
        let above = self.at_rank((place as u64 + 2).min(n));
        below + (above - below) * place.fract()
    }

    /// Returns the variance divided by the square of the mean, or 0 if all values are 0. With `cut` the largest
    /// hundredth of the values is cut to its smallest.
    pub fn relative_variance(&self, cut: bool) -> f64 {
        if self.mean <= 0.0 {
            return 0.0;
        }
        let top = if cut { self.quantile(CUT) } else { f64::INFINITY };
        let (mut before, mut sum, mut squares) = (0, 0.0, 0.0);
        for (value, upto) in self.values.iter().zip(&self.upto) {
            let count = (upto - before) as f64;
            before = *upto;
            let value = value.min(top);
            sum += count * value;
            squares += count * (value - self.mean) * (value - self.mean);
        }
        let n = self.count() as f64;
        let off = sum / n - self.mean;
        ((squares / n - off * off) / (self.mean * self.mean)).max(0.0)
    }

    /// Returns the distinct values, each with the share of values that are not above it.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let n = self.count() as f64;
        self.values
            .iter()
            .zip(&self.upto)
            .map(move |(v, u)| (*v, *u as f64 / n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Distribution;

    #[test]
    fn raw_quantiles_are_interpolated_as_k6_does() {
        let ecdf = Ecdf::from_values(&Values::Raw(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
        assert_eq!(
            (ecdf.quantile(0.5), ecdf.quantile(0.95)),
            (2.5, 3.8499999999999996)
        );
        assert_eq!(
            (ecdf.quantile(0.0), ecdf.quantile(1.0), ecdf.mean()),
            (1.0, 4.0, 2.5)
        );
        assert!((ecdf.relative_variance(false) - 1.25 / 6.25).abs() < 1e-12);
    }

    #[test]
    fn a_histogram_gives_its_own_quantiles() {
        let mut d = Distribution::new();
        for i in 1..=1_000u64 {
            d.record(i * MILLISECOND);
        }
        let ecdf = Ecdf::from_values(&Values::Histogram(Box::new(d.clone()))).unwrap();
        for q in [0.0001, 0.07, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let own = d.quantile(q).unwrap() as f64 / MILLISECOND as f64;
            assert_eq!(ecdf.quantile(q), own, "{q}");
        }
        assert_eq!((ecdf.count(), ecdf.mean()), (1_000, 500.5));
    }

    #[test]
    fn a_few_timeouts_do_not_dominate_the_trimmed_variance() {
        let mut values = vec![100.0; 995];
        values.extend([60_000.0; 5]);
        let ecdf = Ecdf::from_values(&Values::Raw(values)).unwrap();
        assert!(ecdf.relative_variance(false) > 1.0);
        assert!(ecdf.relative_variance(true) < 1e-9);
    }

    #[test]
    fn without_values_there_is_no_distribution() {
        assert!(Ecdf::from_values(&Values::Raw(Vec::new())).is_none());
        assert!(Ecdf::from_values(&Values::Histogram(Box::default())).is_none());
    }
}
