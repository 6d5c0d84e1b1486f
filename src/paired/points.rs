//! Points of distributions for intervals that hold together.
//!
//! A run compares two servers by several figures at once. If each had a 95 % interval of its own, two equal servers
//! would seem to differ in far more than 5 of 100 runs. So each interval has the confidence that makes all of them hold
//! together in 95 of 100 runs, however they depend on each other (Bonferroni; Dunn, Journal of the American Statistical
//! Association 56, 1961).

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, Gamma, Normal, StudentsT};

/// The confidence with which all intervals of a comparison hold together.
pub const CONFIDENCE: f64 = 0.95;
/// How many intervals that are: median and mean of each metric, and the difference in errors.
pub const INTERVALS: usize = 2 * crate::metrics::PAIRED_METRICS.len() + 1;
/// What lies outside each interval, on each side.
const TAIL: f64 = (1.0 - CONFIDENCE) / INTERVALS as f64 / 2.0;
/// The number of values up to which the binomial distribution is used. Beyond it the normal one differs by at most a
/// rank.
const EXACT_MAX: f64 = 100_000.0;

/// Returns the two-sided point of the normal distribution.
pub fn z() -> f64 {
    Normal::standard().inverse_cdf(1.0 - TAIL)
}

/// Returns the two-sided point of Student's distribution.
pub fn t(degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) => student.inverse_cdf(1.0 - TAIL),
        // With no valid number of degrees, nothing is certain.
        Err(_) => f64::INFINITY,
    }
}

/// Returns the ranks, from 1, between which the median lies that `n` independent values come from (David and Nagaraja,
/// Order Statistics, 2003, 7.1); `None` if there are so few that an end would lie outside them.
pub fn median_ranks(n: f64) -> Option<(f64, f64)> {
    let n = n.floor();
    let lower = if n <= EXACT_MAX {
        let binomial = Binomial::new(0.5, n as u64).ok()?;
        binomial.inverse_cdf(TAIL) as f64
    } else {
        (n / 2.0 - z() * n.sqrt() / 2.0).floor()
    };
    (lower >= 1.0).then_some((lower, n + 1.0 - lower))
}

/// Returns the interval of a probability after `hits` in `trials`, which may be fractions (Clopper and Pearson,
/// Biometrika 26, 1934).
pub fn probability(hits: f64, trials: f64) -> (f64, f64) {
    let misses = trials - hits;
    let point = |a: f64, b: f64, p: f64| Beta::new(a, b).map(|beta| beta.inverse_cdf(p));
    let low = match hits > 0.0 {
        true => point(hits, misses + 1.0, TAIL).unwrap_or(0.0),
        false => 0.0,
    };
    let high = match misses > 0.0 {
        true => point(hits + 1.0, misses, 1.0 - TAIL).unwrap_or(1.0),
        false => 1.0,
    };
    (low, high)
}

/// Returns the interval of an expected count after `count` (Garwood, Biometrika 28, 1936).
pub fn expected(count: f64) -> (f64, f64) {
    let point = |shape: f64, p: f64| Gamma::new(shape, 1.0).map(|gamma| gamma.inverse_cdf(p));
    let low = match count > 0.0 {
        true => point(count, TAIL).unwrap_or(0.0),
        false => 0.0,
    };
    (low, point(count + 1.0, 1.0 - TAIL).unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_match_another_implementation() {
        // scipy.stats: norm.ppf, t.ppf(., 11), beta.ppf, gamma.ppf of 1 - 0.05 / 14.
        assert!((z() - 2.690110).abs() < 1e-5, "{}", z());
        assert!((t(9.0) - 3.4618).abs() < 2e-3, "{}", t(9.0));
        assert_eq!(t(f64::NAN), f64::INFINITY);
        let (low, high) = probability(0.0, 10.0);
        assert_eq!(low, 0.0);
        assert!((high - (1.0 - TAIL.powf(0.1))).abs() < 1e-6, "{high}");
        let (low, high) = expected(0.0);
        assert_eq!(low, 0.0);
        assert!((high + TAIL.ln()).abs() < 1e-6, "{high}");
    }

    #[test]
    fn a_median_has_no_interval_below_nine_values() {
        // 2 / 2^9 = 0.0039 is below 0.05 / 7 = 0.0071, and 2 / 2^8 = 0.0078 is not.
        assert_eq!(median_ranks(8.9), None);
        assert_eq!(median_ranks(9.0), Some((1.0, 9.0)));
        let (exact, near) = (median_ranks(1e5).unwrap(), median_ranks(1e5 + 1.0).unwrap());
        assert!((exact.0 - near.0).abs() <= 2.0, "{exact:?} {near:?}");
    }
}
