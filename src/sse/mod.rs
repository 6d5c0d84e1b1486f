//! Server-sent events (WHATWG HTML, 9.2.6) from slices, cut anywhere.
//!
//! An event comes out at the very byte that completes it, because that byte's arrival is what gets measured:
//! with CR line ends that is the second CR, without waiting for an LF that may follow.

mod line;
mod parser;

pub use parser::{Item, SseError, SseParser};

/// A limit for one event, large enough that no server's event known to us reaches it.
pub const EVENT_BYTES_MAX: usize = 64 << 20;
