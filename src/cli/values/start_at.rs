//! The start of the load: an instant of the wall clock, or a time from now.

use crate::cli::values::number::read_duration;
use crate::error::{Reason, ValueError, quoted};
use crate::plan::DURATION_MAX;
use crate::units::{Nanos, SECOND, bare};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// Nanoseconds since 1970.
    Instant(Nanos),
    /// Nanoseconds after the start of the program.
    After(Nanos),
}

impl std::str::FromStr for StartAt {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<StartAt, ValueError> {
        if let Some(length) = text.strip_prefix('+') {
            return read_duration(length, &(0..=DURATION_MAX), bare::LOAD).map(StartAt::After);
        }
        let found = match text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            true => unix_seconds(text),
            false => OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .and_then(|t| u64::try_from(t.unix_timestamp_nanos()).ok()),
        };
        found.map(StartAt::Instant).ok_or_else(|| {
            Reason::new(format!("{} is not an instant", quoted(text))).hint(
                "write `2026-11-22T10:00:00Z`, seconds since 1970 (`date +%s`), or `+30s` from the program's start",
            )
            .into()
        })
    }
}

/// Parses seconds since 1970 with up to nine decimals. It uses whole numbers, because a double holds such an instant
/// to 0.2 us only.
fn unix_seconds(text: &str) -> Option<Nanos> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.contains('.') || part.len() > 9 {
        return None;
    }
    let part: Nanos = format!("{part:0<9}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(SECOND)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn an_instant_is_parsed_in_three_forms() {
        let read = |text: &str| text.parse::<StartAt>();
        let at = |s: u64, ms: u64| Ok(StartAt::Instant(s * SECOND + ms * MILLISECOND));
        assert_eq!(read("2026-01-02T03:04:05Z"), at(1_767_323_045, 0));
        assert_eq!(read("2026-01-02T04:04:05.250+01:00"), at(1_767_323_045, 250));
        assert_eq!(read("1767323045"), at(1_767_323_045, 0));
        assert_eq!(read("1767323045.25"), at(1_767_323_045, 250));
        assert_eq!(read("+30s"), Ok(StartAt::After(30 * SECOND)));
    }

    #[test]
    fn invalid_instants_are_refused_with_the_three_forms() {
        for text in [
            "",
            "now",
            "10:00",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "1.2.3",
            "-5",
            "1e9",
            "99999999999999999999",
            "1969-12-31T23:59:59Z",
        ] {
            let reason = text.parse::<StartAt>().unwrap_err().to_string();
            assert!(reason.contains("is not an instant"), "{text}: {reason}");
        }
        assert!("+".parse::<StartAt>().is_err());
        assert!("+-1s".parse::<StartAt>().is_err());
    }
}
