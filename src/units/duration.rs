//! Durations and ranges as people write them: `10s`, `1m30s`, `500ms`, `10ms-60ms`, `50-200`.

use crate::error::{Reason, quoted};
use crate::units::Span;
use crate::units::{MICROSECOND, MILLISECOND, MINUTE, Nanos, SECOND};
use serde::{Serialize, Serializer};
use std::ops::RangeInclusive;

/// The units, longest first, which is the order in which they are printed.
const UNITS: [(&str, Nanos); 6] = [
    ("h", 60 * MINUTE),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", MICROSECOND),
    ("ns", 1),
];

/// The digits that are counted before and after the point: their product with the largest unit easily fits u128.
const DIGITS_MAX: usize = 15;

/// Reads one or more numbers with units, which are added up, or a plain number of seconds. Fractions below 1 ns are
/// cut off.
pub fn parse_duration(text: &str) -> Result<Nanos, Reason> {
    let long = || Reason::new(format!("{} is longer than 584 years", quoted(text)));
    parse_long_duration(text)?.ok_or_else(long)
}

/// Reads a duration as [`parse_duration`] does; `None` if it is one, and too long to be counted in nanoseconds.
pub fn parse_long_duration(text: &str) -> Result<Option<Nanos>, Reason> {
    let wrong = |what: &str| {
        Reason::new(format!("{} is not a duration: {what}", quoted(text)))
            .hint("write `10s`, `1m30s`, `500ms`, `2h`, or a plain number of seconds")
    };
    let mut rest = text;
    let mut sum: u128 = 0;
    if rest.is_empty() {
        return Err(wrong("it is empty"));
    }
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_len);
        let unit_len = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let scale = match unit {
            // Only a number that is the whole text may do without a unit.
            "" if number.len() == text.len() => SECOND,
            "" => return Err(wrong("a number has no unit")),
            _ => match UNITS.iter().find(|(name, _)| *name == unit) {
                Some((_, scale)) => *scale,
                None => return Err(wrong(&format!("unknown unit {}", quoted(unit)))),
            },
        };
        let part =
            scaled(number, scale).ok_or_else(|| wrong(&format!("{} is not a number", quoted(number))))?;
        sum = sum.saturating_add(part);
        rest = after;
    }
    Ok(Nanos::try_from(sum).ok())
}

/// The largest number without a unit that is believed to be seconds, by what it measures. Tools differ in what such a
/// number means, k6 and JavaScript take milliseconds, and `30000` for 30 s would be a run of eight hours.
pub mod bare {
    use crate::units::{MILLISECOND, Nanos, SECOND};

    /// For the length of a load and of its parts.
    pub const LOAD: Nanos = 999 * SECOND;
    /// For the time that a whole request may take.
    pub const REQUEST: Nanos = 600 * SECOND;
    /// For pauses, for the time that a part of a request may take, and for what comes after a load.
    pub const PART: Nanos = 60 * SECOND;
    /// For times that are milliseconds in practice.
    pub const SHORT: Nanos = 999 * MILLISECOND;
    /// For keys that say seconds in their name.
    pub const SECONDS: Nanos = Nanos::MAX;
}

/// Reads a duration as [`parse_duration`] does, but a number without a unit only up to `bare_max`, one of [`bare`].
pub fn parse_duration_up_to(text: &str, bare_max: Nanos) -> Result<Nanos, Reason> {
    let nanos = parse_duration(text)?;
    let is_bare = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_bare || nanos <= bare_max {
        return Ok(nanos);
    }
    let what = format!(
        "{} has no unit, and would be {} as seconds",
        quoted(text),
        format_duration(nanos)
    );
    Err(Reason::new(what).hint(format!("write `{text}ms` or `{text}s`")))
}

fn scaled(number: &str, scale: Nanos) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    if whole.trim_start_matches('0').len() > DIGITS_MAX {
        return Some(u128::MAX);
    }
    let whole = whole.trim_start_matches('0');
    // What follows is below a nanosecond in any unit.
    let fraction = fraction.get(..DIGITS_MAX).unwrap_or(fraction);
    let value = |s: &str| {
        if s.is_empty() {
            Some(0)
        } else {
            s.parse::<u128>().ok()
        }
    };
    let parts = value(fraction)? * u128::from(scale) / 10u128.pow(fraction.len() as u32);
    Some(value(whole)? * u128::from(scale) + parts)
}

/// Returns the shortest text that `parse_duration` reads back as the same duration.
pub fn format_duration(nanos: Nanos) -> String {
    let mut rest = nanos;
    let mut out = String::new();
    for (unit, scale) in UNITS {
        if rest >= scale {
            out.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads a range, `A-B`, or a single value `A` for both ends.
pub fn parse_span<T: PartialOrd + Copy>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Reason>,
) -> Result<Span<T>, Reason> {
    let (min, max) = match text.split_once('-') {
        Some((min, max)) => (parse(min.trim())?, parse(max.trim())?),
        None => {
            let both = parse(text.trim())?;
            (both, both)
        }
    };
    if min > max {
        let turned = format!("{}: the first value is greater than the second", quoted(text));
        return Err(Reason::new(turned).hint("write the smaller value first"));
    }
    Ok(Span { min, max })
}

/// Reads a range of durations: `10ms-60ms`, `100ms` or `0`.
pub fn parse_duration_span(text: &str) -> Result<Span<Nanos>, Reason> {
    parse_span(text, |part| parse_duration_up_to(part, bare::PART))
}

/// Reads a range of counts: `50-200` or `50`.
pub fn parse_count_span(text: &str) -> Result<Span<u32>, Reason> {
    parse_span(text, |part| {
        part.parse::<u32>().map_err(|_| {
            let what = format!("{} is not a whole number", quoted(part));
            Reason::new(what).hint("write `50`, or `50-200` for a range")
        })
    })
}

pub fn format_duration_span(span: Span<Nanos>) -> String {
    format_span(span, format_duration)
}

pub fn format_span<T: PartialEq + Copy>(span: Span<T>, format: impl Fn(T) -> String) -> String {
    match span.min == span.max {
        true => format(span.min),
        false => format!("{}-{}", format(span.min), format(span.max)),
    }
}

/// Checks that a duration lies within a range; the error names the limit that it misses.
pub fn check_duration(nanos: Nanos, range: &RangeInclusive<Nanos>) -> Result<(), Reason> {
    let text = format_duration(nanos);
    if nanos < *range.start() {
        return Err(too_short(&text, range));
    }
    if nanos > *range.end() {
        return Err(too_long(&text, range));
    }
    Ok(())
}

/// Returns why `text`, a duration, is below the limits.
pub fn too_short(text: &str, range: &RangeInclusive<Nanos>) -> Reason {
    let least = format_duration(*range.start());
    let what = format!("{} is shorter than the minimum of {least}", quoted(text));
    Reason::new(what).hint(next_step(range))
}

/// Returns why `text`, a duration, is above the limits.
pub fn too_long(text: &str, range: &RangeInclusive<Nanos>) -> Reason {
    let most = format_duration(*range.end());
    let what = format!("{} is longer than the limit of {most}", quoted(text));
    Reason::new(what).hint(next_step(range))
}

fn next_step(range: &RangeInclusive<Nanos>) -> String {
    let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
    format!("write a time from {least} to {most}")
}

pub fn duration_text<S: Serializer>(nanos: &Nanos, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration(*nanos))
}

pub fn optional_duration_text<S: Serializer>(nanos: &Option<Nanos>, to: S) -> Result<S::Ok, S::Error> {
    nanos.map(format_duration).serialize(to)
}

pub fn duration_span_text<S: Serializer>(span: &Span<Nanos>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration_span(*span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        parse_duration(text).unwrap_err().what
    }

    #[test]
    fn durations_are_parsed_in_every_spelling() {
        let cases = [
            ("10s", 10 * SECOND),
            ("1m30s", 90 * SECOND),
            ("500ms", 500 * MILLISECOND),
            ("2h", 120 * MINUTE),
            ("90", 90 * SECOND),
            ("0", 0),
            ("0.1", 100 * MILLISECOND),
            ("1.5s", 1_500 * MILLISECOND),
            (".5h", 30 * MINUTE),
            ("250us", 250 * MICROSECOND),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn a_large_number_without_a_unit_is_refused_with_what_it_would_be() {
        let limits = [
            (bare::LOAD, "999", "1000"),
            (bare::REQUEST, "600", "601"),
            (bare::PART, "60", "60.5"),
            (bare::SHORT, "0.999", "1"),
        ];
        for (most, good, bad) in limits {
            for fine in [good, "0", &format!("{bad}s"), &format!("{bad}ms"), "5m"] {
                assert_eq!(parse_duration_up_to(fine, most), parse_duration(fine), "{fine}");
            }
            let refused = parse_duration_up_to(bad, most).unwrap_err();
            assert!(refused.what.contains("has no unit"), "{bad}: {refused:?}");
            assert_eq!(refused.hint, Some(format!("write `{bad}ms` or `{bad}s`")));
        }
        let refused = parse_duration_up_to("30000", bare::LOAD).unwrap_err();
        assert_eq!(refused.what, "`30000` has no unit, and would be 8h20m as seconds");
        assert_eq!(parse_duration_up_to("30000", bare::SECONDS), Ok(30_000 * SECOND));
        assert!(parse_duration_span("100-500").is_err() && parse_duration_span("0-0.5").is_ok());
    }

    #[test]
    fn a_text_that_is_not_a_duration_is_refused_with_the_reason() {
        assert!(refused("").contains("empty"));
        assert!(refused("10x").contains("unknown unit `x`"));
        assert!(refused("1m30").contains("no unit"));
        assert!(refused("-5s").contains("unknown unit `-`") || refused("-5s").contains("not a number"));
        assert!(refused("s").contains("not a number"));
        assert!(refused("1.2.3s").contains("not a number"));
        assert!(refused(".s").contains("not a number"));
        assert!(refused("1 s").contains("unknown unit"));
        assert!(refused("9999999999999999999s").contains("584 years"));
        assert!(refused("9".repeat(90).as_str()).contains("584 years"));
        assert_eq!(
            parse_duration("0000000000000000000001.0000000000000000000001s"),
            Ok(SECOND)
        );
        assert!(refused("999999999999999h").contains("584 years"));
        assert!(refused("١s").contains("not a duration"));
    }

    #[test]
    fn spans_are_one_value_or_two_in_order() {
        let span = parse_duration_span("10ms-60ms").unwrap();
        assert_eq!((span.min, span.max), (10 * MILLISECOND, 60 * MILLISECOND));
        assert_eq!(format_duration_span(span), "10ms-60ms");
        let none = parse_duration_span("0").unwrap();
        assert_eq!((none.min, none.max), (0, 0));
        assert!(
            parse_duration_span("60ms-10ms")
                .unwrap_err()
                .what
                .contains("greater than the second")
        );
        assert_eq!(parse_count_span("50-200"), Ok(Span { min: 50, max: 200 }));
        assert_eq!(parse_count_span("7"), Ok(Span { min: 7, max: 7 }));
        assert!(parse_count_span("7-").is_err());
        assert!(parse_count_span("-7").is_err());
    }

    proptest! {
        #[test]
        fn printed_durations_are_parsed_back(nanos: u64) {
            prop_assert_eq!(parse_duration(&format_duration(nanos)), Ok(nanos));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let _ = parse_duration(&text);
            let _ = parse_duration_span(&text);
        }

        #[test]
        fn texts_that_look_like_durations_do_not_make_it_panic(text in "[0-9.hmsun]{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
