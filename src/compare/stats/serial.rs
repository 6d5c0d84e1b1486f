//! How far a mean or a total would move if the run were made again, from rows that depend on their neighbours:
//! batch means (Conway 1963; Alexopoulos and Seila, Handbook of Simulation 1998, chapter 7).

use crate::compare::Slice;
use crate::compare::stats::distributions::t;

/// Rows with values that both runs need: with fewer nothing is known of how they depend on each other.
pub const ROWS_MIN: usize = 10;
/// Of each of these numbers of batches the variance is estimated, and the largest counts: a short run has few batches
/// that are long beside its memory, and many batches are too sure of themselves. Chosen by simulation (the
/// false alarms and the power of each are in docs/COMPARE.md).
const BATCHES: [usize; 6] = [6, 8, 10, 12, 16, 20];
/// Student's degrees of freedom: those of ten batches.
const DEGREES_MAX: f64 = 9.0;
/// Runs whose lengths differ by at most this share are compared second by second: what the load's own shape does
/// (a ramp, a warm-up) is in both and cancels.
const PAIRED_MAX: f64 = 0.1;
/// Rows on each side whose median says what is usual around a row.
const NEIGHBOURS: usize = 5;
/// A row's mean is cut to this multiple of what is usual, or its inverse, where a few timeouts must not count.
const CUT: f64 = 2.0;

/// Of the logarithm of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogVariance {
    pub variance: f64,
    /// Student's degrees of freedom.
    pub degrees: f64,
}

impl LogVariance {
    /// Half the 95 % interval.
    pub fn half(self) -> f64 {
        t(self.degrees) * self.variance.sqrt()
    }
}

/// What a row adds to the deviation of its run's logarithm, and when.
struct Part {
    middle: f64,
    share: f64,
}

/// Of ln(mean of b / mean of a). With `cut` single rows far off their neighbours are drawn in.
pub fn log_mean_variance(a: &[Slice], b: &[Slice], cut: bool) -> Option<LogVariance> {
    between(a, b, |rows| mean_parts(rows, cut), |row| row.count > 0)
}

/// Of ln(total of b per second / total of a per second); a row's total is its `sum`.
pub fn log_total_variance(a: &[Slice], b: &[Slice]) -> Option<LogVariance> {
    between(a, b, total_parts, |_| true)
}

/// Of one run's share of events (`sum`) in trials (`count`): the variance of the estimate, in points squared.
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
    parts: impl Fn(&[Slice]) -> Vec<Part>,
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

fn negative(mut parts: Vec<Part>) -> Vec<Part> {
    parts.iter_mut().for_each(|part| part.share = -part.share);
    parts
}

/// The largest that any number of batches gives.
fn variance(series: &[&[Part]], span: f64, rows: usize) -> f64 {
    let of_batches = |k: &usize| batch_variance(series, span, *k);
    BATCHES
        .iter()
        .filter(|k| **k <= rows)
        .map(of_batches)
        .fold(0.0, f64::max)
}

fn batch_variance(series: &[&[Part]], span: f64, batches: usize) -> f64 {
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

/// Count and sum.
fn totals(rows: &[Slice]) -> (f64, f64) {
    let add = |(n, sum), row: &Slice| (n + row.count as f64, sum + row.sum);
    rows.iter().fold((0.0, 0.0), add)
}

fn span(rows: &[Slice]) -> f64 {
    rows.last().map_or(0.0, |row| row.elapsed)
}

/// Each row with its length in seconds.
fn with_lengths(rows: &[Slice]) -> impl Iterator<Item = (&Slice, f64)> {
    let starts = std::iter::once(0.0).chain(rows.iter().map(|row| row.elapsed));
    rows.iter()
        .zip(starts)
        .map(|(row, start)| (row, row.elapsed - start))
}

/// The linear part of ln(sum / count): (sum - mean x count) / sum of all.
fn mean_parts(rows: &[Slice], cut: bool) -> Vec<Part> {
    let (_, whole) = totals(rows);
    let drawn_in = if cut { cut_rows(rows) } else { rows.to_vec() };
    let (n, sum) = totals(&drawn_in);
    let mean = sum / n;
    let part = |(row, length): (&Slice, f64)| Part {
        middle: row.elapsed - length / 2.0,
        share: (row.sum - mean * row.count as f64) / whole,
    };
    with_lengths(&drawn_in).map(part).collect()
}

fn total_parts(rows: &[Slice]) -> Vec<Part> {
    let ((_, whole), span) = (totals(rows), span(rows));
    let part = |(row, length): (&Slice, f64)| Part {
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
