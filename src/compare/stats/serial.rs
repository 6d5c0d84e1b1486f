//! Estimates how far a mean or a total would move if the run were repeated, from rows that depend on their neighbours,
//! by batch means (Conway 1963; Alexopoulos and Seila, Handbook of Simulation 1998, chapter 7).

use crate::compare::Slice;
use crate::stats::t;

/// The number of rows with values that both runs need. With fewer it is unknown how rows depend on each other.
pub const ROWS_MIN: usize = 10;
/// The numbers of batches that the variance is estimated from; the largest estimate counts. Batches have to be long
/// compared with the run's memory, and too many short ones underestimate the variance. The numbers were chosen by
/// simulation (docs/COMPARE.md has the false alarms and the power of each).
const BATCHES: [usize; 6] = [6, 8, 10, 12, 16, 20];
/// The largest number of Student's degrees of freedom: that of ten batches.
const DEGREES_MAX: f64 = 9.0;
/// The share by which lengths may differ for runs to be compared second by second. The effect of the load's own shape
/// (a ramp, a warm-up) is then in both and cancels.
const PAIRED_MAX: f64 = 0.1;
/// The number of rows on each side whose median is taken as usual around a row.
const NEIGHBOURS: usize = 5;
/// The multiple of the usual mean, or its inverse, that a row's mean is cut to where a few timeouts must not count.
const CUT: f64 = 2.0;

/// The variance of the logarithm of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogVariance {
    pub variance: f64,
    /// Student's degrees of freedom.
    pub degrees: f64,
}

impl LogVariance {
    /// Returns half the 95 % interval.
    pub fn half(self) -> f64 {
        t(self.degrees) * self.variance.sqrt()
    }
}

/// The contribution of a row to the deviation of its run's logarithm, and the middle of the row in time.
struct Contribution {
    middle: f64,
    share: f64,
}

/// Returns the variance of ln(mean of b / mean of a). With `cut` single rows that are far from their neighbours are
/// cut.
pub fn log_mean_variance(a: &[Slice], b: &[Slice], cut: bool) -> Option<LogVariance> {
    between(a, b, |rows| mean_parts(rows, cut), |row| row.count > 0)
}

/// Returns the variance of ln(total of b per second / total of a per second); a row's total is its `sum`.
pub fn log_total_variance(a: &[Slice], b: &[Slice]) -> Option<LogVariance> {
    between(a, b, total_parts, |_| true)
}

/// Returns the variance of one run's share of events (`sum`) in trials (`count`), in points squared.
pub fn share_variance(rows: &[Slice]) -> Option<f64> {
    let with_values = rows.iter().filter(|r| r.count > 0).count();
    let (n, sum) = totals(rows);
    if with_values < ROWS_MIN || sum <= 0.0 {
        return None;
    }
    let relative = variance(&[&mean_parts(rows, false)], span(rows), with_values);
    Some(relative * (sum / n) * (sum / n))
}

fn between(
    a: &[Slice],
    b: &[Slice],
    parts: impl Fn(&[Slice]) -> Vec<Contribution>,
    counts: impl Fn(&&Slice) -> bool,
) -> Option<LogVariance> {
    let rows = a
        .iter()
        .filter(&counts)
        .count()
        .min(b.iter().filter(&counts).count());
    if rows < ROWS_MIN || totals(a).1 <= 0.0 || totals(b).1 <= 0.0 {
        return None;
    }
    let (of_a, of_b) = (parts(a), parts(b));
    let (span_a, span_b) = (span(a), span(b));
    let longer = span_a.max(span_b);
    let variance = if (span_a - span_b).abs() <= PAIRED_MAX * longer {
        variance(&[&of_b, &negative(of_a)], longer, rows)
    } else {
        variance(&[&of_a], span_a, rows) + variance(&[&of_b], span_b, rows)
    };
    Some(LogVariance {
        variance,
        degrees: DEGREES_MAX.min((rows / 2) as f64 - 1.0),
    })
}

fn negative(mut parts: Vec<Contribution>) -> Vec<Contribution> {
    parts.iter_mut().for_each(|part| part.share = -part.share);
    parts
}

/// Returns the largest variance that any of the numbers of batches gives.
fn variance(series: &[&[Contribution]], span: f64, rows: usize) -> f64 {
    let of_batches = |k: &usize| batch_variance(series, span, *k);
    BATCHES
        .iter()
        .filter(|k| **k <= rows)
        .map(of_batches)
        .fold(0.0, f64::max)
}

fn batch_variance(series: &[&[Contribution]], span: f64, batches: usize) -> f64 {
    let mut sums = [0.0; BATCHES[BATCHES.len() - 1]];
    let sums = &mut sums[..batches];
    for part in series.iter().copied().flatten() {
        let at = (part.middle / span * batches as f64) as usize;
        sums[at.min(batches - 1)] += part.share;
    }
    let k = batches as f64;
    let mean = sums.iter().sum::<f64>() / k;
    let squares: f64 = sums.iter().map(|s| (s - mean) * (s - mean)).sum();
    squares * k / (k - 1.0)
}

/// Returns the count and the sum of all rows.
fn totals(rows: &[Slice]) -> (f64, f64) {
    let add = |(n, sum), row: &Slice| (n + row.count as f64, sum + row.sum);
    rows.iter().fold((0.0, 0.0), add)
}

fn span(rows: &[Slice]) -> f64 {
    rows.last().map_or(0.0, |row| row.elapsed)
}

/// Returns each row with its length in seconds.
fn with_lengths(rows: &[Slice]) -> impl Iterator<Item = (&Slice, f64)> {
    let starts = std::iter::once(0.0).chain(rows.iter().map(|row| row.elapsed));
    rows.iter()
        .zip(starts)
        .map(|(row, start)| (row, row.elapsed - start))
}

/// Returns the linear part of ln(sum / count) for each row: (sum - mean x count) / sum of all.
fn mean_parts(rows: &[Slice], cut: bool) -> Vec<Contribution> {
    let (_, whole) = totals(rows);
    let kept = if cut { cut_rows(rows) } else { rows.to_vec() };
    let (n, sum) = totals(&kept);
    let mean = sum / n;
    let part = |(row, length): (&Slice, f64)| Contribution {
        middle: row.elapsed - length / 2.0,
        share: (row.sum - mean * row.count as f64) / whole,
    };
    with_lengths(&kept).map(part).collect()
}

fn total_parts(rows: &[Slice]) -> Vec<Contribution> {
    let ((_, whole), span) = (totals(rows), span(rows));
    let part = |(row, length): (&Slice, f64)| Contribution {
        middle: row.elapsed - length / 2.0,
        share: row.sum / whole - length / span,
    };
    with_lengths(rows).map(part).collect()
}

fn cut_rows(rows: &[Slice]) -> Vec<Slice> {
    let filled: Vec<&Slice> = rows.iter().filter(|row| row.count > 0).collect();
    let means: Vec<f64> = filled.iter().map(|row| row.sum / row.count as f64).collect();
    let cut = |(i, row): (usize, &&Slice)| {
        let around = &means[i.saturating_sub(NEIGHBOURS)..(i + NEIGHBOURS + 1).min(means.len())];
        let mut around = around.to_vec();
        around.sort_unstable_by(f64::total_cmp);
        let usual = around[around.len() / 2];
        Slice {
            sum: row
                .sum
                .clamp(usual / CUT * row.count as f64, usual * CUT * row.count as f64),
            ..**row
        }
    };
    filled.iter().enumerate().map(cut).collect()
}

#[cfg(test)]
#[path = "serial_tests.rs"]
mod tests;
