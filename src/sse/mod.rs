//! Reads server-sent events (WHATWG HTML, 9.2.6) from slices, cut anywhere, and streams of JSON lines in the same way.
//!
//! An event is reported at the very byte that completes it, because the arrival of that byte is measured. With CR line
//! ends it is the second CR, without waiting for an LF that may follow.

mod framed;
mod line;
mod lines;
mod parser;

/// The byte order mark that may come before a stream.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The name of an event that has none of its own.
pub const UNNAMED: &[u8] = b"message";

/// Larger buffers are freed after their event. A token event with log-probabilities fits.
const KEPT_BYTES_MAX: usize = 4096;

/// Empties the buffer of a parser, and frees it if it is large.
#[inline]
fn clear(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    }
    buffer.clear();
}

/// Blanks and line ends before the first field: nobody sends more.
pub const LEADING_BLANKS_MAX: usize = 64;

/// Tells a stream of this framing by its first bytes, whatever its content type says; `None` means too few bytes. HTML
/// and plain words begin otherwise, and a JSON document is no server-sent event.
pub fn begins_a_stream(body: &[u8], framing: Framing) -> Option<bool> {
    let body = match BOM.starts_with(&body[..body.len().min(BOM.len())]) {
        true => body.get(BOM.len()..)?,
        false => body,
    };
    let blanks = body.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if blanks > LEADING_BLANKS_MAX {
        return Some(false);
    }
    if blanks == body.len() {
        return None;
    }
    let line_ends = body
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let rest = &body[line_ends..];
    if framing == Framing::Lines {
        return Some(rest.trim_ascii_start().starts_with(b"{"));
    }
    let fields: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
    if fields.iter().any(|field| rest.starts_with(field)) {
        return Some(true);
    }
    match fields.iter().any(|field| field.starts_with(rest)) {
        true => None,
        false => Some(false),
    }
}

pub use framed::{EventParser, Framing};
pub use parser::{Item, SseError, SseParser};

/// Limit of one event in bytes. No event of a server known to us comes near it.
pub const EVENT_BYTES_MAX: usize = 64 << 20;
