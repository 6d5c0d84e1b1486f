//! The section on pairs: how two servers differ, request by request.

use super::page::{Page, Table};
use crate::output::numbers::{duration, grouped};
use crate::result::{Paired, RunResult, paired_name};
use crate::units::percent;

/// Appends a row for each figure and the verdict. `more` adds what the brief form leaves out.
pub(super) fn write(page: &mut Page, result: &RunResult, found: &Paired, more: bool) {
    let columns = [
        ("difference", 0),
        ("from", 0),
        ("to", 0),
        ("mean", 2),
        ("base p50", 1),
        ("other p50", 1),
    ];
    let mut table = Table::new("by pairs", &columns);
    for (key, row) in found.differences.iter().filter(|(_, row)| row.pairs > 0) {
        let p50 = |server: &str| {
            let group = result.servers.as_ref().and_then(|servers| servers.get(server));
            duration(group.and_then(|group| group.metrics.get(key)).and_then(|m| m.p50))
        };
        let cells = vec![
            signed(row.median),
            signed(row.median_low),
            signed(row.median_high),
            signed(row.mean),
            p50(&found.base),
            p50(&found.other),
        ];
        table.row(paired_name(key), cells);
    }
    let errors = &found.errors;
    let points = |share: Option<f64>| share.map_or("-".to_owned(), signed_percent);
    let share = |failed: u64| match found.pairs {
        0 => "-".to_owned(),
        pairs => percent((failed + found.failed_at_both) as f64 / pairs as f64),
    };
    table.row(
        "failed",
        vec![
            points(errors.difference),
            points(errors.low),
            points(errors.high),
            String::new(),
            share(found.failed_at_base),
            share(found.failed_at_other),
        ],
    );
    table.write(page);
    page.prose("pairs", &counts(found));
    if more {
        second(page, found);
    }
    page.prose("verdict", &found.verdict);
}

/// Appends the whole section with its title.
pub(super) fn full(page: &mut Page, result: &RunResult, found: &Paired) {
    page.line("=== Pairs ===");
    write(page, result, found, true);
}

fn counts(found: &Paired) -> String {
    let Paired { base, other, .. } = found;
    let mut text = format!(
        "{}: {other} (other) minus {base} (base); {} ok at both; all intervals hold together at {:.0} %",
        grouped(found.pairs),
        grouped(found.both_ok),
        found.confidence * 100.0
    );
    for (n, what) in [(found.incomplete, "not completed"), (found.lost, "not compared")] {
        if n > 0 {
            text.push_str(&format!("; {} {what}", grouped(n)));
        }
    }
    text
}

/// Appends what it costs or saves to be the second of a pair, which is not in the differences.
fn second(page: &mut Page, found: &Paired) {
    let each = found.differences.iter().filter_map(|(key, row)| {
        let second = row.second?;
        Some(format!("{} {}", paired_name(key), signed(Some(second))))
    });
    let each: Vec<String> = each.collect();
    if !each.is_empty() {
        let text = format!(
            "the second request of a pair took {} longer than the first, at either server, which is in no figure above",
            each.join(", ")
        );
        page.prose("order", &text);
    }
}

fn signed(ms: Option<f64>) -> String {
    match ms {
        Some(ms) if ms < 0.0 => format!("-{}", duration(Some(-ms))),
        Some(ms) if ms > 0.0 => format!("+{}", duration(Some(ms))),
        other => duration(other),
    }
}

fn signed_percent(share: f64) -> String {
    let sign = if share > 0.0 { "+" } else { "" };
    format!("{sign}{:.2} %", share * 100.0)
}
