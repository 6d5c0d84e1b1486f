//! Pairs by blocks of time, which show how much neighbours have in common.

use crate::metrics::{Outcome, PAIRED_METRICS, Pair};
use crate::units::{MICROSECOND, Nanos, SECOND};
use std::collections::BTreeMap;

/// The most blocks. When there are as many, two become one.
pub const BLOCKS_MAX: usize = 64;
/// The length of the blocks at first, so that a run of a second has them all.
pub const BLOCK_FIRST: Nanos = SECOND / BLOCKS_MAX as Nanos;

/// What a block shows about a metric: of the pairs in which the base was first, and of those in which the other was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeRow {
    pub pairs: u64,
    /// Twice the number of differences below the median of all such pairs; one at the median counts once.
    pub twice_below: u64,
    /// Sum of the differences in nanoseconds.
    pub sum_ns: f64,
}

/// What a block shows about errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorRow {
    /// Pairs that failed at the base alone, and at the other alone.
    pub alone: [u64; 2],
}

/// Rows of blocks of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockRows {
    pub length: Nanos,
    pub times: [Vec<[TimeRow; 2]>; PAIRED_METRICS.len()],
    pub errors: Vec<ErrorRow>,
}

impl BlockRows {
    /// Adds the rows of another process, whose load began at the same time. Blocks become as long as the longer ones.
    pub fn merge(&mut self, other: &BlockRows) {
        let length = self.length.max(other.length);
        let mut sum = BlockRows {
            length,
            ..BlockRows::default()
        };
        for part in [&*self, other] {
            let place = |index: usize| (index as u64 * part.length.max(1) / length.max(1)) as usize;
            for (to, from) in sum.times.iter_mut().zip(&part.times) {
                for (index, row) in from.iter().enumerate() {
                    let to = at(to, place(index));
                    for (mine, theirs) in to.iter_mut().zip(row) {
                        mine.pairs += theirs.pairs;
                        mine.twice_below += theirs.twice_below;
                        mine.sum_ns += theirs.sum_ns;
                    }
                }
            }
            for (index, row) in part.errors.iter().enumerate() {
                let to = at(&mut sum.errors, place(index));
                to.alone[0] += row.alone[0];
                to.alone[1] += row.alone[1];
            }
        }
        *self = sum;
    }
}

/// Returns the element at `index`, after making the list long enough.
fn at<T: Default>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize_with(index + 1, T::default);
    }
    &mut list[index]
}

/// The differences of one metric in one block, in one order of the servers.
#[derive(Clone, Debug, Default)]
struct Values {
    sum_ns: i128,
    /// Number of differences by bucket.
    buckets: BTreeMap<i32, u32>,
}

impl Values {
    fn merge(&mut self, other: Values) {
        let Values { sum_ns, buckets } = other;
        self.sum_ns += sum_ns;
        for (bucket, n) in buckets {
            *self.buckets.entry(bucket).or_default() += n;
        }
    }

    fn row(&self, median: f64) -> TimeRow {
        let middle = bucket(median as i64);
        let count =
            |range: &mut dyn Iterator<Item = (&i32, &u32)>| range.map(|(_, n)| u64::from(*n)).sum::<u64>();
        let below = count(&mut self.buckets.range(..middle));
        let within = u64::from(self.buckets.get(&middle).copied().unwrap_or(0));
        TimeRow {
            pairs: count(&mut self.buckets.iter()),
            twice_below: 2 * below + within,
            sum_ns: self.sum_ns as f64,
        }
    }
}

/// Everything that a block counts.
#[derive(Clone, Debug, Default)]
struct Block {
    values: [[Values; 2]; PAIRED_METRICS.len()],
    errors: ErrorRow,
}

impl Block {
    fn merge(&mut self, other: Block) {
        let Block { values, errors } = other;
        for (mine, theirs) in self.values.iter_mut().flatten().zip(values.into_iter().flatten()) {
            mine.merge(theirs);
        }
        self.errors.alone[0] += errors.alone[0];
        self.errors.alone[1] += errors.alone[1];
    }
}

/// The blocks of a run, from its start.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    length: Nanos,
    blocks: Vec<Block>,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks {
            length: BLOCK_FIRST,
            blocks: Vec::new(),
        }
    }
}

impl Blocks {
    pub(super) fn add(&mut self, pair: &Pair) {
        let block = self.block(pair.ended);
        let order = usize::from(pair.other_first);
        for (values, difference) in block.values.iter_mut().zip(pair.differences) {
            let Some(ns) = difference else { continue };
            values[order].sum_ns += i128::from(ns);
            *values[order].buckets.entry(bucket(ns)).or_default() += 1;
        }
        match pair.outcomes.map(Outcome::is_as_planned) {
            [false, true] => block.errors.alone[0] += 1,
            [true, false] => block.errors.alone[1] += 1,
            _ => {}
        }
    }

    /// Adds the blocks of a later pass, which began `offset` after this one.
    pub(super) fn append(&mut self, later: &Blocks, offset: Nanos) {
        for (block, index) in later.blocks.iter().zip(0..) {
            let middle = offset + index * later.length + later.length / 2;
            self.block(middle).merge(block.clone());
        }
    }

    /// Returns the block of an instant.
    fn block(&mut self, instant: Nanos) -> &mut Block {
        while instant / self.length >= BLOCKS_MAX as Nanos {
            self.length *= 2;
            let mut old = std::mem::take(&mut self.blocks).into_iter();
            while let Some(mut block) = old.next() {
                if let Some(next) = old.next() {
                    block.merge(next);
                }
                self.blocks.push(block);
            }
        }
        at(&mut self.blocks, (instant / self.length) as usize)
    }

    /// Returns the rows. `medians` are those of each metric in each order.
    pub(super) fn rows(&self, medians: [[f64; 2]; PAIRED_METRICS.len()]) -> BlockRows {
        let times = |metric: usize| {
            let row = |block: &Block| {
                [0, 1].map(|order: usize| block.values[metric][order].row(medians[metric][order]))
            };
            self.blocks.iter().map(row).collect()
        };
        BlockRows {
            length: self.length,
            times: std::array::from_fn(times),
            errors: self.blocks.iter().map(|block| block.errors).collect(),
        }
    }
}

/// Bits of a bucket's number below its power of two: a bucket is at most 0.1 % of its value wide.
const BITS: u32 = 10;

/// Returns the number of a difference's bucket, which ascends with the difference.
fn bucket(ns: i64) -> i32 {
    let us = (ns.unsigned_abs() + MICROSECOND / 2) / MICROSECOND;
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(BITS + 1);
    let number = ((u64::from(shift) << BITS) + (us >> shift)) as i32;
    if ns < 0 { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    fn pair(at: Nanos, ms: i64, other_first: bool) -> Pair {
        Pair {
            ended: at,
            other_first,
            outcomes: [Outcome::Ok; 2],
            differences: [Some(ms * MILLISECOND as i64), None, None],
            same_length: true,
        }
    }

    #[test]
    fn buckets_ascend_and_are_a_thousandth_wide() {
        let mut last = i32::MIN;
        for us in (-3_000..3_000).chain((3_000..4_000_000).step_by(997)) {
            let number = bucket(us * MICROSECOND as i64);
            assert!(number >= last, "{us}");
            last = number;
        }
        let ms = MILLISECOND as i64;
        assert_eq!(bucket(0), 0);
        assert_ne!(bucket(100 * ms), bucket(100 * ms + ms / 5));
        assert_eq!(bucket(-(100 * ms)), -bucket(100 * ms));
    }

    #[test]
    fn blocks_become_longer_and_lose_nothing() {
        let mut blocks = Blocks::default();
        for n in 0..1_000u64 {
            blocks.add(&pair(n * 20 * MILLISECOND, n as i64 - 500, n % 2 == 1));
        }
        let rows = blocks.rows([[0.0; 2]; 3]);
        assert_eq!(rows.length, 32 * BLOCK_FIRST);
        assert!(rows.times[0].len() <= BLOCKS_MAX && rows.times[0].len() > BLOCKS_MAX / 2);
        let sum = |pick: fn(&TimeRow) -> u64| rows.times[0].iter().flatten().map(pick).sum::<u64>();
        assert_eq!(sum(|row| row.pairs), 1_000);
        // 500 differences below 0, and one at 0.
        assert_eq!(sum(|row| row.twice_below), 1_001);
        let total: f64 = rows.times[0].iter().flatten().map(|row| row.sum_ns).sum();
        assert_eq!(total, -500.0 * MILLISECOND as f64);
    }

    #[test]
    fn rows_of_different_lengths_are_added_at_their_time() {
        let part = |seconds: u64| {
            let mut blocks = Blocks::default();
            for n in 0..seconds * 50 {
                blocks.add(&pair(n * 20 * MILLISECOND, 1, n % 2 == 1));
            }
            blocks.rows([[1e6; 2]; 3])
        };
        let (short, long) = (part(1), part(10));
        let mut sum = short.clone();
        sum.merge(&long);
        let mut other_way = long.clone();
        other_way.merge(&short);
        assert_eq!(sum, other_way);
        assert_eq!(sum.length, long.length);
        let pairs =
            |rows: &BlockRows, index: usize| rows.times[0][index].iter().map(|row| row.pairs).sum::<u64>();
        assert_eq!(pairs(&sum, 0), 2 * pairs(&long, 0));
        let last = long.times[0].len() - 1;
        assert_eq!(pairs(&sum, last), pairs(&long, last));
    }
}
