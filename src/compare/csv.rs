//! The comparison as CSV, for spreadsheets: a line for each figure of each NEW.

use crate::compare::matching::Kind;
use crate::compare::{Comparison, Row};

const HEAD: &str = "metric,stat,unit,base_run,base,run,value,change,change_unit,low,high,verdict\n";

/// Writes the comparison as in RFC 4180, but with a line feed as the line end. Changes and intervals are in percent or,
/// for shares, in percentage points.
pub fn csv(comparison: &Comparison) -> String {
    let mut out = String::from(HEAD);
    let base = field(&comparison.runs[0].label);
    for row in &comparison.rows {
        for (cell, run) in row.cells.iter().zip(&comparison.runs[1..]) {
            let Some(cell) = cell else { continue };
            let percent = |x: Option<f64>| x.map_or(String::new(), |x| number(x * 100.0));
            let interval = cell.change.shown_interval();
            let cells = [
                row.metric.to_owned(),
                row.stat.map(|s| s.to_string()).unwrap_or_default(),
                row.unit.to_owned(),
                base.clone(),
                number(row.base),
                field(&run.label),
                number(cell.value),
                percent(cell.change.change),
                change_unit(row).to_owned(),
                percent(interval.map(|i| i.low)),
                percent(interval.map(|i| i.high)),
                cell.word.text().to_owned(),
            ];
            out.push_str(&cells.join(","));
            out.push('\n');
        }
    }
    out
}

/// Returns the unit of a row's changes.
pub fn change_unit(row: &Row) -> &'static str {
    match row.kind {
        Some(Kind::Share) => "pp",
        _ => "%",
    }
}

fn number(x: f64) -> String {
    let text = format!("{x:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Quotes a field if necessary. A field that begins like a formula gets an apostrophe, because a spreadsheet would
/// evaluate it.
fn field(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}
