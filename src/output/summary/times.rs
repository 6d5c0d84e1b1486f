//! The tables of times: the few that users notice, or all of them.

use super::page::{Page, Table};
use crate::metrics::MetricId;
use crate::output::numbers::{duration, grouped, range, range_cell};
use crate::result::{MetricFigures, Ordered, RunResult};

type Metrics = Ordered<MetricFigures>;
type Cell = fn(&MetricFigures) -> String;
type Pick = fn(&MetricFigures) -> Option<f64>;

/// The times that users notice, in the order of their importance, with the names that people and documents use.
pub const NOTICED: [(MetricId, &str); 5] = [
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

/// Appends the times that users notice, at most `rows_max` of them, and a line about their intervals if it is wanted.
pub(super) fn brief(page: &mut Page, result: &RunResult, (rows_max, with_ranges): (usize, bool)) {
    let shown = noticed(page, "", &result.metrics, rows_max);
    if shown.is_empty() {
        page.prose("times", "none: no request finished");
    }
    if with_ranges {
        ranges(page, &shown);
    }
}

/// Appends a table of the times that users notice, at most `rows_max` of them, and returns these.
pub(super) fn noticed<'a>(
    page: &mut Page,
    title: &str,
    metrics: &'a Metrics,
    rows_max: usize,
) -> Vec<(MetricId, &'a MetricFigures)> {
    let columns: [(&str, u8, Cell); 6] = [
        ("mean", 2, |m| duration(m.mean)),
        ("p50", 0, |m| percentile(m.p50, m.p50_interval)),
        ("p90", 3, |m| percentile(m.p90, m.p90_interval)),
        ("p95", 2, |m| percentile(m.p95, m.p95_interval)),
        ("p99", 0, |m| percentile(m.p99, m.p99_interval)),
        ("max", 1, |m| duration(m.max)),
    ];
    let titles: Vec<(&str, u8)> = columns.iter().map(|(title, rank, _)| (*title, *rank)).collect();
    let mut table = Table::new(title, &[titles.as_slice(), &[("count", 4)]].concat());
    let narrow = page.width < super::WIDTH;
    let known = BY_WEIGHT.into_iter();
    let shown: Vec<(MetricId, &MetricFigures)> = known
        .filter_map(|id| Some((id, figures(metrics, id)?)))
        .take(rows_max)
        .collect();
    for (id, name) in NOTICED {
        let Some((_, m)) = shown.iter().find(|(shown, _)| *shown == id) else {
            continue;
        };
        let cells = columns.iter().map(|(_, _, cell)| cell(m));
        let name = if narrow { id.key() } else { name };
        table.row(name, cells.chain([grouped(m.count)]).collect());
    }
    if !shown.is_empty() {
        table.write(page);
    }
    shown
}

/// The metrics whose p99 the short summary gives as an interval, at most.
const RANGED_MAX: usize = 2;

/// Stands before a percentile of which there are too few values for an interval.
const UNSURE: char = '~';

/// Formats a percentile, marked if it has no interval although there are values.
fn percentile(at: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (at, interval) {
        (Some(_), None) => format!("{UNSURE}{}", duration(at)),
        _ => duration(at),
    }
}

/// Appends between which values the p99 of the first metrics lies, and what the mark of the others means, on one line
/// if it is wide enough.
fn ranges(page: &mut Page, shown: &[(MetricId, &MetricFigures)]) {
    let is_unsure = |m: &MetricFigures| {
        let marked = [m.p50_interval, m.p90_interval, m.p95_interval, m.p99_interval];
        marked.contains(&None)
    };
    let unsure = shown.iter().any(|(_, m)| is_unsure(m));
    let note = unsure.then(|| format!("{UNSURE} too few values for a range"));
    let mut cells: Vec<String> = shown
        .iter()
        .filter_map(|(id, m)| Some(format!("{} p99 {}", id.key(), range(m.p99_interval?))))
        .take(RANGED_MAX)
        .collect();
    let columns = |cells: &[String]| cells.iter().map(|cell| cell.chars().count() + 3).sum::<usize>();
    let room = page.width.saturating_sub(super::page::LABEL);
    while cells.len() > 1 && columns(&cells) + columns(note.as_slice()) > room + 3 {
        cells.pop();
    }
    cells.extend(note);
    if !cells.is_empty() {
        page.row("95 % range", &cells);
    }
}

/// Appends the interval of every percentile of every metric that has values.
pub(super) fn all_ranges(page: &mut Page, metrics: &Metrics) {
    type Ends = fn(&MetricFigures) -> Option<[f64; 2]>;
    let columns: [(&str, u8, Ends); 5] = [
        ("p50", 0, |m| m.p50_interval),
        ("p90", 3, |m| m.p90_interval),
        ("p95", 2, |m| m.p95_interval),
        ("p99", 1, |m| m.p99_interval),
        ("p99.9", 4, |m| m.p999_interval),
    ];
    let titles: Vec<(&str, u8)> = columns.iter().map(|(title, rank, _)| (*title, *rank)).collect();
    let mut table = Table::new("95 % range", &titles).tight();
    for id in crate::metrics::METRICS.iter().map(|row| row.id) {
        if let Some(m) = figures(metrics, id) {
            let cell = |ends: Option<[f64; 2]>| ends.map_or("too few".to_owned(), range_cell);
            table.row(
                id.key(),
                columns.iter().map(|(_, _, pick)| cell(pick(m))).collect(),
            );
        }
    }
    table.write(page);
}

/// Returns the figures of a metric that has values. Without thoughts the first token of the answer is the first token,
/// which is shown once.
fn figures(metrics: &Metrics, id: MetricId) -> Option<&MetricFigures> {
    let found = metrics.get(id.key()).filter(|m| m.count > 0)?;
    let repeats = id == MetricId::Ttfa && metrics.get(MetricId::Ttft.key()) == Some(found);
    (!repeats).then_some(found)
}

/// Appends every metric that has values.
pub(super) fn full(page: &mut Page, title: &str, metrics: &Metrics) {
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
    let mut table = Table::new(title, &[&[("count", 5)], titles.as_slice()].concat()).tight();
    for id in crate::metrics::METRICS.iter().map(|row| row.id) {
        if let Some(m) = figures(metrics, id) {
            let cells = columns.iter().map(|(_, _, pick)| duration(pick(m)));
            table.row(id.key(), [grouped(m.count)].into_iter().chain(cells).collect());
        }
    }
    table.write(page);
}
