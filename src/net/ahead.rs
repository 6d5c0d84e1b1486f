//! The next instant that the loop must not miss, and how long before it the loop stops sleeping.
//!
//! A sleep ends late: on a virtual machine the timer and the wake-up of a halted CPU take 20 to 50 us. So the loop
//! sleeps until a little before the instant and then polls, for which it has a small share of the time at most.

use crate::units::{MICROSECOND, Nanos};

/// The longest time before an instant in which the loop polls.
pub const POLL_MAX: Nanos = 30 * MICROSECOND;
/// The largest share of the time up to an instant in which the loop polls, as its inverse: one quarter.
pub const POLL_SHARE: Nanos = 4;

/// What a completion and the task that it wakes take of the loop's time, rounded up (docs/EVIDENCE.md).
const COMPLETION: Nanos = 5 * MICROSECOND;
/// Completions that a turn takes even if the instant is here, so that answers are read however many requests are due.
const COMPLETIONS_MIN: usize = 4;

/// The next instant, and the poll that leads to it.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    due: Nanos,
    /// The poll begins here.
    wake_at: Nanos,
    /// Beginning of a turn that only polls; 0 if the turn does something.
    polling_since: Nanos,
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead {
            due: Nanos::MAX,
            wake_at: Nanos::MAX,
            polling_since: 0,
        }
    }
}

impl Ahead {
    /// Takes the next instant as it is known at `now`.
    pub fn set(&mut self, due: Option<Nanos>, now: Nanos) {
        let due = due.unwrap_or(Nanos::MAX);
        if due == self.due {
            return;
        }
        self.due = due;
        self.polling_since = 0;
        let poll = (due.saturating_sub(now) / POLL_SHARE).min(POLL_MAX);
        self.wake_at = match due {
            Nanos::MAX => Nanos::MAX,
            due => due - poll,
        };
    }

    /// Returns when a sleep must end.
    pub fn wake_at(&self) -> Option<Nanos> {
        (self.wake_at != Nanos::MAX).then_some(self.wake_at)
    }

    /// Returns how many completions a turn may take that begins at `now`: as many as fit before the instant.
    pub fn room(&self, now: Nanos) -> usize {
        let fit = self.due.saturating_sub(now) / COMPLETION;
        usize::try_from(fit).unwrap_or(usize::MAX).max(COMPLETIONS_MIN)
    }

    /// Begins a turn that does not sleep at `now`. It polls if the instant is near and nothing else is due.
    pub fn begin_poll(&mut self, now: Nanos, others: Option<Nanos>) {
        let is_near = self.wake_at <= now;
        if is_near && others.is_none_or(|at| at > now) {
            self.polling_since = now;
        }
    }

    /// Notes how many completions a turn has found. One that found some did more than poll.
    pub fn found(&mut self, completions: usize) {
        if completions > 0 {
            self.polling_since = 0;
        }
    }

    /// Returns for how long the turn that ends at `now` did nothing but poll.
    pub fn polled(&mut self, now: Nanos) -> Nanos {
        match std::mem::take(&mut self.polling_since) {
            0 => 0,
            since => now - since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn the_sleep_ends_before_the_instant_by_a_quarter_of_the_time_at_most() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.wake_at(), None);
        ahead.set(Some(MILLISECOND), 0);
        assert_eq!(ahead.wake_at(), Some(MILLISECOND - POLL_MAX));
        ahead.set(Some(MILLISECOND + 40 * MICROSECOND), MILLISECOND);
        assert_eq!(ahead.wake_at(), Some(MILLISECOND + 30 * MICROSECOND));
        // The same instant, looked at later, keeps its poll.
        ahead.set(
            Some(MILLISECOND + 40 * MICROSECOND),
            MILLISECOND + 20 * MICROSECOND,
        );
        assert_eq!(ahead.wake_at(), Some(MILLISECOND + 30 * MICROSECOND));
        // An instant that is due already needs none.
        ahead.set(Some(MILLISECOND), 2 * MILLISECOND);
        assert_eq!(ahead.wake_at(), Some(MILLISECOND));
        ahead.set(None, 2 * MILLISECOND);
        assert_eq!(ahead.wake_at(), None);
    }

    #[test]
    fn a_turn_takes_as_many_completions_as_fit_before_the_instant() {
        let mut ahead = Ahead::default();
        assert!(ahead.room(0) > 1_000_000);
        ahead.set(Some(MILLISECOND), 0);
        assert_eq!(ahead.room(0), 200);
        assert_eq!(ahead.room(990 * MICROSECOND), COMPLETIONS_MIN);
        assert_eq!(ahead.room(2 * MILLISECOND), COMPLETIONS_MIN);
    }

    #[test]
    fn only_turns_that_found_nothing_count_as_polling() {
        let mut ahead = Ahead::default();
        ahead.set(Some(100 * MICROSECOND), 0);
        ahead.begin_poll(50 * MICROSECOND, None);
        assert_eq!(ahead.polled(60 * MICROSECOND), 0, "the instant is not near");
        ahead.begin_poll(80 * MICROSECOND, None);
        ahead.found(0);
        assert_eq!(ahead.polled(83 * MICROSECOND), 3 * MICROSECOND);
        assert_eq!(ahead.polled(84 * MICROSECOND), 0);
        ahead.begin_poll(85 * MICROSECOND, None);
        ahead.found(1);
        assert_eq!(ahead.polled(90 * MICROSECOND), 0);
        ahead.begin_poll(91 * MICROSECOND, Some(90 * MICROSECOND));
        assert_eq!(ahead.polled(95 * MICROSECOND), 0, "a timer was due");
        ahead.begin_poll(96 * MICROSECOND, None);
        ahead.set(Some(200 * MICROSECOND), 101 * MICROSECOND);
        assert_eq!(ahead.polled(110 * MICROSECOND), 0, "the instant came");
    }

    #[test]
    fn the_page_on_the_architecture_states_both_bounds() {
        let page = crate::documents_tests::document("docs/ARCHITECTURE.md");
        let bounds = format!(
            "{} us before an instant, and for at most {} % of the time",
            POLL_MAX / MICROSECOND,
            100 / POLL_SHARE
        );
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&bounds), "{bounds}");
    }
}
