//! Keeps the deadlines of many tasks in one heap and re-arms them lazily, so that moving a deadline later is free.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::units::Nanos;

const NEVER: Nanos = Nanos::MAX;

#[derive(Clone, Copy)]
struct Slot {
    /// The instant at which the timer fires.
    deadline: Nanos,
    /// The only heap entry of this slot that counts; others are stale.
    queued: Nanos,
}

/// Timers with one deadline per slot.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Nanos, u32)>>,
    slots: Vec<Slot>,
}

impl Timers {
    pub fn set(&mut self, slot: u32, deadline: Nanos) {
        let i = slot as usize;
        if self.slots.len() <= i {
            let none = Slot {
                deadline: NEVER,
                queued: NEVER,
            };
            self.slots.resize(i + 1, none);
        }
        let s = &mut self.slots[i];
        s.deadline = deadline;
        if deadline < s.queued {
            s.queued = deadline;
            self.heap.push(Reverse((deadline, slot)));
        }
    }

    pub fn clear(&mut self, slot: u32) {
        if let Some(s) = self.slots.get_mut(slot as usize) {
            s.deadline = NEVER;
        }
    }

    /// Returns when to call `pop_due` next. It may be earlier than the earliest deadline, but is never later.
    pub fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Returns a slot whose deadline has passed at `now`, if there is one, and clears the deadline.
    pub fn pop_due(&mut self, now: Nanos) -> Option<u32> {
        while let Some(&Reverse((at, slot))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let s = &mut self.slots[slot as usize];
            if s.queued != at {
                continue;
            }
            s.queued = NEVER;
            if s.deadline <= now {
                s.deadline = NEVER;
                return Some(slot);
            }
            if s.deadline != NEVER {
                s.queued = s.deadline;
                self.heap.push(Reverse((s.deadline, slot)));
            }
        }
        None
    }

    #[cfg(test)]
    fn entries(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn moving_a_deadline_later_adds_no_entry() {
        let mut timers = Timers::default();
        for t in 100..10_100 {
            timers.set(3, t);
        }
        assert_eq!(timers.entries(), 1);
        assert_eq!(timers.pop_due(10_098), None);
        assert_eq!(timers.pop_due(10_099), Some(3));
        assert_eq!(timers.pop_due(u64::MAX - 1), None);
    }

    #[test]
    fn short_and_long_timeouts_in_turn_leave_few_stale_entries() {
        let mut timers = Timers::default();
        for now in 0..100_000u64 {
            while timers.pop_due(now).is_some() {}
            timers.set(0, now + if now % 2 == 0 { 60_000 } else { 10_000 });
            timers.clear(0);
        }
        assert!(timers.entries() < 20, "{}", timers.entries());
    }

    proptest! {
        #[test]
        fn timers_fire_like_a_plain_map(ops in proptest::collection::vec((0u8..3, 0u32..8, 1u64..50), 1..200)) {
            let mut timers = Timers::default();
            let mut plain: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0;
            for (kind, slot, amount) in ops {
                match kind {
                    0 => {
                        timers.set(slot, now + amount);
                        plain.insert(slot, now + amount);
                    }
                    1 => {
                        timers.clear(slot);
                        plain.remove(&slot);
                    }
                    _ => {
                        now += amount;
                        let mut fired: Vec<u32> = std::iter::from_fn(|| timers.pop_due(now)).collect();
                        fired.sort_unstable();
                        let due: Vec<u32> = plain.iter().filter(|(_, at)| **at <= now).map(|(s, _)| *s).collect();
                        prop_assert_eq!(&fired, &due);
                        plain.retain(|_, at| *at > now);
                    }
                }
                if let Some(first) = plain.values().min() {
                    prop_assert!(timers.next().is_some_and(|at| at <= *first));
                }
            }
        }
    }
}
