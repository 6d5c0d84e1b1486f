//! Windows and rounds of a trace as people write them.

use std::fmt::{self, Display};

use super::trace::Rounds;
use crate::error::{Reason, ValueError, quoted};
use crate::plan::arrivals::Window;
use crate::plan::limits::TRACE_ROUNDS_MAX;
use crate::units::{bare, format_duration, parse_duration_up_to, within};

impl Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", format_duration(self.from))?;
        match self.to {
            Some(to) => f.write_str(&format_duration(to)),
            None => Ok(()),
        }
    }
}

impl Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rounds::Times(rounds) => write!(f, "{rounds}"),
            Rounds::UntilEnd => f.write_str("true"),
        }
    }
}

/// Reads a window: `10m..20m`, `10m..` or `..20m`.
pub fn read_window(text: &str) -> Result<Window, ValueError> {
    let hint = "write `10m..20m`, `10m..` or `..20m`: times of the trace, from its first row on";
    let Some((from, to)) = text.split_once("..").or_else(|| text.split_once('-')) else {
        let what = format!("{} is not a window of time", quoted(text));
        return Err(Reason::new(what).hint(hint).into());
    };
    let end = |part: &str| match part.trim() {
        "" => Ok(None),
        part => parse_duration_up_to(part, bare::LOAD).map(Some),
    };
    let from = end(from)?.unwrap_or(0);
    let to = end(to)?;
    if to.is_some_and(|to| to <= from) {
        let what = format!("{} ends before it has begun", quoted(text));
        return Err(ValueError::Refused(Reason::new(what).hint(hint)));
    }
    Ok(Window { from, to })
}

/// Reads a window of a document.
pub fn parse_window(text: &str) -> Result<Window, Reason> {
    read_window(text).map_err(ValueError::into_reason)
}

/// Reads how often a trace is replayed: a number, or `true` for until the end.
pub fn read_rounds(text: &str) -> Result<Rounds, ValueError> {
    match text {
        "true" => return Ok(Rounds::UntilEnd),
        "false" => return Ok(Rounds::Times(1)),
        _ => {}
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        let what = format!("{} is neither a number of times nor true", quoted(text));
        let hint = "write `3` for three times, or `true` for until `duration` is over";
        return Err(Reason::new(what).hint(hint).into());
    }
    within(text.parse().ok(), text, &(1..=TRACE_ROUNDS_MAX))
        .map(Rounds::Times)
        .map_err(ValueError::Refused)
}

/// Reads how often a trace is replayed in a document.
pub fn parse_rounds(text: &str) -> Result<Rounds, Reason> {
    read_rounds(text).map_err(ValueError::into_reason)
}
