//! How far the figures of all ranks reach during a pass, and when they are those of the whole.

use crate::units::Nanos;
use std::collections::BTreeMap;

/// How far the figures of one rank reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Until {
        until: Nanos,
        /// It waits for the answer to its last snapshot.
        is_waiting: bool,
    },
    /// Its part of the pass is over, or it was lost: no more will come.
    Over,
}

/// The time up to which there are figures of every rank. A rank that is behind is waited for, so that its part of the
/// load is never counted as if it had sent nothing, and the others wait with their next snapshots: of no rank is more
/// than one under way.
#[derive(Clone, Debug)]
pub struct Reach {
    parts: BTreeMap<u32, Part>,
    /// The end of the last row.
    closed: Nanos,
}

impl Reach {
    pub fn new(ranks: impl Iterator<Item = u32>) -> Reach {
        let part = Part::Until {
            until: 0,
            is_waiting: false,
        };
        Reach {
            parts: ranks.map(|rank| (rank, part)).collect(),
            closed: 0,
        }
    }

    /// Takes a snapshot up to `until`. Returns false if nothing was to come of this rank any more.
    pub fn take(&mut self, rank: u32, until: Nanos, is_last: bool) -> bool {
        match self.parts.get_mut(&rank) {
            Some(part @ Part::Until { .. }) => {
                *part = match is_last {
                    true => Part::Over,
                    false => Part::Until {
                        until,
                        is_waiting: true,
                    },
                };
                true
            }
            Some(Part::Over) | None => false,
        }
    }

    /// Takes the loss of a rank. What it sent before stays in the figures.
    pub fn lose(&mut self, rank: u32) {
        if let Some(part) = self.parts.get_mut(&rank) {
            *part = Part::Over;
        }
    }

    /// Closes the row up to which there are figures of every rank, and returns its end; `None` while one is behind, or
    /// if nothing is new.
    pub fn close(&mut self) -> Option<Nanos> {
        let furthest = self.furthest();
        let is_whole = self.untils().all(|(_, until)| until == furthest);
        if !is_whole || furthest <= self.closed {
            return None;
        }
        self.closed = furthest;
        Some(furthest)
    }

    /// Returns the ranks whose next snapshots are wanted now, each once for every snapshot of theirs.
    pub fn released(&mut self) -> Vec<u32> {
        let (furthest, closed) = (self.furthest(), self.closed);
        let mut released = Vec::new();
        for (rank, part) in &mut self.parts {
            if let Part::Until { until, is_waiting } = part
                && *is_waiting
                && (*until < furthest || *until <= closed)
            {
                *is_waiting = false;
                released.push(*rank);
            }
        }
        released
    }

    /// Returns whether nothing more comes of any rank.
    pub fn is_over(&self) -> bool {
        self.untils().next().is_none()
    }

    /// Returns the ranks that are behind `now` by more than `limit`, without those that only wait for others.
    pub fn behind(&self, now: Nanos, limit: Nanos) -> Vec<u32> {
        let is_late = |part: &Part| match part {
            Part::Until { until, is_waiting } => !is_waiting && until.saturating_add(limit) < now,
            Part::Over => false,
        };
        let late = self.parts.iter().filter(|(_, part)| is_late(part));
        late.map(|(rank, _)| *rank).collect()
    }

    fn untils(&self) -> impl Iterator<Item = (u32, Nanos)> {
        self.parts.iter().filter_map(|(rank, part)| match part {
            Part::Until { until, .. } => Some((*rank, *until)),
            Part::Over => None,
        })
    }

    fn furthest(&self) -> Nanos {
        self.untils().map(|(_, until)| until).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_closed_when_the_slowest_rank_has_told_of_it() {
        let mut reach = Reach::new(0..3);
        assert!(reach.take(0, 1, false) && reach.take(1, 1, false));
        assert_eq!((reach.close(), reach.released()), (None, vec![]));
        assert!(reach.take(2, 1, false));
        assert_eq!(reach.close(), Some(1));
        assert_eq!(reach.released(), [0, 1, 2]);
        assert_eq!((reach.close(), reach.released()), (None, vec![]), "once");
    }

    #[test]
    fn a_rank_that_is_behind_holds_the_row_until_it_has_caught_up() {
        let mut reach = Reach::new(0..2);
        reach.take(0, 1, false);
        assert_eq!(reach.behind(9, 5), [1], "the other one waits for it");
        // It was stopped for a while, and sends at once what it has up to then.
        reach.take(1, 7, false);
        assert_eq!(reach.close(), None);
        assert_eq!(reach.released(), [0], "the other one has its next seconds ready");
        assert_eq!(reach.behind(7, 5), [0]);
        reach.take(0, 8, false);
        assert_eq!(reach.released(), [1]);
        reach.take(1, 8, false);
        assert_eq!(reach.close(), Some(8), "one row of all these seconds");
    }

    #[test]
    fn nobody_waits_for_a_rank_that_has_ended_or_was_lost() {
        let mut reach = Reach::new(0..4);
        for rank in 0..3 {
            reach.take(rank, 2, rank == 1);
        }
        assert_eq!(reach.close(), None);
        reach.lose(3);
        assert_eq!(reach.close(), Some(2));
        assert!(!reach.take(3, 9, false) && !reach.take(1, 9, false) && !reach.take(7, 9, false));
        reach.take(0, 3, true);
        reach.take(2, 3, false);
        assert_eq!((reach.close(), reach.is_over()), (Some(3), false));
        reach.take(2, 4, true);
        assert_eq!((reach.close(), reach.is_over()), (None, true));
    }
}
