//! Reads the clocks. All times are on CLOCK_MONOTONIC; kernel stamps come in CLOCK_REALTIME and are converted.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

/// Longest age of the offset between the clocks. Both are slewed alike, so only steps matter.
const SAMPLE_EVERY: Nanos = 10 * MILLISECOND;
/// A sample whose two monotonic readings are further apart was interrupted, and is discarded.
const SPREAD_MAX: Nanos = 5 * MICROSECOND;
/// A larger change of the offset means that the wall clock was stepped.
const STEP_MIN: i64 = MILLISECOND as i64;

pub fn monotonic() -> Nanos {
    nanos(ClockId::Monotonic)
}

pub fn realtime() -> Nanos {
    let wall = nanos(ClockId::Realtime);
    #[cfg(debug_assertions)]
    let wall = super::tampered::wall(wall);
    wall
}

/// Returns for how long the machine has slept since it was booted, which CLOCK_MONOTONIC does not count.
pub fn suspended() -> Nanos {
    let awake = monotonic();
    let slept = nanos(ClockId::Boottime).saturating_sub(awake);
    #[cfg(debug_assertions)]
    let slept = slept + super::tampered::slept(nanos(ClockId::Realtime));
    slept
}

/// Returns how long the calling thread has waited for a CPU while it could have run; `None` if the kernel does not
/// count it.
pub fn run_delay() -> Option<Nanos> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counts.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Returns the CPU time of the calling thread.
pub fn thread_cpu() -> Nanos {
    nanos(ClockId::ThreadCPUTime)
}

/// Returns a length of time as the kernel's calls take it.
pub fn timespec(length: Nanos) -> Timespec {
    Timespec {
        tv_sec: (length / SECOND) as i64,
        tv_nsec: (length % SECOND) as i64,
    }
}

fn nanos(clock: ClockId) -> Nanos {
    let t = clock_gettime(clock);
    t.tv_sec as u64 * SECOND + t.tv_nsec as u64
}

/// Keeps the current difference CLOCK_REALTIME - CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct Offset {
    offset: i64,
    sampled_at: Nanos,
    pub steps: u64,
}

impl Offset {
    pub fn new() -> Offset {
        let mut best = sample();
        for _ in 0..8 {
            let next = sample();
            if next.1 < best.1 {
                best = next;
            }
        }
        Offset {
            offset: best.0,
            sampled_at: monotonic(),
            steps: 0,
        }
    }

    /// Takes a new sample if the last one is old.
    pub fn refresh(&mut self, now: Nanos) {
        if now < self.sampled_at + SAMPLE_EVERY {
            return;
        }
        let (offset, spread) = sample();
        self.observe(offset, spread, now);
    }

    fn observe(&mut self, offset: i64, spread: Nanos, now: Nanos) {
        if spread > SPREAD_MAX {
            return;
        }
        if (offset - self.offset).abs() > STEP_MIN {
            self.steps += 1;
        }
        self.offset = offset;
        self.sampled_at = now;
    }

    /// Converts a wall-clock stamp to a monotonic instant that is never later than `now`.
    pub fn to_monotonic(&self, stamp: Nanos, now: Nanos) -> Nanos {
        let at = (stamp as i64).saturating_sub(self.offset);
        u64::try_from(at).unwrap_or(0).min(now)
    }

    /// Returns the offset, which added to a monotonic instant gives the wall-clock time. It is for labels only.
    pub fn nanos(&self) -> i64 {
        self.offset
    }
}

impl Default for Offset {
    fn default() -> Self {
        Self::new()
    }
}

/// Measures the offset. Also returns the time between the two monotonic readings around it.
fn sample() -> (i64, Nanos) {
    let before = monotonic();
    let wall = realtime();
    let after = monotonic();
    let middle = before + (after - before) / 2;
    (wall as i64 - middle as i64, after - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_counted_and_followed() {
        let mut offset = Offset {
            offset: 1_000,
            sampled_at: 0,
            steps: 0,
        };
        offset.observe(1_400, 100, 1);
        assert_eq!((offset.steps, offset.offset), (0, 1_400));
        offset.observe(1_400 + SECOND as i64, SPREAD_MAX + 1, 2);
        assert_eq!((offset.steps, offset.offset), (0, 1_400));
        offset.observe(1_400 + SECOND as i64, 100, 3);
        assert_eq!(offset.steps, 1);
        assert_eq!(offset.to_monotonic(2 * SECOND + 1_400, 5 * SECOND), SECOND);
    }

    #[test]
    fn the_clocks_of_sleep_and_delay_only_grow() {
        let (slept, waited) = (suspended(), run_delay());
        std::thread::yield_now();
        assert!(suspended() + MILLISECOND >= slept);
        assert!(run_delay() >= waited);
    }

    #[test]
    fn a_stamp_is_never_in_the_future() {
        let offset = Offset {
            offset: 10,
            sampled_at: 0,
            steps: 0,
        };
        assert_eq!(offset.to_monotonic(500, 100), 100);
        assert_eq!(offset.to_monotonic(5, 100), 0);
    }
}
