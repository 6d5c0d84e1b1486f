//! The pace of a trace: how many requests were asked and how many were sent in each period of it.

use crate::units::Nanos;

/// The requests of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceCounts {
    /// Arrivals that were due in it.
    pub arrivals: u64,
    /// Those of them that no user took.
    pub dropped: u64,
    /// Requests that were sent in it, whenever they were due.
    pub sent: u64,
}

impl PaceCounts {
    fn merge(&mut self, other: &PaceCounts) {
        let PaceCounts {
            arrivals,
            dropped,
            sent,
        } = other;
        self.arrivals += arrivals;
        self.dropped += dropped;
        self.sent += sent;
    }
}

/// The requests of each period since the start of the load. Empty unless a trace is replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    rows: Vec<PaceCounts>,
}

impl Pace {
    pub fn rows(&self) -> &[PaceCounts] {
        &self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| *row == PaceCounts::default())
    }

    fn row(&mut self, index: usize) -> &mut PaceCounts {
        if self.rows.len() <= index {
            self.rows.resize(index + 1, PaceCounts::default());
        }
        &mut self.rows[index]
    }

    pub(super) fn merge(&mut self, other: &Pace) {
        if self.rows.len() < other.rows.len() {
            self.rows.resize(other.rows.len(), PaceCounts::default());
        }
        for (mine, theirs) in self.rows.iter_mut().zip(&other.rows) {
            mine.merge(theirs);
        }
    }

    /// Empties it and keeps its memory.
    pub(super) fn reset(&mut self) {
        self.rows.fill(PaceCounts::default());
    }
}

/// Finds the period of an instant.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    /// CLOCK_MONOTONIC.
    pub begin: Nanos,
    pub length: Nanos,
    /// Number of periods; what comes later is counted in the last.
    pub count: usize,
}

impl Periods {
    fn index(&self, at: Nanos) -> usize {
        let index = at.saturating_sub(self.begin) / self.length.max(1);
        (index as usize).min(self.count.saturating_sub(1))
    }

    pub(super) fn arrived(&self, pace: &mut Pace, due: Nanos, is_dropped: bool) {
        let row = pace.row(self.index(due));
        row.arrivals += 1;
        row.dropped += u64::from(is_dropped);
    }

    pub(super) fn sent(&self, pace: &mut Pace, at: Nanos) {
        pace.row(self.index(at)).sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    #[test]
    fn what_is_due_and_what_is_sent_count_in_the_period_of_their_instant() {
        let periods = Periods {
            begin: 100 * SECOND,
            length: 60 * SECOND,
            count: 3,
        };
        let mut pace = Pace::default();
        periods.arrived(&mut pace, 100 * SECOND, false);
        periods.arrived(&mut pace, 159 * SECOND, false);
        periods.arrived(&mut pace, 159 * SECOND, true);
        // It waited for a user.
        periods.sent(&mut pace, 100 * SECOND);
        periods.sent(&mut pace, 161 * SECOND);
        // The last one of all may be sent after the end.
        periods.sent(&mut pace, 300 * SECOND);
        let row = |arrivals, dropped, sent| PaceCounts {
            arrivals,
            dropped,
            sent,
        };
        assert_eq!(pace.rows(), [row(3, 1, 1), row(0, 0, 1), row(0, 0, 1)]);
        let mut sum = Pace::default();
        sum.merge(&pace);
        sum.merge(&pace);
        assert_eq!(sum.rows()[0], row(6, 2, 2));
        pace.reset();
        assert!(pace.is_empty() && !sum.is_empty());
    }
}
