//! A row for each server, and for each kind of request.

use super::Room;
use super::page::{Page, Table};
use crate::output::numbers::{duration, grouped};
use crate::result::{GroupFigures, MetricFigures, Ordered, RunResult};
use crate::units::{percent, rate};

/// The place of the share of good requests among the columns, if there is one.
const GOOD_AT: usize = 2;

/// Appends a row for each server, if there are several.
pub(super) fn servers(page: &mut Page, result: &RunResult, rows_max: usize) {
    match &result.servers {
        None => {}
        Some(servers) if rows_max == 0 => {
            let n = servers.0.len();
            page.prose("servers", &format!("{n}: --summary full has a row for each"));
        }
        Some(servers) => write(page, "by server", servers, rows_max, "servers"),
    }
}

/// Appends a row for each kind of request, if there are several, the most frequent first. A server
/// with a single kind of its own is a row already.
pub(super) fn kinds(page: &mut Page, result: &RunResult, rows_max: usize) {
    if result
        .servers
        .as_ref()
        .is_some_and(|servers| servers.0.len() == result.kinds.0.len())
    {
        return;
    }
    let mut kinds = result.kinds.clone();
    kinds
        .0
        .sort_by_key(|(_, kind)| std::cmp::Reverse(kind.totals.requests));
    write(page, "by request", &kinds, rows_max, "kinds of request");
}

fn write(page: &mut Page, title: &str, groups: &Ordered<GroupFigures>, rows_max: usize, what: &str) {
    let ended = |group: &GroupFigures| group.totals.ok + group.totals.failed > 0;
    if groups.0.len() < 2 || !groups.iter().any(|(_, group)| ended(group)) {
        return;
    }
    let has_goodput = groups.iter().any(|(_, group)| group.rates.goodput.is_some());
    let mut columns = vec![
        ("ok", 0),
        ("failed", 0),
        ("req/s", 3),
        ("tok/s", 2),
        ("latency p50", 0),
        ("p99", 1),
        ("ttft p50", 1),
        ("p99", 4),
    ];
    if has_goodput {
        columns.insert(GOOD_AT, ("good", 1));
    }
    let mut table = Table::new(title, &columns);
    let shown = Room::shown(rows_max, groups.0.len());
    for (name, group) in groups.iter().take(shown) {
        let mut cells = cells(group);
        if has_goodput {
            let good = group.rates.goodput.map_or("-".to_owned(), percent);
            cells.insert(GOOD_AT, good);
        }
        table.row(name, cells);
    }
    table.write(page);
    super::more(page, groups.0.len() - shown, what);
}

fn cells(group: &GroupFigures) -> Vec<String> {
    let figure =
        |key: &str, pick: fn(&MetricFigures) -> Option<f64>| duration(group.metrics.get(key).and_then(pick));
    vec![
        grouped(group.totals.ok),
        grouped(group.totals.failed),
        rate(group.rates.requests_per_second),
        rate(group.rates.output_tokens_per_second),
        figure("latency", |m| m.p50),
        figure("latency", |m| m.p99),
        figure("ttft", |m| m.p50),
        figure("ttft", |m| m.p99),
    ]
}
