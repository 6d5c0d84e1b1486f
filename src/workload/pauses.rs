//! How long pauses are: a time, a range of times, or a distribution of whole milliseconds.

use crate::error::{Reason, ValueError};
use crate::lengths::{Lengths, ReadFile};
use crate::units::{
    MILLISECOND, Nanos, Span, check_duration, format_duration_span, parse_duration, parse_duration_span,
    up_to,
};
use std::fmt;

/// The settings of distributions that are times.
const TIMES: [&str; 5] = ["mean", "median", "std", "min", "max"];

/// Pauses, none of them longer than a limit that was given when they were read.
#[derive(Clone, Debug, PartialEq)]
pub enum Pauses {
    /// Every time from end to end is as likely as the others; often both ends are the same.
    Range(Span<Nanos>),
    /// A number of milliseconds.
    Shaped(Lengths),
}

impl Pauses {
    /// Reads pauses as people write them: `2s`, `1s-3s`, `lognormal(median=2s,sigma=0.5)`. None may be longer than
    /// `max`. `read` reads the file of an empirical distribution, which has milliseconds.
    ///
    /// # Errors
    /// A text of another form is unreadable; one whose times make no distribution is refused.
    pub fn parse(text: &str, max: Nanos, read: ReadFile<'_>) -> Result<Pauses, ValueError> {
        if !text.contains('(') {
            let span = parse_duration_span(text)?;
            check_duration(span.max, &(0..=max))?;
            return Ok(Pauses::Range(span));
        }
        // A lognormal distribution does not reach 0, and 1 ms is hardly a pause.
        let limits = 1..=u32::try_from(max / MILLISECOND).unwrap_or(u32::MAX);
        let in_ms = with_times(text, |value| {
            let nanos = parse_duration(value)?;
            Ok((nanos as f64 / MILLISECOND as f64).to_string())
        })?;
        Ok(Pauses::Shaped(Lengths::parse(&in_ms, &limits, read)?))
    }

    /// Returns the pause that 64 random bits choose.
    pub fn draw(&self, bits: u64) -> Nanos {
        match self {
            Pauses::Range(span) => span.min + up_to(span.max - span.min, bits),
            Pauses::Shaped(lengths) => Nanos::from(lengths.draw(bits)) * MILLISECOND,
        }
    }

    /// Says for people how long pauses are.
    pub fn in_words(&self) -> String {
        match self {
            Pauses::Range(_) => self.to_string().replace('-', " to "),
            Pauses::Shaped(lengths) => format!("{self} (mean {:.0} ms)", lengths.mean()),
        }
    }
}

/// Writes pauses so that [`Pauses::parse`] reads them back.
impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pauses::Range(span) => f.write_str(&format_duration_span(*span)),
            Pauses::Shaped(lengths) => {
                let text = lengths.to_string();
                match with_times(&text, |value| Ok(format!("{value}ms"))) {
                    Ok(text) => f.write_str(&text),
                    Err(_) => f.write_str(&text),
                }
            }
        }
    }
}

impl serde::Serialize for Pauses {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Changes the values of the settings that are times in the text of a distribution.
fn with_times(text: &str, change: impl Fn(&str) -> Result<String, Reason>) -> Result<String, Reason> {
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(text.to_owned());
    };
    // The name of a file may contain anything, and an empirical distribution has nothing else.
    if rest.trim_start().starts_with("file") {
        return Ok(text.to_owned());
    }
    let (inside, end) = match rest.rfind(')') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let changed = inside.split(',').map(|setting| match setting.split_once('=') {
        Some((key, value)) if TIMES.contains(&key.trim()) => {
            let value = change(value.trim()).map_err(|reason| reason.within(format!("`{}`", key.trim())))?;
            Ok(format!("{key}={value}"))
        }
        _ => Ok(setting.to_owned()),
    });
    let changed: Vec<String> = changed.collect::<Result<_, Reason>>()?;
    Ok(format!("{name}({}{end}", changed.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MINUTE, SECOND};

    fn no_file(path: &str) -> Result<String, Reason> {
        Err(Reason::new(format!("`{path}` cannot be read")))
    }

    fn parsed(text: &str) -> Pauses {
        Pauses::parse(text, 60 * MINUTE, &no_file).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn pauses_read_back_as_written_and_keep_their_ends() {
        for (text, shown, ends) in [
            ("2s", "2s", [2_000, 2_000]),
            ("500ms-3s", "500ms-3s", [500, 3_000]),
            ("0", "0s", [0, 0]),
            (
                "lognormal(median=2s, sigma=0.5, max=30s)",
                "lognormal(median=2000ms,sigma=0.5,min=1ms,max=30000ms)",
                [1, 30_000],
            ),
            (
                "normal(mean=1.5s,std=200ms)",
                "normal(mean=1500ms,std=200ms,min=1ms,max=2300ms)",
                [1, 2_300],
            ),
        ] {
            let pauses = parsed(text);
            assert_eq!(pauses.to_string(), shown, "{text}");
            assert_eq!(parsed(shown), pauses, "{text}");
            let drawn = [0, u64::MAX].map(|bits| pauses.draw(bits) / MILLISECOND);
            // The lower end of a distribution may be less likely than 64 bits can say.
            assert!(drawn[0] >= ends[0] && drawn[1] == ends[1], "{text}: {drawn:?}");
        }
        assert_eq!(parsed("lognormal(median=2s,sigma=0.5)").draw(1 << 63), 2 * SECOND);
    }

    #[test]
    fn what_is_no_pause_is_refused_with_its_reason() {
        for (text, wanted) in [
            ("soon", "`soon`"),
            ("2h", "longer than the limit"),
            ("3s-1s", "the first value is greater than the second"),
            ("lognormal(median=x,sigma=0.5)", "`median`: `x`"),
            ("lognormal(median=2s)", "`sigma`"),
            ("gauss(mean=2s,std=1s)", "is no distribution"),
            ("normal(mean=2s,std=1s", "no closing parenthesis"),
        ] {
            let error = Pauses::parse(text, 60 * MINUTE, &no_file)
                .unwrap_err()
                .to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
