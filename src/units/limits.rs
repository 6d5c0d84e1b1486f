//! Numbers and their limits, in the one wording that documents and options share.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::error::{Reason, quoted};

/// Checks that a number lies within its limits; the error names the limit that it misses. `text` is the number as it
/// was written; `None` stands for one that is too large for its type.
pub fn within<T>(number: Option<T>, text: &str, limits: &RangeInclusive<T>) -> Result<T, Reason>
where
    T: PartialOrd + Display,
{
    match number {
        Some(n) if n < *limits.start() => Err(below(text, limits)),
        Some(n) if n <= *limits.end() => Ok(n),
        _ => Err(above(text, limits)),
    }
}

/// Reads a number of digits, perhaps with a sign, a point and an exponent; `inf` and `nan` are none. A number that is
/// too large for its type is infinite.
pub fn plain_number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse().ok().filter(|_| is_plain)
}

/// Checks the length of a text. `subject` begins the error, which never repeats the text: "the text has".
pub fn check_bytes(subject: &str, text: &str, bytes_max: usize) -> Result<(), Reason> {
    let bytes = text.len();
    if bytes > bytes_max {
        let what = format!("{subject} {bytes} bytes, more than the limit of {bytes_max}");
        return Err(Reason::new(what));
    }
    Ok(())
}

pub fn below<T: Display>(text: &str, limits: &RangeInclusive<T>) -> Reason {
    let what = format!("{} is below the minimum of {}", quoted(text), limits.start());
    Reason::new(what).hint(next_step(limits))
}

pub fn above<T: Display>(text: &str, limits: &RangeInclusive<T>) -> Reason {
    let what = format!("{} is above the limit of {}", quoted(text), limits.end());
    Reason::new(what).hint(next_step(limits))
}

fn next_step<T: Display>(limits: &RangeInclusive<T>) -> String {
    format!("write a number from {} to {}", limits.start(), limits.end())
}
