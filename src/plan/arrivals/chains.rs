//! The rows of a trace that have no instant: each follows another one of its session, after a delay.

use crate::units::Nanos;

/// A row that follows another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The number of the row that it follows.
    pub after: u32,
    pub row: u32,
    /// From the end of that row's answer on.
    pub delay: Nanos,
}

/// All of them. A row has at most one follower.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chains {
    /// By the row that they follow.
    followers: Vec<Follower>,
}

impl Chains {
    pub fn new(mut followers: Vec<Follower>) -> Chains {
        followers.sort_unstable_by_key(|follower| follower.after);
        Chains { followers }
    }

    pub fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    /// Returns what follows a row.
    pub fn after(&self, row: u32) -> Option<Follower> {
        let found = self
            .followers
            .binary_search_by_key(&row, |follower| follower.after);
        found.ok().map(|index| self.followers[index])
    }

    /// Returns the number of rows that follow a row, one after another, and the sum of their delays.
    pub fn all_after(&self, row: u32) -> (u64, Nanos) {
        let (mut count, mut sum): (u64, Nanos) = (0, 0);
        let mut last = row;
        while let Some(follower) = self.after(last) {
            count += 1;
            sum = sum.saturating_add(follower.delay);
            last = follower.row;
        }
        (count, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_row_is_found_and_its_delays_add_up() {
        let follower = |after, row, delay| Follower { after, row, delay };
        let chains = Chains::new(vec![follower(5, 6, 30), follower(0, 2, 10), follower(2, 5, 20)]);
        assert_eq!(chains.after(0), Some(follower(0, 2, 10)));
        assert_eq!((chains.after(1), chains.after(6)), (None, None));
        let all = [0, 2, 5, 6].map(|row| chains.all_after(row));
        assert_eq!(all, [(3, 60), (2, 50), (1, 30), (0, 0)]);
        assert!(Chains::default().is_empty() && !chains.is_empty());
    }
}
