//! The tables of times: the few that users notice, or all of them.

use super::page::{Page, Table};
use crate::metrics::MetricId;
use crate::output::numbers::{duration, grouped};
use crate::result::{MetricFigures, RunResult};

type Pick = fn(&MetricFigures) -> Option<f64>;

/// The times that users notice, in the order of their importance, with the names that people and documents use.
const NOTICED: [(MetricId, &str); 5] = [
    (MetricId::Latency, "latency"),
    (MetricId::Ttft, "first token (ttft)"),
    (MetricId::Ttfa, "first answer (ttfa)"),
    (MetricId::Tbt, "next token (tbt)"),
    (MetricId::Tpot, "per token (tpot)"),
];

/// The same from the one that is shown always to the one that is left out first.
const BY_WEIGHT: [MetricId; 5] = [
    MetricId::Latency,
    MetricId::Ttft,
    MetricId::Tbt,
    MetricId::Ttfa,
    MetricId::Tpot,
];

/// Appends the times that users notice, at most `rows_max` of them.
pub(super) fn brief(page: &mut Page, result: &RunResult, rows_max: usize) {
    let columns: [(&str, u8, Pick); 6] = [
        ("mean", 2, |m| m.mean),
        ("p50", 0, |m| m.p50),
        ("p90", 3, |m| m.p90),
        ("p95", 2, |m| m.p95),
        ("p99", 0, |m| m.p99),
        ("max", 1, |m| m.max),
    ];
    let titles: Vec<(&str, u8)> = columns.iter().map(|(title, rank, _)| (*title, *rank)).collect();
    let mut table = Table::new("", &[titles.as_slice(), &[("count", 4)]].concat());
    let narrow = page.width < super::WIDTH;
    let mut shown: Vec<MetricId> = BY_WEIGHT
        .into_iter()
        .filter(|id| figures(result, *id).is_some())
        .collect();
    shown.truncate(rows_max);
    for (id, name) in NOTICED.into_iter().filter(|(id, _)| shown.contains(id)) {
        let Some(m) = figures(result, id) else {
            continue;
        };
        let cells = columns.iter().map(|(_, _, pick)| duration(pick(m)));
        let name = if narrow { id.key() } else { name };
        table.row(name, cells.chain([grouped(m.count)]).collect());
    }
    match shown.len() {
        0 => page.prose("times", "none: no request finished"),
        _ => table.write(page),
    }
}

/// Returns the figures of a metric that has values. Without thoughts the first token of the answer is the first token,
/// which is shown once.
fn figures(result: &RunResult, id: MetricId) -> Option<&MetricFigures> {
    let found = result.metric(id).filter(|m| m.count > 0)?;
    let repeats = id == MetricId::Ttfa && result.metric(MetricId::Ttft) == Some(found);
    (!repeats).then_some(found)
}

/// Appends every metric that has values.
pub(super) fn full(page: &mut Page, result: &RunResult) {
    let columns: [(&str, u8, Pick); 8] = [
        ("min", 4, |m| m.min),
        ("mean", 2, |m| m.mean),
        ("p50", 0, |m| m.p50),
        ("p90", 3, |m| m.p90),
        ("p95", 3, |m| m.p95),
        ("p99", 0, |m| m.p99),
        ("p99.9", 4, |m| m.p999),
        ("max", 1, |m| m.max),
    ];
    let titles: Vec<(&str, u8)> = columns.iter().map(|(title, rank, _)| (*title, *rank)).collect();
    let mut table = Table::new("", &[&[("count", 5)], titles.as_slice()].concat()).tight();
    for id in crate::metrics::METRICS.iter().map(|row| row.id) {
        if let Some(m) = figures(result, id) {
            let cells = columns.iter().map(|(_, _, pick)| duration(pick(m)));
            table.row(id.key(), [grouped(m.count)].into_iter().chain(cells).collect());
        }
    }
    table.write(page);
}
