//! How large a ring is.

use super::BUFFERS;

/// Number of submission queue entries. A larger burst is submitted in several system calls.
pub const SUBMISSIONS: u32 = 1024;
/// Bounds of the number of completion queue entries.
const COMPLETIONS_MIN: u32 = 1024;
const COMPLETIONS_MAX: u32 = 16384;

/// Returns the number of completion queue entries for this many connections.
pub fn completion_entries(connections: u32) -> u32 {
    connections
        .saturating_mul(2)
        .next_power_of_two()
        .clamp(COMPLETIONS_MIN, COMPLETIONS_MAX)
}

/// How many entries the queues of a ring have, and how many buffers there are to read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub submissions: u32,
    pub completions: u32,
    pub buffers: u16,
}

impl Sizes {
    pub fn of(connections: u32) -> Sizes {
        Sizes {
            submissions: SUBMISSIONS,
            completions: completion_entries(connections),
            buffers: BUFFERS,
        }
    }
}
