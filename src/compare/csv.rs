//! The comparison for spreadsheets: a line for each figure of each NEW.

use crate::compare::matching::Kind;
use crate::compare::{Comparison, Row};

const HEAD: &str = "metric,stat,unit,base_run,base,run,value,change,change_unit,low,high,verdict\n";

/// RFC 4180 but for the line ends. Changes and their intervals are percent, or points of a share.
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

/// Quoted where it must be. A spreadsheet takes a field that begins like a formula for one: it gets an apostrophe.
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
