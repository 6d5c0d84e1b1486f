//! Makes the kernel look worse than it is, in debug builds only and when a test asks for it: parts of sends and reads,
//! calls that would block, signals, and wake-ups for nothing. No peer can make these happen when they are wanted.

use std::io;

#[cfg(debug_assertions)]
pub use on_purpose::{are_on, interrupts, part, slot_to_wake};

/// What a call fails with that would not have blocked. The kernel will announce no edge for it.
const OURS: &str = "would block, on purpose";

pub fn is_ours(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string() == OURS
}

#[cfg(debug_assertions)]
mod on_purpose {
    use std::cell::Cell;
    use std::io;
    use std::sync::OnceLock;

    /// Names the variable with the seed of the troubles.
    const VARIABLE: &str = "LLMLOAD_TEST_EPOLL_TROUBLES";

    fn seed() -> Option<u64> {
        static SEED: OnceLock<Option<u64>> = OnceLock::new();
        *SEED.get_or_init(|| std::env::var(VARIABLE).ok()?.parse().ok())
    }

    pub fn are_on() -> bool {
        seed().is_some()
    }

    /// Returns a number below `limit`; `None` without troubles.
    fn draw(limit: usize) -> Option<usize> {
        thread_local! { static STATE: Cell<u64> = const { Cell::new(0) } }
        let seed = seed()?;
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        let mut z = state ^ seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(((z ^ (z >> 31)) % limit as u64) as usize)
    }

    pub fn interrupts() -> bool {
        draw(4) == Some(0)
    }

    /// Returns how many of so many bytes a call may move, or fails as if it would block.
    pub fn part(bytes: usize) -> io::Result<usize> {
        match draw(4) {
            Some(0) => Err(io::Error::new(io::ErrorKind::WouldBlock, super::OURS)),
            Some(1) => Ok(bytes.min(1)),
            Some(2) => Ok(bytes.div_ceil(2)),
            _ => Ok(bytes),
        }
    }

    /// Returns a slot of so many that is told that it may go on, though nothing happened.
    pub fn slot_to_wake(slots: usize) -> Option<usize> {
        draw(slots.max(1)).filter(|_| slots > 0)
    }
}

#[cfg(not(debug_assertions))]
pub fn are_on() -> bool {
    false
}

#[cfg(not(debug_assertions))]
pub fn interrupts() -> bool {
    false
}

#[cfg(not(debug_assertions))]
pub fn part(bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

#[cfg(not(debug_assertions))]
pub fn slot_to_wake(_: usize) -> Option<usize> {
    None
}
