//! Units shared by every room.

/// Nanoseconds. An instant of this type is on the CLOCK_MONOTONIC axis, a length is a difference of two.
pub type Nanos = u64;

pub const MICROSECOND: Nanos = 1_000;
pub const MILLISECOND: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;
pub const MINUTE: Nanos = 60 * SECOND;

/// Seconds as a float, for people and for JSON.
pub fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

/// Milliseconds as a float, for people and for JSON.
pub fn millis(nanos: Nanos) -> f64 {
    nanos as f64 / MILLISECOND as f64
}
