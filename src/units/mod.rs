//! Units shared by every room: time, spans, secrets, a hash, and the files that people name.

mod duration;
mod figures;
mod hash;
mod input_file;
mod limits;
mod masks;
mod path;
mod rate;
mod secret;
mod span;
mod text_file;

pub use duration::{
    bare, check_duration, duration_span_text, duration_text, format_duration, format_duration_span,
    format_span, optional_duration_text, parse_count_span, parse_duration, parse_duration_span,
    parse_duration_up_to, parse_long_duration, parse_span, too_long, too_short,
};
pub use figures::{
    bytes, elapsed, grouped, grouped_decimals, percent, percent_with, rate, round_up, significant, time,
    time_unit,
};
pub use hash::{Fnv, fnv};
pub use input_file::{open_input, read_input};
pub use limits::{above, below, check_bytes, plain_number, within};
pub use masks::{Cut, HIDDEN, Masks};
pub use path::optional_path_text;
pub use rate::{RATE_MAX, Rate, parse_rate, parse_rate_per, read_rate};
pub use secret::{Secret, redact};
pub use span::{Span, up_to};
pub use text_file::{cannot_be_read, read_text_file};

/// Nanoseconds. An instant of this type is a reading of CLOCK_MONOTONIC; a duration is the difference of two.
pub type Nanos = u64;

pub const MICROSECOND: Nanos = 1_000;
pub const MILLISECOND: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;
pub const MINUTE: Nanos = 60 * SECOND;

/// Tells serde to leave out a count of 0.
pub fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Formats a number for people: at most four decimals, no trailing zeros.
pub fn decimal(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Converts to seconds, for people and for JSON.
pub fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

/// Converts to milliseconds, for people and for JSON.
pub fn millis(nanos: Nanos) -> f64 {
    nanos as f64 / MILLISECOND as f64
}
