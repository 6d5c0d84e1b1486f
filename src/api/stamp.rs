//! The instants of a request's arrival and of a send inside a token event. The mock writes them, and the client reads
//! them back with `--verify-stamps`.

use crate::units::Nanos;

/// The number of digits of a stamp: every u64 fits, and the size of an event never changes.
pub const STAMP_DIGITS: usize = 20;
/// The text before the stamp of the send in an event.
pub const STAMP_KEY: &str = "\"sent_ns\":\"";
/// The text between that stamp and the one of the request's arrival.
pub const ARRIVAL_KEY: &str = "\",\"arrived_ns\":\"";

/// What the server says about an event, by CLOCK_MONOTONIC of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// The event went out.
    pub sent: Nanos,
    /// Its request had arrived, by the kernel's stamp.
    pub arrived: Nanos,
}

/// Fills `out`, which is `STAMP_DIGITS` long, with the instant.
pub fn write_stamp(out: &mut [u8], mut value: Nanos) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Returns the stamps in an event's data, if it carries them.
pub fn find_stamps(data: &[u8]) -> Option<Stamps> {
    let at = memchr::memmem::find(data, STAMP_KEY.as_bytes())? + STAMP_KEY.len();
    let rest = data[at + STAMP_DIGITS.min(data.len() - at)..].strip_prefix(ARRIVAL_KEY.as_bytes())?;
    Some(Stamps {
        sent: digits(&data[at..])?,
        arrived: digits(rest)?,
    })
}

fn digits(data: &[u8]) -> Option<Nanos> {
    std::str::from_utf8(data.get(..STAMP_DIGITS)?).ok()?.parse().ok()
}
