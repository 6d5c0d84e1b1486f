//! The comparison as CSV, for spreadsheets: a line for each figure of each NEW.

use crate::compare::Comparison;
use crate::error::csv_field;

const HEAD: &str = "metric,stat,unit,base_run,base,run,value,change,change_unit,low,high,verdict,\
     base_low,base_high,value_low,value_high\n";

/// Writes the comparison as in RFC 4180, but with a line feed as the line end. Changes and their intervals are in
/// percent or, for shares, in percentage points, for differences of pairs in milliseconds. The last four columns say
/// where each figure lies by itself.
pub fn csv(comparison: &Comparison) -> String {
    let mut out = String::from(HEAD);
    let base = csv_field(&comparison.runs[0].label);
    for row in &comparison.rows {
        for (cell, run) in row.cells.iter().zip(&comparison.runs[1..]) {
            let Some(cell) = cell else { continue };
            let (change_unit, scale) = row.change_unit();
            let or_empty = |x: Option<f64>| x.map_or(String::new(), number);
            let percent = |x: Option<f64>| or_empty(x.map(|x| x * scale));
            let end = |own: Option<[f64; 2]>, end: usize| or_empty(own.map(|own| own[end]));
            let interval = cell.change.shown_interval();
            let cells = [
                row.metric.to_owned(),
                row.stat.map(|s| s.to_string()).unwrap_or_default(),
                row.unit.to_owned(),
                base.clone(),
                number(row.base),
                csv_field(&run.label),
                number(cell.value),
                percent(cell.change.change),
                change_unit.to_owned(),
                percent(interval.map(|i| i.low)),
                percent(interval.map(|i| i.high)),
                cell.word.text().to_owned(),
                end(row.base_own, 0),
                end(row.base_own, 1),
                end(cell.own, 0),
                end(cell.own, 1),
            ];
            out.push_str(&cells.join(","));
            out.push('\n');
        }
    }
    out
}

fn number(x: f64) -> String {
    let text = format!("{x:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
