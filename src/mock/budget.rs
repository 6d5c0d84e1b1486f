//! So many tokens a second for all streams together, as one GPU has them: several mocks may share one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::{Nanos, SECOND};

/// Streams take turns: each asks for its next write only when it has sent the one before, and the turns are given
/// in the order of asking, so no stream gets two while another waits.
#[derive(Debug)]
pub struct Budget {
    tokens_per_second: u32,
    /// Until then it is given away.
    busy_until: AtomicU64,
}

impl Budget {
    /// # Panics
    /// When the rate is 0.
    pub fn new(tokens_per_second: u32) -> Budget {
        assert!(tokens_per_second > 0, "a budget of no tokens");
        Budget {
            tokens_per_second,
            busy_until: AtomicU64::new(0),
        }
    }

    /// When the tokens that are asked for now will have been generated. What nobody asks for is lost.
    pub fn take(&self, tokens: u32, now: Nanos) -> Nanos {
        let took = u64::from(tokens) * SECOND / u64::from(self.tokens_per_second);
        let end = |busy_until: Nanos| busy_until.max(now) + took;
        let before = self
            .busy_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(end(at)));
        // The closure never declines.
        before.map_or(now, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn turns_stand_behind_each_other_and_idle_time_is_lost() {
        let budget = Budget::new(1_000);
        let ms = |n: u64| n * MILLISECOND;
        assert_eq!(budget.take(1, ms(10)), ms(11));
        assert_eq!(budget.take(4, ms(10)), ms(15));
        assert_eq!(budget.take(1, ms(12)), ms(16));
        assert_eq!(budget.take(1, ms(500)), ms(501));
    }
}
