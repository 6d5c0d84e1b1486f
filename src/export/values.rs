//! Collects values and computes the statistics that the other tools state of them.

use crate::metrics::Distribution;
use crate::units::{MILLISECOND, SECOND};

/// The most values that are kept one by one, 16 MiB of them. Beyond it they go into a histogram, whose percentiles are
/// at most 0.1 % off; count, mean, standard deviation and both ends stay exact.
const EXACT_MAX: usize = 1 << 21;

/// Values of one metric: seconds, tokens, or tokens per second.
#[derive(Debug)]
pub struct Values {
    exact: Vec<f64>,
    exact_max: usize,
    sketch: Option<Distribution>,
    /// What a value is multiplied with to be recorded in the histogram, which takes 0.001 to 3.6 million of the result.
    scale: f64,
    count: u64,
    mean: f64,
    /// Sum of the squared differences from the mean (Welford).
    squares: f64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Values {
    pub fn of_seconds() -> Values {
        Values::scaled(SECOND as f64, EXACT_MAX)
    }

    /// Times in milliseconds.
    pub fn of_milliseconds() -> Values {
        Values::scaled(MILLISECOND as f64, EXACT_MAX)
    }

    /// Values up to 3.6 million.
    pub fn of_counts() -> Values {
        Values::scaled(SECOND as f64 / 1e3, EXACT_MAX)
    }

    fn scaled(scale: f64, exact_max: usize) -> Values {
        Values {
            exact: Vec::new(),
            exact_max,
            sketch: None,
            scale,
            count: 0,
            mean: 0.0,
            squares: 0.0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if self.sketch.is_none() && self.exact.len() == self.exact_max {
            let mut sketch = Distribution::new();
            for value in std::mem::take(&mut self.exact) {
                sketch.record(self.in_sketch(value));
            }
            self.sketch = Some(sketch);
        }
        let recorded = self.in_sketch(value);
        match &mut self.sketch {
            Some(sketch) => drop(sketch.record(recorded)),
            None => self.exact.push(value),
        }
    }

    fn in_sketch(&self, value: f64) -> u64 {
        (value * self.scale).round() as u64
    }

    /// Returns the statistics; `None` without values.
    pub fn statistics(mut self) -> Option<Statistics> {
        if self.count == 0 {
            return None;
        }
        self.exact.sort_unstable_by(f64::total_cmp);
        Some(Statistics {
            count: self.count,
            mean: self.mean,
            std: (self.squares / self.count as f64).max(0.0).sqrt(),
            sum: self.sum,
            min: self.min,
            max: self.max,
            sorted: self.exact,
            sketch: self.sketch,
            scale: self.scale,
        })
    }
}

/// What is known of a metric's values.
#[derive(Debug)]
pub struct Statistics {
    pub count: u64,
    pub mean: f64,
    /// Of the population, as numpy's `std` has it.
    pub std: f64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    sorted: Vec<f64>,
    sketch: Option<Distribution>,
    scale: f64,
}

impl Statistics {
    /// Returns the statistics of times that are known as a histogram; `None` without any. The standard deviation is
    /// that of the histogram's steps.
    pub fn of_times(times: Distribution) -> Option<Statistics> {
        let mean = times.mean()? / SECOND as f64;
        let of_second = |ns: u64| ns as f64 / SECOND as f64;
        let away = |(value, count): (u64, u64)| count as f64 * (of_second(value) - mean).powi(2);
        let squares: f64 = times.steps().into_iter().map(away).sum();
        Some(Statistics {
            count: times.offered(),
            mean,
            std: (squares / times.offered() as f64).sqrt(),
            sum: times.sum_ns() as f64 / SECOND as f64,
            min: of_second(times.min()?),
            max: of_second(times.max()?),
            sorted: Vec::new(),
            sketch: Some(times),
            scale: SECOND as f64,
        })
    }

    /// Returns percentile `p`, 0 to 100, between two values on the straight line through them, as numpy, AIPerf and k6
    /// do.
    pub fn percentile(&self, p: f64) -> f64 {
        if let Some(sketch) = &self.sketch {
            let value = sketch.quantile(p / 100.0).unwrap_or_default() as f64 / self.scale;
            return value.clamp(self.min, self.max);
        }
        let place = p / 100.0 * (self.sorted.len() - 1) as f64;
        let below = place.floor();
        let low = self.sorted[below as usize];
        let high = self.sorted.get(below as usize + 1).copied().unwrap_or(low);
        low + (high - low) * (place - below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], exact_max: usize) -> Statistics {
        let mut all = Values::scaled(1e9, exact_max);
        values.iter().for_each(|value| all.push(*value));
        all.statistics().unwrap()
    }

    #[test]
    fn statistics_are_those_of_numpy() {
        // numpy.mean, std, percentile(…, [0, 1, 50, 90, 99, 100]) of the same list.
        let found = of(&[0.3, 0.1, 0.2, 0.4, 1.0], 10);
        let expected = [0.4, 0.316_227_766_016_837_94, 0.1, 0.104, 0.3, 0.76, 0.976, 1.0];
        let [p0, p1, p50, p90, p99, p100] = [0.0, 1.0, 50.0, 90.0, 99.0, 100.0].map(|p| found.percentile(p));
        let figures = [found.mean, found.std, p0, p1, p50, p90, p99, p100];
        for (found, expected) in figures.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{figures:?}");
        }
        assert_eq!((found.count, found.min, found.max), (5, 0.1, 1.0));
        assert_eq!(of(&[0.25], 10).percentile(99.0), 0.25);
        assert!(Values::of_seconds().statistics().is_none());
    }

    #[test]
    fn beyond_the_room_percentiles_are_those_of_a_histogram_and_the_rest_stays_exact() {
        let values: Vec<f64> = (0..10_000).map(|n| f64::from(n * 7 % 10_000) / 1e3).collect();
        let (exact, sketched) = (of(&values, 10_000), of(&values, 100));
        assert!(sketched.sketch.is_some() && sketched.sorted.is_empty());
        assert!((exact.std - sketched.std).abs() < 1e-12 && (exact.mean - sketched.mean).abs() < 1e-12);
        assert_eq!((exact.min, exact.max), (sketched.min, sketched.max));
        for p in [1.0, 50.0, 99.0] {
            let (a, b) = (exact.percentile(p), sketched.percentile(p));
            // One value further, and a thousandth.
            assert!((a - b).abs() < 0.001 + 0.001 * a, "{p}: {a} {b}");
        }
    }
}
