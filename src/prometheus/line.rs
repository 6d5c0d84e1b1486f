//! The lines of an exposition.

use super::labels::{self, Labels};

/// A longer line is not read. Real ones have a few hundred bytes; an OpenMetrics line has at most 128 of exemplar.
const LINE_BYTES_MAX: usize = 64 << 10;

/// One line that says something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    /// `# TYPE name kind`.
    Type(&'a str, FamilyKind),
    Sample(Sample<'a>),
}

/// The type of a family of metrics, as its server states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    /// Untyped, unknown, and OpenMetrics' rarer types.
    Other,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The name as it stands there, with `_total`, `_bucket`, `_sum` and the like. No name has an escape: one in quotes
    /// that has any is a bad line.
    pub name: &'a str,
    pub labels: Labels<'a>,
    /// May be NaN or infinite.
    pub value: f64,
}

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub why: &'static str,
}

/// Returns what the lines say. Blank lines, comments, help and units are passed over.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Result<Line<'_>, BadLine>> {
    let numbered = text.split(|byte| *byte == b'\n').enumerate();
    numbered.filter_map(|(index, bytes)| {
        read(bytes)
            .map_err(|why| BadLine { line: index + 1, why })
            .transpose()
    })
}

fn read(bytes: &[u8]) -> Result<Option<Line<'_>>, &'static str> {
    if bytes.len() > LINE_BYTES_MAX {
        return Err("is too long");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let text = text.trim_matches([' ', '\t', '\r']);
    match text.strip_prefix('#') {
        Some(comment) => Ok(type_line(comment)),
        None if text.is_empty() => Ok(None),
        None => sample(text).map(|sample| Some(Line::Sample(sample))),
    }
}

/// Reads `TYPE name kind`; any other comment, or one with an empty name, says nothing.
fn type_line(comment: &str) -> Option<Line<'_>> {
    let mut words = comment.split_ascii_whitespace();
    let (Some("TYPE"), Some(name), Some(kind), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    let kind = match kind {
        "counter" => FamilyKind::Counter,
        "gauge" => FamilyKind::Gauge,
        "histogram" => FamilyKind::Histogram,
        "summary" => FamilyKind::Summary,
        _ => FamilyKind::Other,
    };
    let name = name.trim_matches('"');
    (!name.is_empty()).then_some(Line::Type(name, kind))
}

fn sample(text: &str) -> Result<Sample<'_>, &'static str> {
    let (name, rest) = name(text)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let (name, labels, rest) = match rest.strip_prefix('{') {
        None => (name, Labels::default(), rest),
        Some(inside) => {
            let braces = labels::read(inside)?;
            let name = match (name.is_empty(), braces.name) {
                (false, None) => name,
                (true, Some(quoted)) => quoted,
                (true, None) => return Err("has no name"),
                (false, Some(_)) => return Err("has two names"),
            };
            (name, braces.labels, braces.rest)
        }
    };
    if name.is_empty() {
        return Err("has no name");
    }
    // A timestamp may follow, and an exemplar.
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("has no value")?;
    let value = number(value).ok_or("has a value that is not a number")?;
    match words.next() {
        None => {}
        Some(word) if word.starts_with('#') => {}
        Some(time) => {
            number(time).ok_or("has a timestamp that is not a number")?;
            if words.next().is_some_and(|word| !word.starts_with('#')) {
                return Err("has more than a value and a timestamp");
            }
        }
    }
    Ok(Sample { name, labels, value })
}

/// Splits a name off: letters, digits, `_`, `:` and, as some servers write, `.` and `-`. It may be empty before `{`.
fn name(text: &str) -> Result<(&str, &str), &'static str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-')) {
        return Err("has a name that begins with none of its letters");
    }
    match rest.chars().next() {
        None | Some(' ' | '\t' | '{') => Ok((name, rest)),
        Some(_) => Err("has a name with a wrong character"),
    }
}

/// Reads a number as Go and Python write it: `1`, `1.5e3`, `NaN`, `+Inf`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
