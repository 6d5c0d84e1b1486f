//! Cumulative probabilities of whole numbers.

/// 2^64: probabilities are kept in units of its reciprocal.
const SCALE: f64 = 18_446_744_073_709_551_616.0;

/// The counts of a distribution in ascending order, and for each the probability of it or a smaller one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    counts: Counts,
    /// In units of 2^-64. It never decreases; the last is the largest that fits.
    cumulative: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Counts {
    /// All whole numbers from this one on.
    From(u32),
    These(Vec<u32>),
}

impl Table {
    /// Makes the table of the counts from `min` on. `cumulative` holds, for each, a number in proportion to the
    /// probability of it or a smaller one; its last one is positive.
    pub(super) fn of_range(min: u32, cumulative: &[f64]) -> Table {
        Table {
            counts: Counts::From(min),
            cumulative: scaled(cumulative),
        }
    }

    /// Makes the table of single counts, in ascending order, in the same way.
    pub(super) fn of_counts(counts: Vec<u32>, cumulative: &[f64]) -> Table {
        Table {
            counts: Counts::These(counts),
            cumulative: scaled(cumulative),
        }
    }

    /// Returns the count that 64 random bits choose: the first whose cumulative probability is above them.
    pub(super) fn value(&self, bits: u64) -> u32 {
        let above = self.cumulative.partition_point(|up_to| *up_to <= bits);
        self.count(above.min(self.cumulative.len() - 1))
    }

    pub(super) fn mean(&self) -> f64 {
        let mut before = 0;
        let mut sum = 0.0;
        for (index, up_to) in self.cumulative.iter().enumerate() {
            sum += f64::from(self.count(index)) * ((up_to - before) as f64 / SCALE);
            before = *up_to;
        }
        sum
    }

    fn count(&self, index: usize) -> u32 {
        match &self.counts {
            // A table has at most as many counts as fit into 32 bits.
            Counts::From(min) => min + index as u32,
            Counts::These(counts) => counts[index],
        }
    }
}

fn scaled(cumulative: &[f64]) -> Vec<u64> {
    let total = cumulative.last().copied().unwrap_or(1.0);
    // The conversion saturates: a share of 1 becomes the largest number. Rounding must not make a sum smaller.
    let mut most = 0;
    let shares = cumulative.iter().map(|part| (part / total * SCALE) as u64);
    let mut scaled: Vec<u64> = shares
        .map(|share| {
            most = share.max(most);
            most
        })
        .collect();
    if let Some(last) = scaled.last_mut() {
        *last = u64::MAX;
    }
    scaled
}
