//! What the pairs of a run show about each figure.

use super::blocks::BlockRows;
use super::estimate::{Difference, Estimate, difference, errors};
use super::totals::{Orders, PairCounts};
use crate::metrics::{MetricId, PAIRED_METRICS};

/// The differences of the times in nanoseconds, and that of the shares of failed requests; `None` without pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairFindings {
    /// Of each of [`PAIRED_METRICS`].
    pub differences: [Option<Difference>; PAIRED_METRICS.len()],
    pub errors: Option<Estimate>,
}

impl PairFindings {
    pub fn new(
        counts: &PairCounts,
        differences: &[Orders; PAIRED_METRICS.len()],
        rows: &BlockRows,
    ) -> PairFindings {
        PairFindings {
            differences: std::array::from_fn(|index| difference(&differences[index], &rows.times[index])),
            errors: errors(counts, &rows.errors),
        }
    }

    /// Returns the difference of a metric, if pairs compare it.
    pub fn difference(&self, metric: MetricId) -> Option<Difference> {
        let index = PAIRED_METRICS.iter().position(|id| *id == metric)?;
        self.differences[index]
    }
}
