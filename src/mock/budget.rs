//! Limits the tokens per second of all streams together, like a GPU. Several mocks may share a budget.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::{Nanos, SECOND};

/// A rate of tokens that streams share by taking turns. Each asks for its next write only after the previous one, and
/// turns are given in the order of asking, so no stream gets two while another waits.
#[derive(Debug)]
pub struct Budget {
    tokens_per_second: u32,
    /// The instant until which the budget has been given out.
    busy_until: AtomicU64,
}

impl Budget {
    /// Creates a budget.
    ///
    /// # Panics
    ///
    /// Panics if the rate is 0.
    pub fn new(tokens_per_second: u32) -> Budget {
        assert!(tokens_per_second > 0, "the rate of a budget must be above 0");
        Budget {
            tokens_per_second,
            busy_until: AtomicU64::new(0),
        }
    }

    /// Returns when the tokens that are requested now will have been generated. Capacity that nobody requests is lost.
    pub fn take(&self, tokens: u32, now: Nanos) -> Nanos {
        let needed = u64::from(tokens) * SECOND / u64::from(self.tokens_per_second);
        let end = |busy_until: Nanos| busy_until.max(now) + needed;
        let previous = self
            .busy_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(end(at)));
        // The closure never declines.
        previous.map_or(now, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn turns_follow_each_other_and_idle_time_is_lost() {
        let budget = Budget::new(1_000);
        let ms = |n: u64| n * MILLISECOND;
        assert_eq!(budget.take(1, ms(10)), ms(11));
        assert_eq!(budget.take(4, ms(10)), ms(15));
        assert_eq!(budget.take(1, ms(12)), ms(16));
        assert_eq!(budget.take(1, ms(500)), ms(501));
    }
}
