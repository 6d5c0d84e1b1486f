//! Ranges of values, and the value that random bits choose.

/// A range that includes both ends; `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<T> {
    pub min: T,
    pub max: T,
}

/// Scales `bits` to `0..=max` by the high half of the product (Lemire, "Fast random integer generation in an
/// interval", 2019, <https://arxiv.org/abs/1805.10941>). Not rejecting leaves a bias of at most (max + 1) / 2^64.
pub fn up_to(max: u64, bits: u64) -> u64 {
    ((u128::from(bits) * (u128::from(max) + 1)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_numbers_reach_both_ends_of_the_range_but_not_beyond() {
        for max in [0, 1, 6, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            assert_eq!(up_to(max, 0), 0);
            assert_eq!(up_to(max, u64::MAX), max);
        }
    }
}
