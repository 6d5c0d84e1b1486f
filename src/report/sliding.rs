//! A sliding window: the last ten seconds of anything that is counted from tick to tick.

use std::collections::VecDeque;

use crate::units::{Nanos, SECOND};

/// The time that a window covers.
const WINDOW: Nanos = 10 * SECOND;
/// The most slots: enough for one tick per second, with some to spare. Faster ticks make the window shorter, never
/// larger.
const SLOTS_MAX: usize = 16;
/// The tolerance for late ticks: a window must not shrink to nine seconds because a tick came a little late.
const TICK_JITTER_MAX: Nanos = SECOND / 2;

/// A window that slides on with each tick. It keeps the newest slots, one per tick, and only as many as are needed to
/// cover ten seconds. A single slot that is longer than that is kept whole.
#[derive(Clone, Debug)]
pub struct Sliding<T> {
    /// Slots, the oldest first.
    slots: VecDeque<Slot<T>>,
    /// End of the newest slot, since the start.
    end: Nanos,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    start: Nanos,
    value: T,
}

impl<T> Sliding<T> {
    pub fn new() -> Sliding<T> {
        Sliding {
            slots: VecDeque::new(),
            end: 0,
        }
    }

    /// Returns when the newest slot ended; 0 before the first tick.
    pub fn end(&self) -> Nanos {
        self.end
    }

    /// Returns the time that the slots cover: ten seconds, less at the start.
    pub fn span(&self) -> Nanos {
        self.slots.front().map_or(0, |oldest| self.end - oldest.start)
    }

    /// Returns true if the window covers its full ten seconds.
    pub fn is_full(&self) -> bool {
        self.span() + TICK_JITTER_MAX >= WINDOW
    }

    pub fn slots(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.value)
    }

    /// Adds what was counted from the previous tick up to this one, at `end` since the start. A tick that does not come
    /// after the previous one spans no time. Returns a slot that left the window, so that its memory can be used again.
    pub fn push(&mut self, value: T, end: Nanos) -> Option<T> {
        let start = self.end;
        self.end = end.max(start);
        let mut left = None;
        if self.slots.len() == SLOTS_MAX {
            left = self.slots.pop_front();
        }
        self.slots.push_back(Slot { start, value });
        while let Some(second) = self.slots.get(1)
            && second.start + WINDOW <= self.end + TICK_JITTER_MAX
        {
            left = self.slots.pop_front();
        }
        left.map(|slot| slot.value)
    }

    /// Forgets all slots: nothing was seen of the time up to `end`, so the window starts again there.
    pub fn skip_to(&mut self, end: Nanos) {
        self.slots.clear();
        self.end = end;
    }
}

impl<T> Default for Sliding<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the numbers of the slots that are kept after ticks at `ends`.
    fn left(ends: impl IntoIterator<Item = Nanos>) -> Vec<usize> {
        let mut window = Sliding::new();
        for (number, end) in ends.into_iter().enumerate() {
            window.push(number, end);
        }
        window.slots().copied().collect()
    }

    #[test]
    fn it_keeps_no_more_slots_than_reach_back_ten_seconds() {
        // Seconds between ticks, and the number of slots that make the window.
        for (seconds, slots) in [(1, 10), (2, 5), (3, 4), (4, 3), (5, 2), (9, 2), (10, 1), (60, 1)] {
            let kept = left((1..=20).map(|tick| tick * seconds * SECOND));
            let expected: Vec<usize> = (20 - slots..20).collect();
            assert_eq!(kept, expected, "a tick every {seconds} s");
        }
    }

    #[test]
    fn a_young_window_covers_the_time_so_far_and_is_not_full() {
        let mut window = Sliding::new();
        assert_eq!((window.end(), window.span(), window.is_full()), (0, 0, false));
        for second in 1..=25 {
            window.push((), second * SECOND);
            assert_eq!(window.end(), second * SECOND);
            assert_eq!(window.span(), second.min(10) * SECOND);
            assert_eq!(window.is_full(), second >= 10);
        }
    }

    #[test]
    fn ticks_that_come_a_little_late_make_the_window_neither_shorter_nor_longer() {
        for seconds in 12..30 {
            let ends = (1..=seconds).map(|second| second * SECOND + second % 3 * SECOND / 100);
            assert_eq!(left(ends).len(), 10, "{seconds} s");
        }
    }

    #[test]
    fn ticks_that_come_too_often_are_bounded() {
        assert_eq!(left((1..1_000).map(|tick| tick * SECOND / 100)).len(), SLOTS_MAX);
    }

    #[test]
    fn a_tick_that_does_not_advance_adds_a_slot_without_time() {
        let mut window = Sliding::new();
        for end in [SECOND, SECOND, SECOND / 2] {
            window.push((), end);
        }
        assert_eq!((window.slots().count(), window.span()), (3, SECOND));
    }

    #[test]
    fn a_slot_that_leaves_the_window_is_returned() {
        let mut window = Sliding::new();
        for second in 0..30usize {
            let given_back = window.push(second, (second as u64 + 1) * SECOND);
            assert_eq!(given_back, second.checked_sub(10));
        }
        window.skip_to(100 * SECOND);
        assert_eq!((window.slots().count(), window.span()), (0, 0));
        window.push(0, 101 * SECOND);
        assert_eq!(window.span(), SECOND);
    }
}
