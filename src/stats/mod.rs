//! What a sample can tell: quantiles of the normal, Student's and the binomial distributions, the ranks between which a
//! quantile lies, and how many independent values a sample with groups has. Pure functions of numbers.

mod clusters;

pub use clusters::Clusters;

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};

/// The confidence of all intervals, two-sided: 2.5 % lie outside on each side.
pub const CONFIDENCE: f64 = 0.95;
const TAIL: f64 = (1.0 - CONFIDENCE) / 2.0;
/// The number of values up to which the binomial distribution is used. Beyond it the normal one differs by at most a
/// rank.
const EXACT_MAX: u64 = 100_000;

/// Returns the two-sided 95 % point of the normal distribution.
pub fn z() -> f64 {
    Normal::standard().inverse_cdf(1.0 - TAIL)
}

/// Returns the two-sided 95 % point of Student's distribution.
pub fn t(degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) => student.inverse_cdf(1.0 - TAIL),
        // With no valid number of degrees, nothing is significant.
        Err(_) => f64::INFINITY,
    }
}

/// Returns the ranks, from 1, between which quantile `q` of the distribution that `n` independent values come from lies
/// with 95 % confidence. Returns `None` if there are so few values that an end would lie outside them.
pub fn ranks(q: f64, n: u64) -> Option<(u64, u64)> {
    let (lower, upper) = if n <= EXACT_MAX {
        let binomial = Binomial::new(q, n).ok()?;
        (
            binomial.inverse_cdf(TAIL),
            binomial.inverse_cdf(1.0 - TAIL).saturating_add(1),
        )
    } else {
        let (mean, spread) = (q * n as f64, (n as f64 * q * (1.0 - q)).sqrt());
        let reach = z() * spread;
        ((mean - reach).floor() as u64, (mean + reach).ceil() as u64 + 1)
    };
    (lower >= 1 && upper <= n).then_some((lower, upper))
}

/// Returns [`ranks`] among `count` values of which only `independent` are independent: the ranks of that many, scaled
/// outwards to all values.
pub fn ranks_among(q: f64, count: u64, independent: u64) -> Option<(u64, u64)> {
    let n = independent.min(count);
    let (lower, upper) = ranks(q, n)?;
    if n == count {
        return Some((lower, upper));
    }
    let scaled = |rank: u64| u128::from(rank) * u128::from(count);
    let below = (scaled(lower) / u128::from(n)) as u64;
    let above = scaled(upper).div_ceil(u128::from(n)) as u64;
    Some((below.max(1), above.min(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_groups_are_those_of_fewer_values_scaled_to_all() {
        assert_eq!(ranks_among(0.99, 1_000, 1_000), ranks(0.99, 1_000));
        assert_eq!(ranks_among(0.5, 1_000, 2_000), ranks(0.5, 1_000));
        // 100 streams of 10 gaps: ranks 40 and 61 of 100.
        assert_eq!(ranks_among(0.5, 1_000, 100), Some((400, 610)));
        assert_eq!(ranks_among(0.5, 1_001, 100), Some((400, 611)));
        assert_eq!(ranks_among(0.99, 100_000, 100), None);
        assert_eq!(ranks_among(0.5, 1_000, 0), None);
    }

    #[test]
    fn points_match_the_printed_tables() {
        assert!((z() - 1.959964).abs() < 1e-5);
        for (degrees, point) in [(1.0, 12.706), (4.0, 2.776), (9.0, 2.262), (30.0, 2.042)] {
            assert!((t(degrees) - point).abs() < 1e-3, "{degrees}: {}", t(degrees));
        }
        assert_eq!(t(f64::NAN), f64::INFINITY);
    }

    #[test]
    fn ranks_match_the_binomial_distribution() {
        // scipy.stats.binom.ppf of 0.025 and 0.975, plus one.
        assert_eq!(ranks(0.99, 1_000), Some((983, 997)));
        assert_eq!(ranks(0.5, 100), Some((40, 61)));
        assert_eq!(ranks(0.5, 5), None);
        assert_eq!(ranks(0.99, 100), None);
        let least = (1..).find(|n| ranks(0.99, *n).is_some());
        assert_eq!(least, Some(368));
    }

    #[test]
    fn normal_ranks_agree_with_exact_ranks_where_they_replace_them() {
        for q in [0.5, 0.95, 0.999] {
            let (exact, near) = (ranks(q, EXACT_MAX).unwrap(), ranks(q, EXACT_MAX + 1).unwrap());
            assert!(
                exact.0.abs_diff(near.0) <= 3 && exact.1.abs_diff(near.1) <= 3,
                "{exact:?} {near:?}"
            );
        }
    }
}
