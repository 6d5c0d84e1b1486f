//! How requests were sent, apart from how they were answered.

use crate::metrics::Sample;
use crate::units::{MILLISECOND, Nanos};
use serde::{Deserialize, Serialize};

/// A request that our own delay kept back for longer than this counts as late. A thousandth of a second is a tenth of
/// what users notice, and twenty times what an idle core needs.
pub const LATE_AFTER: Nanos = MILLISECOND;

/// The counts of requests that say whether the load was the one that was planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Arrivals at a rate that were due: those that became requests, and those that were dropped. 0 in a closed loop,
    /// in which nothing is due until a user asks.
    pub offered: u64,
    /// Sent requests whose `schedule_lag` is more than [`LATE_AFTER`].
    pub late: u64,
    /// Requests that waited for a free user.
    pub queued: u64,
}

impl Sending {
    /// Counts a request that has ended.
    pub(super) fn count(&mut self, sample: &Sample) {
        let is_late = sample.sent.is_some() && sample.schedule_lag > LATE_AFTER;
        self.late += u64::from(is_late);
        self.queued += u64::from(sample.queue_wait.is_some_and(|wait| wait > 0));
    }

    pub fn merge(&mut self, other: &Sending) {
        let Sending {
            offered,
            late,
            queued,
        } = other;
        self.offered = self.offered.saturating_add(*offered);
        self.late = self.late.saturating_add(*late);
        self.queued = self.queued.saturating_add(*queued);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Outcome;
    use crate::units::MICROSECOND;

    #[test]
    fn a_request_is_late_by_our_own_delay_and_queued_by_its_wait_for_a_user() {
        let mut sending = Sending::default();
        let sample = |lag, wait| Sample {
            schedule_lag: lag,
            queue_wait: wait,
            sent: Some(lag),
            ..Sample::ended(Outcome::Ok, 9 * MILLISECOND)
        };
        sending.count(&sample(LATE_AFTER, None));
        sending.count(&sample(LATE_AFTER + 1, Some(0)));
        sending.count(&sample(50 * MICROSECOND, Some(5 * MILLISECOND)));
        sending.count(&Sample {
            sent: None,
            ..sample(2 * MILLISECOND, None)
        });
        let expected = Sending {
            offered: 0,
            late: 1,
            queued: 1,
        };
        assert_eq!(sending, expected);
        sending.merge(&expected);
        assert_eq!((sending.late, sending.queued), (2, 2));
    }
}
