//! Reads server-sent events (WHATWG HTML, 9.2.6) from slices, cut anywhere.
//!
//! An event is reported at the very byte that completes it, because the arrival of that byte is measured. With CR line
//! ends it is the second CR, without waiting for an LF that may follow.

mod line;
mod parser;

pub use parser::{Item, SseError, SseParser};

/// Limit of one event in bytes. No event of a server known to us comes near it.
pub const EVENT_BYTES_MAX: usize = 64 << 20;
