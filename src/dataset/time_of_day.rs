//! Times of day as traces write them.

use crate::error::{Reason, quoted};
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// Returns nanoseconds since 1970 of a date and a time: `2023-11-16 18:15:46.6805900`, `2024-05-12 00:00:00+00:00` or
/// `2026-05-01T10:00:00.250Z`. A time without an offset counts as UTC.
pub fn parse(text: &str) -> Result<i64, Reason> {
    read(text.trim()).ok_or_else(|| {
        Reason::new(format!("{} is no date and time", quoted(text)))
            .hint("write it like 2024-05-12 00:00:00.000 or 2024-05-12T00:00:00Z")
    })
}

fn read(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, offset) = split_offset(rest.strip_prefix([' ', 'T', 't'])?)?;
    let mut date = date.split('-');
    let (year, month, day) = (
        digits(date.next()?, 4)?,
        digits(date.next()?, 2)?,
        digits(date.next()?, 2)?,
    );
    let date = Date::from_calendar_date(year as i32, Month::try_from(month as u8).ok()?, day as u8).ok()?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut whole = whole.split(':');
    let (hour, minute, second) = (
        digits(whole.next()?, 2)?,
        digits(whole.next()?, 2)?,
        digits(whole.next()?, 2)?,
    );
    if whole.next().is_some() || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let nanos = digits(fraction, fraction.len())? * 10u32.pow(9 - fraction.len() as u32);
    let time = Time::from_hms_nano(hour as u8, minute as u8, second as u8, nanos).ok()?;
    let instant = PrimitiveDateTime::new(date, time).assume_offset(offset);
    i64::try_from(instant.unix_timestamp_nanos()).ok()
}

/// Splits off `Z`, `+hh:mm`, `+hhmm` or nothing.
fn split_offset(text: &str) -> Option<(&str, UtcOffset)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, UtcOffset::UTC));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, UtcOffset::UTC));
    };
    let (time, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let hhmm = offset[1..].replace(':', "");
    let (hours, minutes) = hhmm.split_at_checked(2)?;
    let minutes = if minutes.is_empty() {
        0
    } else {
        digits(minutes, 2)?
    };
    let (hours, minutes) = (digits(hours, 2)? as i8, minutes as i8);
    Some((
        time.trim_end(),
        UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?,
    ))
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let all = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_traces_are_read_to_the_nanosecond() {
        let base = 1_700_158_546_000_000_000;
        assert_eq!(parse("2023-11-16 18:15:46.6805900"), Ok(base + 680_590_000));
        for text in [
            "2023-11-16 18:15:46",
            "2023-11-16T18:15:46Z",
            "2023-11-16 19:45:46+01:30",
            "2023-11-16 13:15:46-0500",
        ] {
            assert_eq!(parse(text), Ok(base), "{text}");
        }
        assert_eq!(
            parse("2023-11-16 18:15:46.123456789+00:00"),
            Ok(base + 123_456_789)
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2023-11-16",
            "2023-13-16 18:15:46",
            "2023-02-30 18:15:46",
            "2023-11-16 24:00:00",
            "2023-11-16 18:15",
            "2023-11-16 18:15:46.",
            "2023-11-16 18:15:46.1234567890",
            "2023-11-16 18:15:46+1",
            "2023-11-16 18:15:46+99:00",
            "\u{e9}023-11-16 18:15:46",
            "2023-11-16 18:15:46é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
