//! Numbers and times of options, with their limits. What its type can hold is checked later, together with everything
//! else that is wrong; what it cannot hold is refused here, in the same words and with the same exit code.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::{Reason, ValueError, quoted};
use crate::lengths::{Lengths, read_counts_file};
use crate::units::{
    Nanos, Span, above, bare, below, parse_duration_up_to, parse_long_duration, plain_number, too_long,
    too_short, within,
};
use crate::workload::ALL_TURNS;

/// Returns the parser of a whole number.
pub fn count<T>(limits: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, ValueError> + Clone
where
    T: FromStr + Display + Clone,
{
    move |text| read_count(text, &limits)
}

/// Returns the parser of a whole number that nothing checks later.
pub fn checked_count<T>(limits: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, ValueError> + Clone
where
    T: FromStr + Display + PartialOrd + Clone,
{
    move |text| {
        let number = read_count(text, &limits)?;
        within(Some(number), text, &limits).map_err(ValueError::Refused)
    }
}

fn read_count<T: FromStr + Display>(text: &str, limits: &RangeInclusive<T>) -> Result<T, ValueError> {
    let (least, most) = (limits.start(), limits.end());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let what = format!("{} is not a whole number", quoted(text));
        let hint = format!("write digits alone, from {least} to {most}");
        return Err(Reason::new(what).hint(hint).into());
    }
    let negative = text.starts_with('-') && unsigned.bytes().any(|b| b != b'0');
    match unsigned.parse() {
        _ if negative => Err(ValueError::Refused(below(text, limits))),
        Ok(number) => Ok(number),
        Err(_) => Err(ValueError::Refused(above(text, limits))),
    }
}

/// Reads any number that a seed may be.
pub fn seed(text: &str) -> Result<u64, ValueError> {
    read_count(text, &(0..=u64::MAX))
}

/// Returns the parser of a number that may have decimals.
pub fn number(limits: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, ValueError> + Clone {
    move |text| {
        plain_number(text).ok_or_else(|| {
            let what = format!("{} is not a number", quoted(text));
            let hint = format!(
                "write a number from {} to {}, such as `0.5`",
                limits.start(),
                limits.end()
            );
            Reason::new(what).hint(hint).into()
        })
    }
}

/// Returns the parser of a range of whole numbers, `50-200`, or of a single one.
pub fn count_span(limits: RangeInclusive<u32>) -> impl Fn(&str) -> Result<Span<u32>, ValueError> + Clone {
    move |text| {
        let part = |part: &str| read_count(part, &limits);
        let hint = "write `50`, or `50-200` for a range";
        read_span(text, part).map_err(|e| match e {
            ValueError::Unreadable(reason) => reason.hint(hint).into(),
            refused => refused,
        })
    }
}

/// Returns the parser of lengths in tokens: a number, a range, or a distribution.
pub fn lengths(limits: RangeInclusive<u32>) -> impl Fn(&str) -> Result<Lengths, ValueError> + Clone {
    move |text| {
        let read = |limits: &RangeInclusive<u32>| Lengths::parse(text, limits, &read_counts_file);
        match read(&limits) {
            // A number beyond its limits is reported later, with whatever else is wrong.
            Err(ValueError::Refused(reason)) if !text.contains('(') => {
                read(&(0..=u32::MAX)).map_err(|_| ValueError::Refused(reason))
            }
            other => other,
        }
    }
}

/// How many turns sessions are to have.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnsAsked {
    /// As many as the sessions of a dataset have.
    All,
    Drawn(Lengths),
}

/// Returns the parser of a number of turns: lengths, or `all`.
pub fn turns(limits: RangeInclusive<u32>) -> impl Fn(&str) -> Result<TurnsAsked, ValueError> + Clone {
    let drawn = lengths(limits);
    move |text| {
        match text {
        ALL_TURNS => Ok(TurnsAsked::All),
        text => drawn(text).map(TurnsAsked::Drawn).map_err(|e| match e {
            ValueError::Unreadable(reason) if !text.contains('(') => {
                let hint = "write `5`, `2-10` for a range, `all` for as many as the sessions of a dataset have, or a \
                            distribution such as `normal(mean=8,std=2)`";
                reason.hint(hint).into()
            }
            other => other,
        }),
    }
    }
}

/// Returns the parser of a duration.
pub fn duration(limits: RangeInclusive<Nanos>) -> impl Fn(&str) -> Result<Nanos, ValueError> + Clone {
    move |text| read_duration(text, &limits, bare::LOAD)
}

/// Returns the parser of the time that a part of a load may take.
pub fn part_of_load(limits: RangeInclusive<Nanos>) -> impl Fn(&str) -> Result<Nanos, ValueError> + Clone {
    move |text| read_duration(text, &limits, bare::PART)
}

/// Returns the parser of a time that is milliseconds in practice.
pub fn short_time(limits: RangeInclusive<Nanos>) -> impl Fn(&str) -> Result<Nanos, ValueError> + Clone {
    move |text| read_duration(text, &limits, bare::SHORT)
}

/// Returns the parser of a range of pauses, `10ms-60ms`, or of a single one.
pub fn pause(limits: RangeInclusive<Nanos>) -> impl Fn(&str) -> Result<Span<Nanos>, ValueError> + Clone {
    move |text| read_span(text, |part| read_duration(part, &limits, bare::PART))
}

/// Reads a duration. A number without a unit is seconds only up to `bare_max`, one of [`bare`].
pub fn read_duration(
    text: &str,
    limits: &RangeInclusive<Nanos>,
    bare_max: Nanos,
) -> Result<Nanos, ValueError> {
    if let Some(rest) = text.strip_prefix('-')
        && parse_long_duration(rest).is_ok()
    {
        return Err(ValueError::Refused(too_short(text, limits)));
    }
    match parse_long_duration(text)? {
        Some(_) => Ok(parse_duration_up_to(text, bare_max)?),
        None => Err(ValueError::Refused(too_long(text, limits))),
    }
}

fn read_span<T: PartialOrd + Copy>(
    text: &str,
    read: impl Fn(&str) -> Result<T, ValueError>,
) -> Result<Span<T>, ValueError> {
    // A sign at the beginning belongs to the number.
    let at = text.get(1..).and_then(|rest| rest.find('-')).map(|at| at + 1);
    let (min, max) = match at {
        Some(at) => (read(text[..at].trim())?, read(text[at + 1..].trim())?),
        None => {
            let both = read(text.trim())?;
            (both, both)
        }
    };
    if min > max {
        let what = format!("{}: the first value is greater than the second", quoted(text));
        return Err(ValueError::Refused(
            Reason::new(what).hint("write the smaller value first"),
        ));
    }
    Ok(Span { min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    fn refused<T>(result: Result<T, ValueError>) -> String {
        match result {
            Err(ValueError::Refused(reason)) => reason.what,
            Err(ValueError::Unreadable(reason)) => panic!("unreadable: {reason}"),
            Ok(_) => panic!("taken"),
        }
    }

    #[test]
    fn what_is_no_number_is_unreadable_and_what_no_type_holds_is_beyond_the_limit() {
        let read = count(1..=100_000_u32);
        assert_eq!(
            (read("7"), read("+7"), read("-0"), read("200000")),
            (Ok(7), Ok(7), Ok(0), Ok(200_000))
        );
        for text in ["", "-", "1.5", "1k", "1,000", "0x10", "ten", " 5", "１"] {
            assert!(matches!(read(text), Err(ValueError::Unreadable(_))), "{text}");
        }
        assert_eq!(refused(read("-5")), "`-5` is below the minimum of 1");
        assert_eq!(
            refused(read("99999999999")),
            "`99999999999` is above the limit of 100000"
        );
        let checked = checked_count(1..=100_000_u32);
        assert_eq!(
            refused(checked("200000")),
            "`200000` is above the limit of 100000"
        );
        assert_eq!(refused(checked("0")), "`0` is below the minimum of 1");
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert!(refused(seed("18446744073709551616")).contains("above the limit of 18446744073709551615"));
    }

    #[test]
    fn a_number_with_decimals_has_no_words() {
        let read = number(0.0..=1.0);
        assert_eq!(
            (read("0.5"), read("-1"), read("1e3")),
            (Ok(0.5), Ok(-1.0), Ok(1000.0))
        );
        for text in ["nan", "inf", "abc", "", "50%", "1,5"] {
            assert!(matches!(read(text), Err(ValueError::Unreadable(_))), "{text}");
        }
    }

    #[test]
    fn times_before_zero_and_beyond_all_counting_are_refused_with_the_limit() {
        let read = duration(MILLISECOND..=SECOND);
        assert_eq!((read("1s"), read("1h")), (Ok(SECOND), Ok(3600 * SECOND)));
        assert_eq!(refused(read("-1s")), "`-1s` is shorter than the minimum of 1ms");
        assert_eq!(
            refused(read("99999999999999999999h")),
            "`99999999999999999999h` is longer than the limit of 1s"
        );
        assert!(matches!(read("-x"), Err(ValueError::Unreadable(_))));
        assert!(matches!(read("10x"), Err(ValueError::Unreadable(_))));
    }

    #[test]
    fn turns_say_how_all_are_asked_for() {
        let read = turns(1..=1000);
        assert_eq!(read("all"), Ok(TurnsAsked::All));
        let Err(ValueError::Unreadable(reason)) = read("al") else {
            panic!("`al` is read");
        };
        assert!(format!("{reason:?}").contains("`all`"), "{reason:?}");
    }

    #[test]
    fn ranges_go_upwards() {
        let read = lengths(1..=1000);
        assert_eq!(
            (read("5"), read("5-9")),
            (Ok(Lengths::fixed(5)), Ok(Lengths::range(5, 9)))
        );
        assert!(refused(read("9-5")).contains("greater than the second"));
        assert!(refused(read("-9")).contains("`-9` is below the minimum of 1"));
        assert!(matches!(read("5-"), Err(ValueError::Unreadable(_))));
        let read = pause(0..=SECOND);
        assert_eq!(
            read("10ms-60ms"),
            Ok(Span {
                min: 10 * MILLISECOND,
                max: 60 * MILLISECOND
            })
        );
        assert!(refused(read("-1s")).contains("shorter than the minimum of 0s"));
        assert!(refused(read("60ms-10ms")).contains("greater than the second"));
        assert!(matches!(read("é-1"), Err(ValueError::Unreadable(_))));
    }
}
