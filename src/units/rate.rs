//! Rates as people write them: `50`, `20/s`, `300/m`, `1/10s`.

use serde::{Serialize, Serializer};

use crate::error::{Reason, quoted};
use crate::units::{MINUTE, Nanos, SECOND, decimal, format_duration, parse_duration};

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

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = decimal(self.count);
        match UNITS.iter().find(|(_, length)| *length == self.per) {
            Some((unit, _)) => write!(f, "{count}/{unit}"),
            None => write!(f, "{count}/{}", format_duration(self.per)),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a rate: a number, and after a slash the length of time that it is for; a second, if there is none.
pub fn parse_rate(text: &str) -> Result<Rate, Reason> {
    let wrong = |what: &str| {
        Reason::new(format!("{} is not a rate: {what}", quoted(text)))
            .hint("write `50` or `50/s` for 50 per second, `300/m`, `1/10s`")
    };
    let (count, per) = match text.split_once('/') {
        None => (text, SECOND),
        Some((count, per)) => match UNITS.iter().find(|(unit, _)| *unit == per.trim()) {
            Some((_, length)) => (count, *length),
            None => (
                count,
                parse_duration(per.trim()).map_err(|_| wrong("after the slash comes a time"))?,
            ),
        },
    };
    let is_plain = count.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = count.trim().parse::<f64>().ok().filter(|_| is_plain);
    let Some(number) = number else {
        return Err(wrong("it needs a number that is not negative"));
    };
    Rate::new(number, per).ok_or_else(|| wrong(&format!("it is not within 0 to {RATE_MAX} per second")))
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
    fn what_is_not_a_rate_says_what_is_wrong() {
        for (text, what) in [
            ("", "it needs a number"),
            ("-5", "it needs a number"),
            ("1e3", "it needs a number"),
            ("nan", "it needs a number"),
            ("5/", "after the slash"),
            ("5/x", "after the slash"),
            ("5/0s", "it is not within 0 to 1000000 per second"),
            ("1000001", "it is not within 0 to 1000000 per second"),
        ] {
            let reason = parse_rate(text).unwrap_err();
            assert!(reason.what.contains(what), "{text}: {}", reason.what);
        }
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
