//! The number of independent values in a sample that consists of groups.

use serde::{Deserialize, Serialize};

/// Sums over groups of values, such as the gaps of one stream each. The sums of a whole are those of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Clusters {
    values: u64,
    /// Sum over the groups of the square of their number of values.
    squares: u128,
}

/// The number of values, and the upper and the lower half of the sum of squares: JSON has no whole numbers of 128 bits.
impl From<[u64; 3]> for Clusters {
    fn from([values, upper, lower]: [u64; 3]) -> Clusters {
        let squares = u128::from(upper) << 64 | u128::from(lower);
        Clusters { values, squares }
    }
}

impl From<Clusters> for [u64; 3] {
    fn from(Clusters { values, squares }: Clusters) -> [u64; 3] {
        [values, (squares >> 64) as u64, squares as u64]
    }
}

impl Clusters {
    /// Adds a group of `values` values.
    #[inline]
    pub fn add(&mut self, values: u64) {
        self.values += values;
        self.squares += u128::from(values) * u128::from(values);
    }

    /// Restores the sums of a sample of `values` values from the number of independent ones among them.
    pub fn restored(values: u64, independent: u64) -> Clusters {
        let square = u128::from(values) * u128::from(values);
        Clusters {
            values,
            squares: square.checked_div(u128::from(independent)).unwrap_or(0),
        }
    }

    pub fn merge(&mut self, other: &Clusters) {
        let Clusters { values, squares } = other;
        self.values += values;
        self.squares += squares;
    }

    /// Returns how many independent values say as much as these, if the values of a group are as alike as can be. Then
    /// a group says no more than one value, and groups of different sizes say less than their number (Kish's effective
    /// sample size, Survey Sampling, 1965, with an intraclass correlation of 1).
    pub fn independent(&self) -> u64 {
        let square = u128::from(self.values) * u128::from(self.values);
        square.checked_div(self.squares).unwrap_or(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(groups: &[u64]) -> Clusters {
        let mut clusters = Clusters::default();
        groups.iter().for_each(|values| clusters.add(*values));
        clusters
    }

    #[test]
    fn groups_of_one_size_count_as_one_value_each_and_unequal_ones_as_fewer() {
        assert_eq!(of(&[]).independent(), 0);
        assert_eq!(of(&[0, 0]).independent(), 0);
        assert_eq!(of(&[7; 20]).independent(), 20);
        assert_eq!(of(&[1; 500]).independent(), 500);
        assert_eq!(of(&[0, 7, 7]).independent(), 2);
        // (1 + 3)^2 / (1 + 9).
        assert_eq!(of(&[1, 3]).independent(), 1);
        assert_eq!(of(&[10, 10, 20, 20]).independent(), 3);
    }

    #[test]
    fn parts_that_were_restored_add_up_to_nearly_the_whole() {
        let parts = [of(&[50; 40]), of(&[80; 30]), of(&[]), of(&[1; 9])];
        let (mut whole, mut sum) = (Clusters::default(), Clusters::default());
        for part in parts {
            whole.merge(&part);
            sum.merge(&Clusters::restored(part.values, part.independent()));
        }
        assert_eq!(sum, whole);
        let uneven = of(&[3, 5, 9, 20]);
        let restored = Clusters::restored(uneven.values, uneven.independent());
        assert!(restored.independent().abs_diff(uneven.independent()) <= 1);
    }
}
