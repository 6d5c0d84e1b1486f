//! The distributions that are given by a formula: which numbers describe them, and their tables.

use std::fmt;

use statrs::function::erf::erfc;

use crate::error::Reason;
use crate::lengths::table::Table;
use crate::units::{Span, decimal};

/// The most counts between the ends of a distribution, so that its table has at most 8 MB.
pub(super) const COUNTS_MAX: u32 = 1_000_000;
/// Where a distribution without an upper end is cut off: so many standard deviations above its centre. Of the
/// normal one 1 in 31,574 lies beyond.
const REACH: f64 = 4.0;
/// The smallest share of a distribution that its ends may leave: with less, its table would be rounding errors.
const SHARE_MIN: f64 = 1e-9;

/// The formula of a distribution, with its numbers as they were given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Normal { mean: f64, std: f64 },
    Lognormal { centre: Centre, spread: Spread },
    Zipf { alpha: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Centre {
    Median(f64),
    Mean(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    /// The standard deviation of the logarithm.
    Sigma(f64),
    Std(f64),
}

impl Shape {
    /// Returns the upper end for one that was not given, if the distribution has one at which little is cut off.
    pub(super) fn reach(self) -> Option<f64> {
        match self {
            Shape::Normal { mean, std } => Some((mean + REACH * std).ceil()),
            Shape::Lognormal { centre, spread } => {
                let (mu, sigma) = log_moments(centre, spread);
                Some((mu + REACH * sigma).exp().ceil())
            }
            Shape::Zipf { .. } => None,
        }
    }

    /// Makes the table of the counts between the ends: the part of the distribution beyond them is left out, not moved
    /// onto them. A count stands for what rounds to it.
    ///
    /// # Errors
    /// Says when hardly anything lies between the ends, and when there are too many counts.
    pub(super) fn table(self, ends: Span<u32>) -> Result<Table, Reason> {
        let count = ends.max - ends.min;
        if count >= COUNTS_MAX {
            let what = format!(
                "there are {} counts from {} to {}, more than the limit of {COUNTS_MAX}",
                u64::from(count) + 1,
                ends.min,
                ends.max
            );
            return Err(Reason::new(what).hint("raise `min` or lower `max`"));
        }
        let cumulative = match self {
            Shape::Normal { mean, std } => between(ends, |x| (x - mean) / std),
            Shape::Lognormal { centre, spread } => {
                let (mu, sigma) = log_moments(centre, spread);
                between(ends, |x| (x.ln() - mu) / sigma)
            }
            Shape::Zipf { alpha } => powers(ends, alpha),
        };
        match cumulative.last() {
            Some(share) if *share >= SHARE_MIN || matches!(self, Shape::Zipf { .. }) => {
                Ok(Table::of_range(ends.min, &cumulative))
            }
            _ => {
                let what = format!("hardly any of it lies between {} and {}", ends.min, ends.max);
                Err(Reason::new(what).hint("move `min` and `max` to where the distribution is"))
            }
        }
    }
}

/// Writes the distribution up to its ends, which follow.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Shape::Normal { mean, std } => write!(f, "normal(mean={},std={}", plain(mean), plain(std)),
            Shape::Lognormal { centre, spread } => {
                let (centre, at) = match centre {
                    Centre::Median(x) => ("median", x),
                    Centre::Mean(x) => ("mean", x),
                };
                let (spread, by) = match spread {
                    Spread::Sigma(x) => ("sigma", x),
                    Spread::Std(x) => ("std", x),
                };
                write!(f, "lognormal({centre}={},{spread}={}", plain(at), plain(by))
            }
            Shape::Zipf { alpha } => write!(f, "zipf(alpha={}", plain(alpha)),
        }
    }
}

/// Formats a number so that it reads back as the same.
fn plain(x: f64) -> String {
    match decimal(x) {
        short if short.parse() == Ok(x) => short,
        _ => format!("{x}"),
    }
}

/// Returns mean and standard deviation of the logarithm.
fn log_moments(centre: Centre, spread: Spread) -> (f64, f64) {
    // With v = exp(sigma^2) the variance is median^2 v (v - 1) = mean^2 (v - 1).
    let sigma = match (centre, spread) {
        (_, Spread::Sigma(sigma)) => sigma,
        (Centre::Mean(mean), Spread::Std(std)) => (std / mean).powi(2).ln_1p().sqrt(),
        (Centre::Median(median), Spread::Std(std)) => {
            let v = f64::midpoint(1.0, (1.0 + 4.0 * (std / median).powi(2)).sqrt());
            v.ln().sqrt()
        }
    };
    let mu = match centre {
        Centre::Median(median) => median.ln(),
        Centre::Mean(mean) => mean.ln() - sigma * sigma / 2.0,
    };
    (mu, sigma)
}

/// Returns, for each count, how much of the normal distribution lies from half a count below the lower end to half a
/// count above this one. `standard` turns a count into standard deviations from the centre.
fn between(ends: Span<u32>, standard: impl Fn(f64) -> f64) -> Vec<f64> {
    let lower = standard(f64::from(ends.min) - 0.5);
    let counts = ends.min..=ends.max;
    counts
        .map(|count| mass(lower, standard(f64::from(count) + 0.5)))
        .collect()
}

/// Returns how much of the standard normal distribution lies between two points, without losing digits in its tails.
fn mass(a: f64, b: f64) -> f64 {
    // Above the centre the differences are those of small numbers only when seen from the other side.
    let below = |x: f64| erfc(-x / std::f64::consts::SQRT_2) / 2.0;
    match a > 0.0 {
        true => below(-a) - below(-b),
        false => below(b) - below(a),
    }
}

/// Returns the sums of `count^-alpha` from the lower end up to each count.
fn powers(ends: Span<u32>, alpha: f64) -> Vec<f64> {
    let mut sum = 0.0;
    // In proportion to the first, so that a large exponent does not make all of them 0.
    let first = f64::from(ends.min);
    let counts = ends.min..=ends.max;
    counts
        .map(|count| {
            sum += (f64::from(count) / first).powf(-alpha);
            sum
        })
        .collect()
}
