//! Divides a wait into steps none of which the kernel ends too late.
//!
//! `epoll_wait` counts in milliseconds, so that a wait for the next instant of a plan ended up to 1 ms after it. The
//! kernel also lets a wait run over by a thousandth of its length (five thousandths in a niced process), so as to
//! end several at once. So a long wait ends early, and a short one by `ppoll`, which takes nanoseconds, follows it.
//! That is one call more for each instant that comes; an event before it costs no more than it did. `epoll_pwait2`
//! would still run over, is not on every kernel, and is refused by older filters.

use crate::units::{MILLISECOND, Nanos};

/// The longest delay of a wait as the inverse of its share in it (`select_estimate_accuracy` in Linux' `fs/select.c`).
const SLACK_SHARE: Nanos = 200;

/// One call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By `epoll_wait`, for whole milliseconds.
    Millis(u64),
    /// By `ppoll`, for less than two milliseconds.
    Exact(Nanos),
}

impl Step {
    /// Returns the first step of a wait of this length. The next one is that of the rest.
    pub fn of(length: Nanos) -> Step {
        match (length - length / SLACK_SHARE) / MILLISECOND {
            0 if length > 0 => Step::Exact(length),
            millis => Step::Millis(millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MICROSECOND, SECOND};

    fn length(step: Step) -> Nanos {
        match step {
            Step::Millis(millis) => millis * MILLISECOND,
            Step::Exact(length) => length,
        }
    }

    /// The lengths around each millisecond, and many others.
    fn lengths() -> impl Iterator<Item = Nanos> {
        let around = (0..2_000).flat_map(|ms| [0, 1, 2, 500_000, 999_999].map(|ns| ms * MILLISECOND + ns));
        around.chain((0..100_000).map(|n| n * 36_000_007))
    }

    #[test]
    fn no_step_ends_after_the_instant_with_the_slack_that_the_kernel_takes() {
        for left in lengths() {
            let step = Step::of(left);
            let ends = length(step) + length(step) / SLACK_SHARE;
            let late = ends.saturating_sub(left);
            assert!(late <= 6 * MICROSECOND, "{left}: {step:?} ends {late} ns late");
            assert!(
                matches!(step, Step::Millis(_)) || left < 2 * MILLISECOND,
                "{left}: {step:?}"
            );
        }
    }

    /// The shortest that each step may be: what is left after it is the most.
    #[test]
    fn a_wait_of_an_hour_takes_a_handful_of_steps_and_ends() {
        for whole in lengths().chain([SECOND, 60 * SECOND, 3600 * SECOND]) {
            let (mut left, mut steps) = (whole, 0);
            while left > 0 {
                left -= length(Step::of(left));
                steps += 1;
            }
            assert!(steps <= 6, "{whole}: {steps}");
        }
    }

    #[test]
    fn a_look_without_a_wait_is_one_call() {
        assert_eq!(Step::of(0), Step::Millis(0));
    }
}
