//! Rates as people write them: `50`, `20/s`, `300/m`, `1/10s`.

use serde::{Serialize, Serializer};

use crate::error::{Reason, ValueError, quoted};
use crate::units::{MINUTE, Nanos, SECOND, decimal, format_duration, parse_long_duration};

/// The units of time that may stand alone after the slash.
const UNITS: [(&str, Nanos); 3] = [("s", SECOND), ("m", MINUTE), ("h", 60 * MINUTE)];

/// So many per length of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    count: f64,
    per: Nanos,
}

/// The most per second.
pub const RATE_MAX: f64 = 1_000_000.0;

impl Rate {
    /// Returns `None` if `count` is negative or not a number, if `per` is 0, or if it is more than [`RATE_MAX`].
    pub fn new(count: f64, per: Nanos) -> Option<Rate> {
        let rate = Rate { count, per };
        (per > 0 && count >= 0.0 && rate.per_second() <= RATE_MAX).then_some(rate)
    }

    /// Returns a rate per second that is known to be within the limits.
    ///
    /// # Panics
    /// Panics if it is not.
    pub fn per_second_of(count: f64) -> Rate {
        assert!((0.0..=RATE_MAX).contains(&count), "{count} per second");
        Rate { count, per: SECOND }
    }

    pub fn per_second(self) -> f64 {
        self.count * SECOND as f64 / self.per as f64
    }

    pub fn is_zero(self) -> bool {
        self.count == 0.0
    }

    /// Returns the even gap in nanoseconds, truncated as k6 truncates it; `None` if the rate is 0.
    pub fn period(self) -> Option<Nanos> {
        let period = self.per as f64 / self.count;
        (self.count > 0.0).then_some((period as Nanos).max(1))
    }
}

impl Rate {
    fn with_count(self, count: &str) -> String {
        match UNITS.iter().find(|(_, length)| *length == self.per) {
            Some((unit, _)) => format!("{count}/{unit}"),
            None => format!("{count}/{}", format_duration(self.per)),
        }
    }
}

/// For people, with at most four decimals.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.with_count(&decimal(self.count)))
    }
}

/// For documents, so that it is read again as the same rate.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.with_count(&self.count.to_string()))
    }
}

const FORMS: &str = "write `50` or `50/s` for 50 per second, `300/m`, `1/10s`";

/// Reads a rate: a number, and after a slash the length of time that it is for; a second, if there is none.
pub fn parse_rate(text: &str) -> Result<Rate, Reason> {
    parse_rate_per(text, SECOND)
}

/// Reads a rate that is per `unit` if it does not say per what.
pub fn parse_rate_per(text: &str, unit: Nanos) -> Result<Rate, Reason> {
    read_rate_per(text, unit).map_err(ValueError::into_reason)
}

/// Reads a rate of the command line, where a wrong form and a number beyond the limits are told apart.
pub fn read_rate(text: &str) -> Result<Rate, ValueError> {
    read_rate_per(text, SECOND)
}

fn read_rate_per(text: &str, unit: Nanos) -> Result<Rate, ValueError> {
    let unreadable = |what: &str| {
        let what = format!("{} is not a rate: {what}", quoted(text));
        ValueError::Unreadable(Reason::new(what).hint(FORMS))
    };
    let refused = |what: &str| {
        let hint = format!("write a rate from 0 to {RATE_MAX} per second, such as `50`, `300/m`, `1/10s`");
        ValueError::Refused(Reason::new(format!("{} is {what}", quoted(text))).hint(hint))
    };
    let (count, per) = match text.split_once('/') {
        None => (text, Ok(unit)),
        Some((count, per)) => (count, read_per(per.trim())),
    };
    let unsigned = count.trim().strip_prefix(['-', '+']).unwrap_or(count.trim());
    let is_plain = unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = unsigned.parse::<f64>().ok().filter(|_| is_plain);
    let number = number.ok_or_else(|| unreadable("it begins with no number"))?;
    let per = per.map_err(|what| match what {
        Unfit::Unreadable => unreadable("after the slash comes a time"),
        Unfit::NotPositive => refused("per no time: what follows the slash is not above 0"),
        Unfit::TooLong => refused("per a time that is longer than the limit of 584 years"),
    })?;
    if count.trim().starts_with('-') && number > 0.0 {
        return Err(refused("below the minimum of 0"));
    }
    Rate::new(number, per).ok_or_else(|| refused(&format!("above the limit of {RATE_MAX} per second")))
}

/// Why what follows the slash is not a length of time.
enum Unfit {
    Unreadable,
    NotPositive,
    TooLong,
}

fn read_per(text: &str) -> Result<Nanos, Unfit> {
    if let Some((_, length)) = UNITS.iter().find(|(unit, _)| *unit == text) {
        return Ok(*length);
    }
    let (unsigned, is_negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    match parse_long_duration(unsigned) {
        Err(_) => Err(Unfit::Unreadable),
        Ok(Some(0)) => Err(Unfit::NotPositive),
        Ok(_) if is_negative => Err(Unfit::NotPositive),
        Ok(None) => Err(Unfit::TooLong),
        Ok(Some(length)) => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn a_rate_is_per_second_unless_it_says_otherwise() {
        for (text, per_second, shown) in [
            ("50", 50.0, "50/s"),
            ("20/s", 20.0, "20/s"),
            ("300/m", 5.0, "300/m"),
            ("36/h", 0.01, "36/h"),
            ("1/10s", 0.1, "1/10s"),
            ("0.5", 0.5, "0.5/s"),
            ("2 / 100ms", 20.0, "2/100ms"),
            ("0", 0.0, "0/s"),
        ] {
            let rate = parse_rate(text).unwrap();
            assert!((rate.per_second() - per_second).abs() < 1e-12, "{text}");
            assert_eq!(rate.to_string(), shown);
            assert_eq!(parse_rate(shown), Ok(rate), "{text}");
        }
    }

    #[test]
    fn a_wrong_form_is_told_from_a_number_beyond_the_limits() {
        let form = |text: &str| match read_rate(text) {
            Err(ValueError::Unreadable(reason)) => reason.what,
            other => panic!("{text}: {other:?}"),
        };
        for text in ["", "-", "1e3", "nan", "inf", "x", "/s", "5-"] {
            assert!(form(text).ends_with("it begins with no number"), "{text}");
        }
        for text in ["5/", "5/x", "5/1y", "5//s"] {
            assert!(form(text).ends_with("after the slash comes a time"), "{text}");
        }
        for (text, what) in [
            ("-5", "`-5` is below the minimum of 0"),
            ("-0.5/m", "`-0.5/m` is below the minimum of 0"),
            (
                "5/0s",
                "`5/0s` is per no time: what follows the slash is not above 0",
            ),
            (
                "5/-1s",
                "`5/-1s` is per no time: what follows the slash is not above 0",
            ),
            ("1000001", "`1000001` is above the limit of 1000000 per second"),
            ("2/1ns", "`2/1ns` is above the limit of 1000000 per second"),
        ] {
            match read_rate(text) {
                Err(ValueError::Refused(reason)) => assert_eq!(reason.what, what),
                other => panic!("{text}: {other:?}"),
            }
            assert_eq!(parse_rate(text).unwrap_err().what, what);
        }
    }

    #[test]
    fn a_document_has_a_rate_as_it_was_given() {
        for text in ["550.00001/s", "0.00001/m", "1/10s", "2.5/h", "0.1/s", "300/s"] {
            let written = serde_json::to_value(parse_rate(text).unwrap()).unwrap();
            assert_eq!(written, text);
        }
        assert_eq!(parse_rate("33.33333").unwrap().to_string(), "33.3333/s");
    }

    #[test]
    fn the_period_is_truncated_to_nanoseconds() {
        assert_eq!(parse_rate("150000").unwrap().period(), Some(6_666));
        assert_eq!(parse_rate("3/m").unwrap().period(), Some(20 * SECOND));
        assert_eq!(
            parse_rate("1/1500ms").unwrap().period(),
            Some(1_500 * MILLISECOND)
        );
        assert_eq!(parse_rate("0").unwrap().period(), None);
    }
}
