//! What the differences within pairs show, with intervals.
//!
//! The effect is half the sum of the median (or mean) of the pairs in which the base was asked first and of those in
//! which the other was: what it costs or saves to be second has opposite signs in them and cancels (the crossover
//! design of two periods; Jones and Kenward, Design and Analysis of Cross-Over Trials, 2014, chapter 2). Half their
//! difference is that cost.
//!
//! Pairs that follow one another are alike: a server that is slow for a second is so for all pairs of that second. How
//! much the pairs of a run really tell is estimated from blocks of time (batch means; Conway 1963).

use super::blocks::{ErrorRow, TimeRow};
use super::points::{expected, median_ranks, probability, t, z};
use super::totals::{Orders, PairCounts};
use crate::metrics::Differences;

/// The numbers of batches that the variance is estimated from; the largest estimate counts. `simulation_tests.rs` has
/// the false alarms: more and shorter batches miss what neighbours have in common, fewer make intervals wide.
const BATCHES: [usize; 3] = [12, 16, 20];
/// The fewest pairs for an interval.
pub const PAIRS_MIN: u64 = 40;

/// A figure in nanoseconds (or a share), with the interval that it lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// `None` if there are too few pairs.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// Returns on which side of 0 the figure certainly is; `None` without an interval.
    pub fn side(&self) -> Option<Side> {
        self.interval.map(|(low, high)| match (low > 0.0, high < 0.0) {
            (true, _) => Side::Above,
            (_, true) => Side::Below,
            _ => Side::Neither,
        })
    }
}

/// Where an interval lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Above,
    Below,
    Neither,
}

/// How a metric differs between the servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub median: Estimate,
    pub mean: Estimate,
    /// By how much the second request of a pair was slower than the first, whichever server it went to; `None` unless
    /// there are pairs of both orders.
    pub second: Option<f64>,
}

/// Returns the difference that pairs show; `None` without pairs.
pub fn difference(orders: &Orders, rows: &[[TimeRow; 2]]) -> Option<Difference> {
    let filled = || orders.iter().filter(|values| values.count() > 0);
    let average = |figure: fn(&Differences) -> Option<f64>| {
        let figures: Vec<f64> = filled().filter_map(figure).collect();
        figures.iter().sum::<f64>() / figures.len() as f64
    };
    filled().next()?;
    let second = || Some((orders[0].median()? - orders[1].median()?) / 2.0);
    Some(Difference {
        median: Estimate {
            value: average(Differences::median),
            interval: median_interval(orders, rows),
        },
        mean: Estimate {
            value: average(Differences::mean),
            interval: mean_interval(orders, rows),
        },
        second: second(),
    })
}

fn has_enough(orders: &Orders) -> bool {
    let counts = orders.each_ref().map(Differences::count);
    counts[0] + counts[1] >= PAIRS_MIN && !counts.contains(&0)
}

/// Each order's median has an interval by order statistics, as if there were fewer pairs if neighbours are alike; the
/// two are combined as intervals of a sum (Zou and Donner, Statistics in Medicine 27, 2008).
fn median_interval(orders: &Orders, rows: &[[TimeRow; 2]]) -> Option<(f64, f64)> {
    if !has_enough(orders) {
        return None;
    }
    let alike = neighbours_of_medians(orders, rows)?;
    let (mut down, mut up, mut sum) = (0.0, 0.0, 0.0);
    for values in orders {
        let (n, median) = (values.count() as f64, values.median()?);
        let (low, high) = median_ranks(n / alike)?;
        let scale = n / (n / alike).floor();
        let low = values.at_rank(((low * scale) as u64).max(1))? as f64;
        let high = values.at_rank(((high * scale).ceil() as u64).min(values.count()))? as f64;
        down += (median - low).powi(2);
        up += (high - median).powi(2);
        sum += median;
    }
    let middle = sum / 2.0;
    Some((middle - down.sqrt() / 2.0, middle + up.sqrt() / 2.0))
}

/// Returns how many pairs tell as much as one independent pair would; at least 1.
fn neighbours_of_medians(orders: &Orders, rows: &[[TimeRow; 2]]) -> Option<f64> {
    let [base_first, other_first] = orders.each_ref().map(|values| values.count() as f64);
    let deviation = |row: &[TimeRow; 2]| {
        let of = |row: TimeRow, n: f64| (row.twice_below as f64 - row.pairs as f64) / 2.0 / n;
        of(row[0], base_first) + of(row[1], other_first)
    };
    let deviations: Vec<f64> = rows.iter().map(deviation).collect();
    let independent = 0.25 / base_first + 0.25 / other_first;
    let estimates = batches(&deviations)?;
    let alike = estimates.map(|(variance, t)| variance / independent * (t / z()).powi(2));
    Some(alike.fold(1.0, f64::max))
}

fn mean_interval(orders: &Orders, rows: &[[TimeRow; 2]]) -> Option<(f64, f64)> {
    if !has_enough(orders) {
        return None;
    }
    let [a, b] = orders;
    let (means, counts) = ([a.mean()?, b.mean()?], [a.count() as f64, b.count() as f64]);
    let deviation = |row: &[TimeRow; 2]| {
        let of = |order: usize| {
            let row = row[order];
            (row.sum_ns - means[order] * row.pairs as f64) / counts[order] / 2.0
        };
        of(0) + of(1)
    };
    let deviations: Vec<f64> = rows.iter().map(deviation).collect();
    let independent = (a.variance() / counts[0] + b.variance() / counts[1]) / 4.0;
    let halves = batches(&deviations)?.map(|(variance, t)| t * variance.sqrt());
    let half = halves.fold(z() * independent.sqrt(), f64::max);
    let mean = (means[0] + means[1]) / 2.0;
    Some((mean - half, mean + half))
}

/// Returns the difference of the shares of failed requests: of those that failed at one server alone, which side the
/// failures are on (McNemar, Psychometrika 12, 1947, exact), and how many there are.
pub fn errors(counts: &PairCounts, rows: &[ErrorRow]) -> Option<Estimate> {
    let pairs = counts.ended as f64;
    let [base, other] = counts.failed_alone.map(|n| n as f64);
    let alone = base + other;
    (counts.ended > 0).then(|| Estimate {
        value: (other - base) / pairs,
        interval: (counts.ended >= PAIRS_MIN)
            .then(|| {
                let alike = neighbours_of_errors(alone, other - base, rows)?;
                let (low, high) = match alone > 0.0 {
                    true => probability(other / alike, alone / alike),
                    false => (0.0, 1.0),
                };
                let (fewest, most) = expected(alone / alike);
                // What lies away from 0 is as far as most failures allow, what lies towards it as near as fewest.
                let end = |p: f64, away: bool| {
                    let count = if away { most } else { fewest };
                    (2.0 * p - 1.0) * count * alike / pairs
                };
                Some((end(low, low < 0.5).max(-1.0), end(high, high > 0.5).min(1.0)))
            })
            .flatten(),
    })
}

/// Returns how many failures tell as much as one independent failure would; at least 1.
fn neighbours_of_errors(alone: f64, lean: f64, rows: &[ErrorRow]) -> Option<f64> {
    if alone == 0.0 {
        return Some(1.0);
    }
    let average = lean / rows.len() as f64;
    let deviation = |row: &ErrorRow| row.alone[1] as f64 - row.alone[0] as f64 - average;
    let deviations: Vec<f64> = rows.iter().map(deviation).collect();
    let estimates = batches(&deviations)?;
    let alike = estimates.map(|(variance, t)| variance / alone * (t / z()).powi(2));
    Some(alike.fold(1.0, f64::max))
}

/// Returns the variance of the sum of all deviations by each number of batches, with Student's point for it; `None` if
/// there are too few blocks.
fn batches(deviations: &[f64]) -> Option<impl Iterator<Item = (f64, f64)>> {
    let blocks = deviations.len();
    let of = move |count: usize| (batch_variance(deviations, count), t(count as f64 - 1.0));
    let known: Vec<(f64, f64)> = BATCHES
        .into_iter()
        .filter(|count| *count <= blocks)
        .map(of)
        .collect();
    (!known.is_empty()).then(|| known.into_iter())
}

fn batch_variance(deviations: &[f64], batches: usize) -> f64 {
    let mut sums = [0.0; BATCHES[BATCHES.len() - 1]];
    let sums = &mut sums[..batches];
    for (index, deviation) in deviations.iter().enumerate() {
        sums[index * batches / deviations.len()] += deviation;
    }
    let k = batches as f64;
    let mean = sums.iter().sum::<f64>() / k;
    let squares: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
    squares * k / (k - 1.0)
}
