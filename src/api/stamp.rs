//! The instant of a send inside a token event. The mock writes it, and the client reads it back with
//! `--verify-stamps`.

use crate::units::Nanos;

/// The number of digits of a stamp: every u64 fits, and the size of an event never changes.
pub const STAMP_DIGITS: usize = 20;
/// The text before a stamp in an event.
pub const STAMP_KEY: &str = "\"sent_ns\":\"";

/// Fills `out`, which is `STAMP_DIGITS` long, with the instant.
pub fn write_stamp(out: &mut [u8], mut value: Nanos) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Returns the stamp in an event's data, if it carries one.
pub fn find_stamp(data: &[u8]) -> Option<Nanos> {
    let at = memchr::memmem::find(data, STAMP_KEY.as_bytes())? + STAMP_KEY.len();
    let digits = std::str::from_utf8(data.get(at..at + STAMP_DIGITS)?).ok()?;
    digits.parse().ok()
}
