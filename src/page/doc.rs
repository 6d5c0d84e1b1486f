//! A document as the page reads it: by paths, which every figure on the page carries with it.

use super::html::escaped;
use crate::metrics::MetricId;
use crate::result::{RowFigures, RunResult, ServerRow};
use crate::units::{bytes, grouped, grouped_decimals, percent, rate, significant, time};
use serde::Serialize;
use serde_json::Value;

/// A document that is shown.
#[derive(Debug)]
pub struct Loaded {
    /// Its name on the page.
    label: String,
    value: Value,
    rows: Vec<RowFigures>,
    /// Those of each server's own account.
    server_rows: Vec<Vec<ServerRow>>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Search,
}

impl Loaded {
    /// Takes the document of a run.
    pub fn of_run(label: &str, result: &RunResult) -> Loaded {
        let mut result = result.clone();
        // A day has 86,400 rows, which take much more memory as a tree of values.
        let rows = std::mem::take(&mut result.timeline);
        result
            .repeats
            .iter_mut()
            .for_each(|repeat| repeat.timeline.clear());
        let accounts = result.server_metrics.iter_mut();
        let server_rows = accounts
            .map(|account| std::mem::take(&mut account.timeline))
            .collect();
        Loaded {
            label: label.to_owned(),
            value: serde_json::to_value(&result).unwrap_or(Value::Null),
            rows,
            server_rows,
            kind: Kind::Run,
        }
    }

    /// Takes the document of a search for the limit.
    pub fn of_search(label: &str, document: &impl Serialize) -> Loaded {
        Loaded {
            label: label.to_owned(),
            value: serde_json::to_value(document).unwrap_or(Value::Null),
            rows: Vec::new(),
            server_rows: Vec::new(),
            kind: Kind::Search,
        }
    }

    pub fn is_search(&self) -> bool {
        self.kind == Kind::Search
    }
}

/// What a number counts, and so how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Millis,
    Seconds,
    PerSecond,
    /// From 0 to 1, shown in percent.
    Share,
    Percent,
    Bytes,
    /// As the document has it, with four digits.
    Plain,
}

impl Unit {
    pub fn show(self, x: f64) -> String {
        match self {
            Unit::Count => grouped_decimals(x, 0),
            Unit::Millis => time(x),
            Unit::Seconds if x < 60.0 => format!("{} s", significant(x, 3)),
            Unit::Seconds => format!("{} s", grouped_decimals(x, 0)),
            Unit::PerSecond => format!("{}/s", rate(x)),
            Unit::Share => percent(x),
            Unit::Percent => percent(x / 100.0),
            Unit::Bytes => bytes(x.max(0.0) as u64),
            Unit::Plain if x == x.trunc() && x.abs() < 1e15 => {
                let sign = if x < 0.0 { "-" } else { "" };
                format!("{sign}{}", grouped(x.abs() as u64))
            }
            Unit::Plain => significant(x, 4),
        }
    }
}

/// A document and its number among those of the page.
#[derive(Clone, Copy)]
pub(super) struct Doc<'a> {
    loaded: &'a Loaded,
    pub number: usize,
}

impl<'a> Doc<'a> {
    pub fn new(loaded: &'a Loaded, number: usize) -> Doc<'a> {
        Doc { loaded, number }
    }

    pub fn label(&self) -> &'a str {
        &self.loaded.label
    }

    pub fn kind(&self) -> Kind {
        self.loaded.kind
    }

    pub fn rows(&self) -> &'a [RowFigures] {
        &self.loaded.rows
    }

    /// Returns the rows of a server's own account.
    pub fn server_rows(&self, account: usize) -> &'a [ServerRow] {
        self.loaded.server_rows.get(account).map_or(&[], Vec::as_slice)
    }

    /// Returns an id that no other document of the page has.
    pub fn id(&self, name: &str) -> String {
        match self.number {
            0 => name.to_owned(),
            n => format!("{name}-{}", n + 1),
        }
    }

    /// Returns what is at a path (RFC 6901); `None` also for null.
    pub fn at(&self, path: &str) -> Option<&'a Value> {
        self.loaded.value.pointer(path).filter(|value| !value.is_null())
    }

    pub fn float(&self, path: &str) -> Option<f64> {
        self.at(path)?.as_f64()
    }

    pub fn string(&self, path: &str) -> Option<&'a str> {
        self.at(path)?.as_str()
    }

    pub fn flag(&self, path: &str) -> bool {
        self.at(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Writes the number at a path with where it comes from.
    pub fn datum(&self, path: &str, unit: Unit) -> String {
        match self.at(path).and_then(Value::as_number) {
            Some(number) => self.shown(
                path,
                &number.to_string(),
                unit.show(number.as_f64().unwrap_or(0.0)),
            ),
            None => NOTHING.to_owned(),
        }
    }

    /// Writes a number, or `None` if the document has none there.
    pub fn some(&self, path: &str, unit: Unit) -> Option<String> {
        self.float(path).map(|_| self.datum(path, unit))
    }

    /// Writes the figure of a row of the timeline.
    pub fn of_row(&self, row: usize, path: &str, value: Option<f64>, unit: Unit) -> String {
        match value {
            Some(x) => self.shown(&format!("/timeline/{row}/{path}"), &x.to_string(), unit.show(x)),
            None => NOTHING.to_owned(),
        }
    }

    fn shown(&self, path: &str, value: &str, text: String) -> String {
        let (path, text) = (escaped(path), escaped(&text));
        let of = match self.number {
            0 => String::new(),
            n => format!(" data-doc=\"{n}\""),
        };
        format!("<data{of} data-path=\"{path}\" value=\"{value}\">{text}</data>")
    }

    /// Writes the text at a path.
    pub fn text(&self, path: &str) -> Option<String> {
        self.string(path).map(escaped)
    }
}

/// What stands in place of a figure that the document does not have.
pub(super) const NOTHING: &str = "<span class=\"none\" title=\"no values\">\u{2013}</span>";

/// Returns the unit of what a threshold observes.
pub(super) fn unit_of_threshold(metric: &str) -> Unit {
    let name = metric.split(['{', ' ']).next().unwrap_or(metric);
    match MetricId::from_key(name) {
        Some(_) => Unit::Millis,
        None => Unit::Plain,
    }
}
