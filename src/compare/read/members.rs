//! One JSON object of another tool: what is known of it, by name.

use super::error::{Result, TAKES, wrong};
use super::input::Bytes;
use crate::error::{Reason, printable};
use crate::json::Scanner;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;

/// Parsed where they stand at the top; everything else goes by.
const KEPT: [&str; 19] = [
    // Ours, to tell it.
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
    // Others', to name them.
    "latencies",
    "DurationHistogram",
    "generator",
];
/// Characters of a value that an error repeats.
const FOUND_CHARS_MAX: usize = 40;
/// Remembered for the message about a foreign document.
const KEYS_MAX: usize = 8;
/// The members that are known, parsed.
#[derive(Clone, Debug, Default)]
pub struct Members {
    pub values: BTreeMap<String, Value>,
    /// What k6's setup() returned under `profile`.
    pub setup_profile: Option<String>,
    /// The first few keys.
    keys: Vec<String>,
}

impl Members {
    pub fn read(input: Bytes) -> Result<Members> {
        let mut scanner = Scanner::new(input);
        let mut members = Members::default();
        scanner.object(|scanner, key| members.member(scanner, key))?;
        scanner.end()?;
        Ok(members)
    }

    fn member<R: BufRead>(&mut self, scanner: &mut Scanner<R>, key: &str) -> Result<()> {
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
            // oha's is an object of a few figures.
            ("details", Some(b'{')) => self.keep(scanner, key),
            _ if KEPT.contains(&key) => self.keep(scanner, key),
            _ => Ok(scanner.skip()?),
        }
    }

    fn keep<R: BufRead>(&mut self, scanner: &mut Scanner<R>, key: &str) -> Result<()> {
        let value = scanner.parse()?;
        if self.values.insert(key.to_string(), value).is_some() {
            return Err(scanner.error("appears twice").into());
        }
        Ok(())
    }

    pub fn get(&self, path: &str) -> Option<&Value> {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        let mut value = self.values.get(key)?;
        for key in rest.split('.').filter(|k| !k.is_empty()) {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Absent or null: `None`; of another type: an error.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let expected = |v: &Value| mistyped(path, v, "a text");
        self.get(path)
            .map(|v| v.as_str().map(str::to_string).ok_or_else(|| expected(v)))
            .transpose()
    }

    pub fn number(&self, path: &str) -> Result<Option<f64>> {
        let expected = |v: &Value| mistyped(path, v, "a number");
        self.get(path)
            .map(|v| v.as_f64().filter(|n| n.is_finite()).ok_or_else(|| expected(v)))
            .transpose()
    }

    /// A document that no reader knows.
    pub fn unknown(&self) -> Reason {
        let keys = match self.keys.is_empty() {
            true => "has no members".to_string(),
            false => format!("has the members {}", self.keys.join(", ")),
        };
        let what = format!("is a JSON object of no format known here: {keys}");
        let foreign = [
            (
                "latencies",
                "this looks like vegeta's report, which is not read; ",
            ),
            (
                "DurationHistogram",
                "this looks like fortio's result, which is not read; ",
            ),
        ];
        let known = foreign.iter().find(|(key, _)| self.values.contains_key(*key));
        Reason::new(what).hint(format!("{}{TAKES}", known.map_or("", |(_, name)| name)))
    }
}

/// A member of another type than it has in that format.
pub fn mistyped(path: &str, found: &Value, expected: &str) -> Reason {
    let text = printable(&found.to_string(), FOUND_CHARS_MAX);
    wrong(format!("found `{text}`, expected {expected}")).within(format!("`{path}`"))
}

pub fn missing(path: &str) -> Reason {
    let hint = "the file is not whole, or of a version unknown here: write it anew";
    Reason::new("is missing").hint(hint).within(format!("`{path}`"))
}
