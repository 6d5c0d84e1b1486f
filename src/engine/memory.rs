//! The memory that unfinished answers may take, all users together. A server decides how long an event, a body or a
//! head becomes, so that a limit for each alone would be none for a thousand users.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one connection may hold without being counted: a head and the buffers of ordinary events.
const FREE_BYTES: usize = 8 << 10;

/// The memory of all cores. It is counted when a buffer grows, which is rare, and never per event.
#[derive(Debug)]
pub struct AnswerMemory {
    held: AtomicUsize,
    max: usize,
}

impl AnswerMemory {
    pub fn new(max: usize) -> AnswerMemory {
        AnswerMemory {
            held: AtomicUsize::new(0),
            max,
        }
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// Counts that a connection that held `before` bytes holds `now` bytes, both without those that are free. Returns
    /// false if that is too much for all together.
    fn change(&self, before: usize, now: usize) -> bool {
        match now >= before {
            true => self.held.fetch_add(now - before, Ordering::Relaxed) + (now - before) <= self.max,
            false => {
                self.held.fetch_sub(before - now, Ordering::Relaxed);
                true
            }
        }
    }
}

/// The share of one connection.
#[derive(Debug, Default)]
pub struct Held(usize);

impl Held {
    /// Says that the connection holds `bytes` now. Returns false if all together hold too much.
    #[inline]
    pub fn set(&mut self, memory: &AnswerMemory, bytes: usize) -> bool {
        let now = if bytes > FREE_BYTES { bytes } else { 0 };
        let before = std::mem::replace(&mut self.0, now);
        now == before || memory.change(before, now)
    }
}

/// The memory of the histories of all sessions of all cores.
#[derive(Debug)]
pub struct HistoryMemory {
    held: AtomicUsize,
    max: usize,
}

impl HistoryMemory {
    pub fn new(max: usize) -> HistoryMemory {
        HistoryMemory {
            held: AtomicUsize::new(0),
            max,
        }
    }

    /// Takes `bytes` more. Returns false, and takes nothing, if there is not so much.
    pub fn take(&self, bytes: usize) -> bool {
        let held = self
            .held
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if held > self.max {
            self.give_back(bytes);
        }
        held <= self.max
    }

    pub fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_one_limit_and_give_back_what_they_held() {
        let memory = AnswerMemory::new(100 << 10);
        let (mut a, mut b, mut c) = (Held::default(), Held::default(), Held::default());
        assert!(a.set(&memory, 60 << 10) && b.set(&memory, 40 << 10));
        assert!(c.set(&memory, FREE_BYTES), "free of charge");
        assert!(!c.set(&memory, FREE_BYTES + 1));
        assert!(c.set(&memory, 0) && a.set(&memory, 10 << 10) && c.set(&memory, 50 << 10));
        for held in [&mut a, &mut b, &mut c] {
            assert!(held.set(&memory, 0));
        }
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn histories_take_no_more_than_there_is() {
        let memory = HistoryMemory::new(100);
        assert!(memory.take(60) && !memory.take(41) && memory.take(40));
        memory.give_back(60);
        assert!(memory.take(60) && !memory.take(1));
    }
}
