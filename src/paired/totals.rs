//! Everything that is kept of the pairs of a run.

use super::blocks::{BlockRows, Blocks};
use super::findings::PairFindings;
use crate::metrics::{Differences, Outcome, PAIRED_METRICS, Pairs};
use crate::units::Nanos;

/// The differences of a metric: of the pairs in which the base was asked first, and of those in which the other was.
/// Whatever it costs or saves to be second is then in both with opposite signs.
pub type Orders = [Differences; 2];

/// Counts of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// Pairs of which neither request was interrupted.
    pub ended: u64,
    pub both_ok: u64,
    /// Of these, those whose answers have the same number of tokens.
    pub same_length: u64,
    /// Pairs of which neither request failed and at least one was cancelled.
    pub cancelled: u64,
    /// Pairs that failed at the base alone, and at the other alone.
    pub failed_alone: [u64; 2],
    pub both_failed: u64,
    /// Pairs of which a request was interrupted or never sent.
    pub incomplete: u64,
    /// Pairs that there was no room for.
    pub lost: u64,
}

impl PairCounts {
    pub fn merge(&mut self, other: &PairCounts) {
        let PairCounts {
            ended,
            both_ok,
            same_length,
            cancelled,
            failed_alone,
            both_failed,
            incomplete,
            lost,
        } = other;
        self.ended += ended;
        self.both_ok += both_ok;
        self.same_length += same_length;
        self.cancelled += cancelled;
        self.failed_alone[0] += failed_alone[0];
        self.failed_alone[1] += failed_alone[1];
        self.both_failed += both_failed;
        self.incomplete += incomplete;
        self.lost += lost;
    }
}

/// The pairs of a run, in memory that does not grow with their number: counts, histograms, and at most
/// [`BLOCKS_MAX`](super::BLOCKS_MAX) blocks of time.
#[derive(Clone, Debug, Default)]
pub struct PairTotals {
    counts: PairCounts,
    differences: [Orders; PAIRED_METRICS.len()],
    blocks: Blocks,
}

impl PairTotals {
    /// Adds the pairs that a core has finished since its last snapshot.
    pub fn add(&mut self, pairs: &Pairs) {
        let counts = &mut self.counts;
        counts.incomplete += pairs.incomplete;
        counts.lost += pairs.lost;
        for pair in &pairs.ended {
            counts.ended += 1;
            match pair.outcomes.map(Outcome::is_as_planned) {
                [true, true] if pair.outcomes.contains(&Outcome::Cancelled) => counts.cancelled += 1,
                [true, true] => {
                    counts.both_ok += 1;
                    counts.same_length += u64::from(pair.same_length);
                }
                [false, true] => counts.failed_alone[0] += 1,
                [true, false] => counts.failed_alone[1] += 1,
                [false, false] => counts.both_failed += 1,
            }
            for (orders, difference) in self.differences.iter_mut().zip(pair.differences) {
                if let Some(ns) = difference {
                    orders[usize::from(pair.other_first)].record(ns);
                }
            }
            self.blocks.add(pair);
        }
    }

    /// Appends the pairs of a later pass, which began `offset` after this one.
    pub fn append(&mut self, later: &PairTotals, offset: Nanos) {
        let PairTotals {
            counts,
            differences,
            blocks,
        } = later;
        self.counts.merge(counts);
        for (mine, theirs) in self
            .differences
            .iter_mut()
            .flatten()
            .zip(differences.iter().flatten())
        {
            mine.merge(theirs);
        }
        self.blocks.append(blocks, offset);
    }

    pub fn counts(&self) -> &PairCounts {
        &self.counts
    }

    /// Returns the differences of each of [`PAIRED_METRICS`].
    pub fn differences(&self) -> &[Orders; PAIRED_METRICS.len()] {
        &self.differences
    }

    /// Returns what the pairs show about each figure.
    pub fn findings(&self) -> PairFindings {
        PairFindings::new(&self.counts, &self.differences, &self.rows())
    }

    /// Returns the rows of the blocks.
    pub fn rows(&self) -> BlockRows {
        let medians = |orders: &Orders| {
            let median = |values: &Differences| values.median().unwrap_or(0.0);
            [median(&orders[0]), median(&orders[1])]
        };
        self.blocks.rows(self.differences.each_ref().map(medians))
    }
}
