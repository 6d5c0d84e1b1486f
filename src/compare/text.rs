//! The comparison as text for people, and the cells that every table has.

use std::fmt::Write as _;

use crate::compare::matching::{Difference, Kind, letter};
use crate::compare::verdict::{opening, shown};
use crate::compare::{Cell, Comparison, Head, Judged, Row, Word};

/// The number of columns of the table of two runs.
pub const WIDTH: usize = 100;
const METRIC_COLUMNS: usize = 25;
const VALUE_COLUMNS: usize = 9;
const CHANGE_COLUMNS: usize = 9;
const INTERVAL_COLUMNS: usize = 17;
const OWN_COLUMNS: usize = 24;
const NO_CHANGE: &str = "-";

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

macro_rules! line {
    ($text:expr, $($arg:tt)*) => {
        writeln!($text, $($arg)*).expect("writing to a string does not fail")
    };
}

/// Writes the comparison as lines, the verdict first. With `colour` good news is green and bad news red.
pub fn text(comparison: &Comparison, judged: &[Judged], colour: bool) -> String {
    let mut out = String::new();
    for line in opening(comparison, judged) {
        if line.word.is_empty() {
            line!(out, "  {}", wrapped(&line.text));
            continue;
        }
        let text = wrapped(&format!("{}{}{}", line.word, line.gap(), line.text));
        let rest = text.strip_prefix(line.word).unwrap_or_default();
        line!(out, "{}{rest}", news(line.word, line.good, colour));
    }
    line!(out, "");
    for (i, head) in comparison.runs.iter().enumerate() {
        line!(out, "{}", run_line(i, head));
    }
    for warning in warnings(comparison) {
        line!(out, "{}", wrapped(&warning));
    }
    line!(out, "");
    let shown = shown(comparison);
    table(&mut out, comparison, &shown.rows, colour);
    for (number, note) in footnotes(comparison, &shown.rows) {
        line!(out, "{}", wrapped(&format!("[{number}] {note}")));
    }
    own_intervals(&mut out, comparison, &shown.rows);
    if let Some(left_out) = &shown.left_out {
        line!(out, "{}", wrapped(left_out));
    }
    line!(out, "");
    line!(out, "{}", wrapped(CAUTION));
    out
}

pub const CAUTION: &str = "Intervals are 95 % intervals: if nothing has changed, about 1 row in 20 says better or \
     worse by chance. Read the rows together, and repeat runs that matter.";

/// Describes a run, for example `A  base.json  llmload-uring 0.1.0, 2026-11-22T01:02:03Z, 120.0 s, 12000 requests`.
fn run_line(run: usize, head: &Head) -> String {
    format!("{:<3}{}", letter(run), description(head))
}

/// Describes a run in one line, without its letter.
pub fn description(head: &Head) -> String {
    let facts = [
        head.tool.clone(),
        head.started_at.clone(),
        head.duration_seconds.map(|s| format!("{s:.1} s")),
        head.requests.map(|n| format!("{n} requests")),
        (head.repeats > 0).then(|| format!("{} repeats", head.repeats)),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    format!("{}  {}", head.label, facts.join(", "))
        .trim_end()
        .to_owned()
}

/// Returns what a reader has to know before the figures, one line each.
pub fn warnings(comparison: &Comparison) -> Vec<String> {
    let mut out = Vec::new();
    for Difference { what, values } in &comparison.differences {
        let each = values.iter().enumerate().filter_map(|(run, value)| {
            let value = value.as_ref()?;
            Some(format!("{} {value}", letter(run)))
        });
        out.push(format!(
            "differs: {what}: {}",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    if !comparison.unstated.is_empty() {
        let each = comparison.unstated.iter().map(|Difference { what, values }| {
            let missing = (0..values.len()).filter(|run| values[*run].is_none());
            format!("{what} ({})", missing.map(letter).collect::<Vec<_>>().join(", "))
        });
        out.push(format!("not stated: {}", each.collect::<Vec<_>>().join(", ")));
    }
    if !comparison.unmatched.is_empty() {
        let each = comparison.unmatched.iter().map(|(name, runs)| {
            let have = runs.iter().map(|run| letter(*run)).collect::<Vec<_>>();
            format!("{name} ({})", have.join(", "))
        });
        out.push(format!(
            "only in some runs: {}",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    if comparison.repeats {
        out.push(
            "repeated runs: figures are means over the repetitions, and intervals come from the variance between them"
                .into(),
        );
    }
    for (i, head) in comparison.runs.iter().enumerate() {
        out.extend(
            head.notes
                .iter()
                .map(|note| format!("note: {}: {note}", letter(i))),
        );
    }
    out
}

/// Returns the footnotes of these rows, with their numbers.
pub fn footnotes<'a>(comparison: &'a Comparison, rows: &[&Row]) -> Vec<(usize, &'a str)> {
    let notes = comparison.footnotes.iter().enumerate();
    let notes = notes.map(|(i, note)| (i + 1, note.as_str()));
    notes
        .filter(|(number, _)| rows.iter().any(|row| row.notes.contains(number)))
        .collect()
}

fn table(out: &mut String, comparison: &Comparison, rows: &[&Row], colour: bool) {
    let several = comparison.runs.len() > 2;
    let new = if several { "new" } else { "B" };
    let head = format!(
        "{:<METRIC_COLUMNS$}{:<5}{:>VALUE_COLUMNS$}{:>VALUE_COLUMNS$}{:>CHANGE_COLUMNS$}{:>INTERVAL_COLUMNS$}",
        "", "unit", "A", new, "change", "95 % interval"
    );
    line!(out, "{head}");
    for row in rows {
        let mut first = true;
        for (i, cell) in row.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let new = if several { letter(i + 1) } else { String::new() };
            let text = row_line(row, cell, first, &new, colour);
            line!(out, "{}", text.trim_end());
            first = false;
        }
    }
}

/// Writes where the figures lie by themselves, if a file says so.
fn own_intervals(out: &mut String, comparison: &Comparison, rows: &[&Row]) {
    let has_own = |row: &&&Row| row.base_own.is_some() || row.cells.iter().flatten().any(|c| c.own.is_some());
    let rows: Vec<&&Row> = rows.iter().filter(has_own).collect();
    if rows.is_empty() {
        return;
    }
    let several = comparison.runs.len() > 2;
    let new = if several { "new" } else { "B" };
    line!(out, "");
    line!(
        out,
        "{:<METRIC_COLUMNS$}{:<5}{:>OWN_COLUMNS$}{:>OWN_COLUMNS$}",
        "95 % interval by itself",
        "unit",
        "A",
        new
    );
    for row in rows {
        let shown = |own: Option<[f64; 2]>| own.map_or(NO_CHANGE.to_owned(), |own| range(row, own));
        let mut first = true;
        for (i, cell) in row.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let (name, unit, base) = match first {
                true => (row.name(), unit(row), shown(row.base_own)),
                false => Default::default(),
            };
            let new = if several {
                format!("{} ", letter(i + 1))
            } else {
                String::new()
            };
            let own = format!("{new}{}", shown(cell.own));
            line!(
                out,
                "{name:<METRIC_COLUMNS$}{unit:<5}{base:>OWN_COLUMNS$}{own:>OWN_COLUMNS$}"
            );
            first = false;
        }
    }
}

fn row_line(row: &Row, cell: &Cell, first: bool, new: &str, colour: bool) -> String {
    let (name, unit, base) = match first {
        true => (row.name(), unit(row), value(row, row.base)),
        false => Default::default(),
    };
    let shown = value(row, cell.value);
    let shown = if new.is_empty() {
        shown
    } else {
        format!("{new} {shown}")
    };
    let mut text = format!(
        "{name:<METRIC_COLUMNS$}{unit:<5}{base:>VALUE_COLUMNS$}{shown:>VALUE_COLUMNS$}{:>CHANGE_COLUMNS$}",
        change(row, cell)
    );
    let word = cell.word.text();
    match (interval(row, cell), cell.word) {
        (Some(interval), _) => write!(
            text,
            "{interval:>INTERVAL_COLUMNS$}  {}",
            coloured(word, cell.word, colour)
        ),
        (None, _) => write!(text, "  {}", coloured(word, cell.word, colour)),
    }
    .expect("writing to a string does not fail");
    if first {
        row.notes
            .iter()
            .for_each(|note| text.push_str(&format!(" [{note}]")));
    }
    text
}

fn coloured(text: &str, word: Word, colour: bool) -> String {
    let good = match word {
        Word::Better => Some(true),
        Word::Worse => Some(false),
        _ => None,
    };
    news(text, good, colour)
}

/// Makes good news green and bad news red.
fn news(text: &str, good: Option<bool>, colour: bool) -> String {
    match good.filter(|_| colour) {
        Some(true) => format!("{GREEN}{text}{PLAIN}"),
        Some(false) => format!("{RED}{text}{PLAIN}"),
        None => text.to_owned(),
    }
}

/// Returns the unit of a row's values.
pub fn unit(row: &Row) -> String {
    match row.kind {
        Some(Kind::Share) => "%".to_owned(),
        _ => row.unit.to_owned(),
    }
}

/// Formats a value with four digits; counts are whole up to ten million.
pub fn value(row: &Row, x: f64) -> String {
    let x = if row.kind == Some(Kind::Share) {
        x * 100.0
    } else {
        x
    };
    if x == x.trunc() && x.abs() < 1e7 && row.kind == Some(Kind::Count) {
        return format!("{x:.0}");
    }
    match x.abs() {
        a if a >= 1e10 => format!("{:.2}G", x / 1e9),
        a if a >= 1e7 => format!("{:.2}M", x / 1e6),
        a if a >= 999.95 => format!("{x:.0}"),
        a if a >= 99.995 => format!("{x:.1}"),
        a if a >= 9.9995 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

/// Formats a change, for example `+12.3 %`, or `+1.2 pp` for a share.
pub fn change(row: &Row, cell: &Cell) -> String {
    match cell.change.change {
        Some(change) => format!("{} {}", signed(row, change), row.change_unit().0),
        None => NO_CHANGE.to_owned(),
    }
}

/// Formats an interval, for example `-1.2 .. +3.4`, in the unit of the change.
pub fn interval(row: &Row, cell: &Cell) -> Option<String> {
    let found = cell.change.shown_interval()?;
    Some(format!(
        "{} .. {}",
        signed(row, found.low),
        signed(row, found.high)
    ))
}

/// Formats the interval in which a figure lies by itself, in the unit of the figure.
pub fn range(row: &Row, [low, high]: [f64; 2]) -> String {
    format!("{} .. {}", value(row, low), value(row, high))
}

fn signed(row: &Row, change: f64) -> String {
    let x = change * row.change_unit().1;
    match x.abs() {
        // Gaps differ by microseconds.
        a if row.kind == Some(Kind::Difference) && a < 0.995 => match format!("{x:+.3}") {
            zero if zero == "-0.000" => "+0.000".to_owned(),
            text => text,
        },
        a if a >= 999.5 => format!("{x:+.0}"),
        a if a >= 9.95 => format!("{x:+.1}"),
        // A change that rounds to zero has no minus sign.
        a if a < 0.005 => "+0.00".to_owned(),
        _ => format!("{x:+.2}"),
    }
}

/// Wraps text between words, with later lines indented. A word that is too long stays whole.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut columns = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if columns > 0 && columns + 1 + length > WIDTH {
            out.push_str("\n    ");
            columns = 4;
        } else if columns > 0 {
            out.push(' ');
            columns += 1;
        }
        out.push_str(word);
        columns += length;
    }
    out
}
