//! The known members of another tool's JSON object.

use super::error::{FORMATS, Result, excerpt, wrong};
use super::input::Bytes;
use crate::error::{Reason, printable};
use crate::json::Scanner;
use serde_json::Value;
use std::collections::BTreeMap;

/// The members at the top that are parsed; everything else is skipped.
const KEPT: [&str; 18] = [
    // Ours, to recognize our documents.
    "schema",
    // k6.
    "config",
    "metrics",
    "thresholds",
    "state",
    "metadata",
    "version",
    "results",
    "type",
    "metric",
    // oha.
    "summary",
    "latencyPercentiles",
    "firstBytePercentiles",
    "rps",
    "statusCodeDistribution",
    "errorDistribution",
    // Other tools', to name them in an error.
    "DurationHistogram",
    "generator",
];
/// The number of characters of a value that an error repeats.
const FOUND_CHARS_MAX: usize = 40;
/// The number of keys that are remembered for the message about a foreign document.
const KEYS_MAX: usize = 8;
/// The largest count that a number of JSON holds exactly.
const COUNT_MAX: f64 = (1_u64 << 53) as f64;

/// The known members, parsed.
#[derive(Clone, Debug, Default)]
pub struct Members {
    pub values: BTreeMap<String, Value>,
    /// The profile's name, which k6's setup() returned under `profile`.
    pub setup_profile: Option<String>,
    /// The first few keys, for the message about a foreign document.
    keys: Vec<String>,
}

impl Members {
    /// Reads an object member by member.
    pub fn read(input: Bytes) -> Result<Members> {
        let mut scanner = Scanner::new(input);
        let mut members = Members::default();
        scanner.object(|scanner, key| members.member(scanner, key))?;
        scanner.end()?;
        Ok(members)
    }

    fn member(&mut self, scanner: &mut Scanner<'_>, key: &str) -> Result<()> {
        if self.keys.len() < KEYS_MAX {
            self.keys.push(key.to_string());
        }
        let next = scanner.peek()?;
        match (key, next) {
            ("setup_data", Some(b'{')) => scanner.object(|scanner, key| {
                if key != "profile" || scanner.peek()? != Some(b'"') {
                    return Ok(scanner.skip()?);
                }
                self.setup_profile = Some(scanner.parse()?);
                Ok(())
            }),
            // Our `details` are a list of requests; oha's are an object with a few figures.
            ("details", Some(b'{')) => self.keep(scanner, key),
            _ if KEPT.contains(&key) => self.keep(scanner, key),
            _ => Ok(scanner.skip()?),
        }
    }

    /// Keeps the next value under its key, whatever it is. Python writes the figures of nothing as `NaN`, which is no
    /// JSON, and is read as null.
    pub(super) fn keep(&mut self, scanner: &mut Scanner<'_>, key: &str) -> Result<()> {
        let value = match scanner.peek()? {
            Some(b'N' | b'I' | b'-') => not_a_number(scanner)?,
            _ => scanner.parse()?,
        };
        if self.values.insert(key.to_string(), value).is_some() {
            return Err(scanner.error("appears twice").into());
        }
        Ok(())
    }

    /// Returns the value at a path such as `state.testRunDurationMs`; `None` if it is absent or null.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        let mut value = self.values.get(key)?;
        for key in rest.split('.').filter(|k| !k.is_empty()) {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Returns the text at a path. Fails if there is a value of another type.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let expected = |v: &Value| mistyped(path, v, "a string");
        self.get(path)
            .map(|v| v.as_str().map(str::to_string).ok_or_else(|| expected(v)))
            .transpose()
    }

    /// Returns the number at a path. Fails if there is a value of another type.
    pub fn number(&self, path: &str) -> Result<Option<f64>> {
        let expected = |v: &Value| mistyped(path, v, "a number");
        self.get(path)
            .map(|v| v.as_f64().filter(|n| n.is_finite()).ok_or_else(|| expected(v)))
            .transpose()
    }

    /// Returns the count at a path. Fails if there is a value of another type. A count may be written as `20.0`.
    pub fn count(&self, path: &str) -> Result<Option<u64>> {
        let Some(number) = self.number(path)? else {
            return Ok(None);
        };
        let whole = (0.0..=COUNT_MAX).contains(&number) && number.fract() == 0.0;
        match (whole, self.get(path)) {
            (false, Some(value)) => Err(mistyped(path, value, "a whole number of 0 or more")),
            _ => Ok(Some(number as u64)),
        }
    }

    /// Returns the count at a path, which has to be there.
    pub fn needed_count(&self, path: &str) -> Result<u64> {
        self.count(path)?.ok_or_else(|| missing(path))
    }

    /// Returns the reason for a document that no reader knows.
    pub fn unknown(&self) -> Reason {
        let keys = match self.keys.is_empty() {
            true => "has no members".to_string(),
            false => format!("has the members {}", self.keys.join(", ")),
        };
        let what = format!("is a JSON object in an unknown format: {keys}");
        let known = match self.values.contains_key("DurationHistogram") {
            true => "this looks like fortio's result, which is not supported; ",
            false => "",
        };
        Reason::new(what).hint(format!("{known}{FORMATS}"))
    }
}

/// Reads a number, or what Python writes in the place of one.
fn not_a_number(scanner: &mut Scanner<'_>) -> Result<Value> {
    let mut text = Vec::new();
    scanner.copy(&mut text)?;
    match text.trim_ascii() {
        b"NaN" | b"Infinity" | b"-Infinity" => Ok(Value::Null),
        text => serde_json::from_slice(text).map_err(|_| {
            scanner
                .error(format!("found {}, expected a value", excerpt(text)))
                .into()
        }),
    }
}

/// Returns the reason for a member whose type is wrong.
pub fn mistyped(path: &str, found: &Value, expected: &str) -> Reason {
    let text = printable(&found.to_string(), FOUND_CHARS_MAX);
    wrong(format!("found `{text}`, expected {expected}")).within(format!("`{path}`"))
}

/// Returns the reason for a member that is missing.
pub fn missing(path: &str) -> Reason {
    let hint = "the file is incomplete, or was written by an unknown version: repeat the run that wrote it";
    Reason::new("is missing").hint(hint).within(format!("`{path}`"))
}
