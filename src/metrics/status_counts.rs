//! How many requests had each HTTP status.

use serde::{Deserialize, Serialize};

/// Counts requests by HTTP status. It is a flat table of all three-digit statuses (8 KB), so that a server that invents
/// hundreds of them takes no more memory, and merging does not depend on the order.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct StatusCounts {
    counts: Box<[u64]>,
}

/// Number of entries: three digits, where 0 means no status.
const STATUSES: usize = 1000;

impl StatusCounts {
    pub(super) fn new() -> Self {
        StatusCounts {
            counts: vec![0; STATUSES].into_boxed_slice(),
        }
    }

    /// Counts a status. 0 means that none arrived, and is not counted. A status above 999 is not valid in HTTP, and
    /// counts as 999.
    pub(super) fn count(&mut self, status: u16) {
        if status != 0 {
            self.add(status, 1);
        }
    }

    pub(super) fn add(&mut self, status: u16, n: u64) {
        self.counts[usize::from(status).min(STATUSES - 1)] += n;
    }

    pub(super) fn merge(&mut self, other: &StatusCounts) {
        let StatusCounts { counts } = other;
        for (mine, theirs) in self.counts.iter_mut().zip(counts) {
            *mine += theirs;
        }
    }

    pub(super) fn reset(&mut self) {
        self.counts.fill(0);
    }

    /// Iterates over the statuses that occurred with their counts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(status, n)| (status as u16, *n))
    }
}

impl std::fmt::Debug for StatusCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl From<Vec<(u16, u64)>> for StatusCounts {
    fn from(occurred: Vec<(u16, u64)>) -> StatusCounts {
        let mut counts = StatusCounts::new();
        occurred.into_iter().for_each(|(status, n)| counts.add(status, n));
        counts
    }
}

impl From<StatusCounts> for Vec<(u16, u64)> {
    fn from(counts: StatusCounts) -> Vec<(u16, u64)> {
        counts.iter().collect()
    }
}
