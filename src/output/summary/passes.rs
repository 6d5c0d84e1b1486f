//! The warm-up, the repetitions with their spread, and contention, if a run has them.

use super::contention;
use super::page::{Page, Table};
use super::paired;
use crate::output::numbers::{duration, grouped};
use crate::result::{Repeat, RunResult, Spread, WarmUp};
use crate::units::{elapsed, percent, rate};

/// The most rows of repetitions; the document has them all.
const REPEATS_MAX: usize = 12;
/// The figures whose spread a short summary shows, from the most important on.
const SPREAD_SHOWN: [&str; 5] = [
    "requests_per_second",
    "latency_p50",
    "ttft_p50",
    "output_tokens_per_second",
    "latency_p99",
];

/// Appends all sections; each ends with an empty line.
pub(super) fn full(page: &mut Page, result: &RunResult) {
    if let Some(found) = &result.contention {
        contention::full(page, found);
        page.blank();
    }
    if let Some(found) = &result.paired {
        paired::full(page, result, found);
        page.blank();
    }
    if !result.repeats.is_empty() {
        repeats(page, &result.repeats);
        page.blank();
        spread(page, &result.spread, |_| true);
        page.blank();
    }
    if let Some(found) = &result.warmup {
        warmup(page, found);
        page.blank();
    }
}

/// Appends what decides. Without room for the spread only the number of runs is told.
pub(super) fn brief(page: &mut Page, result: &RunResult, spread_rows: usize) {
    let named = &SPREAD_SHOWN[..spread_rows.min(SPREAD_SHOWN.len())];
    if let Some(found) = &result.warmup {
        warmup(page, found);
    }
    if let Some(found) = &result.contention {
        page.blank();
        contention::brief(page, found);
    }
    if let Some(found) = &result.paired {
        page.blank();
        paired::write(page, result, found, false);
    }
    match result.repeats.len() {
        0 => {}
        _ if spread_rows > 0 => {
            page.blank();
            spread(page, &result.spread, |row| named.contains(&row.figure.as_str()));
        }
        n => page.prose("runs", &format!("{n}: --summary full has their spread")),
    }
}

fn warmup(page: &mut Page, found: &WarmUp) {
    let (length, requests) = (elapsed(found.duration_seconds), grouped(found.requests));
    let failed = grouped(found.failed);
    page.prose(
        "warm-up",
        &format!("{length}, {requests} requests ({failed} failed), excluded from all results"),
    );
}

fn repeats(page: &mut Page, repeats: &[Repeat]) {
    page.line(&format!("=== Runs ({}) ===", repeats.len()));
    let columns = [
        ("requests", 1),
        ("failed", 0),
        ("req/s", 0),
        ("tok/s", 1),
        ("latency p50", 0),
        ("ttft p50", 1),
    ];
    let mut table = Table::new("run", &columns);
    for repeat in repeats.iter().take(REPEATS_MAX) {
        let p50 = |key: &str| duration(repeat.metrics.get(key).and_then(|m| m.p50));
        let cells = vec![
            grouped(repeat.totals.requests),
            grouped(repeat.totals.failed),
            rate(repeat.rates.requests_per_second),
            rate(repeat.rates.output_tokens_per_second),
            p50("latency"),
            p50("ttft"),
        ];
        table.row(&repeat.run.number.to_string(), cells);
    }
    table.write(page);
    super::more(page, repeats.len().saturating_sub(REPEATS_MAX), "runs");
}

fn spread(page: &mut Page, spread: &[Spread], is_shown: impl Fn(&Spread) -> bool) {
    let runs = spread.iter().map(|row| row.runs).max().unwrap_or(0);
    let columns = [("mean", 0), ("+- 95 %", 0), ("lowest", 1), ("highest", 1)];
    let mut table = Table::new(&format!("across {runs} runs"), &columns);
    for row in spread.iter().filter(|row| is_shown(row)) {
        let shown = |x: f64| value(row, x);
        let half = row.half_width.map_or("-".to_owned(), shown);
        let cells = vec![shown(row.mean), half, shown(row.min), shown(row.max)];
        table.row(&name(&row.figure), cells);
    }
    table.write(page);
}

/// Returns the name that the other tables have for a figure.
fn name(figure: &str) -> String {
    match figure {
        "requests_per_second" => "req/s".to_owned(),
        "output_tokens_per_second" => "output tok/s".to_owned(),
        "input_tokens_per_second" => "input tok/s".to_owned(),
        "total_tokens_per_second" => "total tok/s".to_owned(),
        "error_rate" => "failed".to_owned(),
        "good_requests_per_second" => "good req/s".to_owned(),
        other => other.replace('_', " "),
    }
}

fn value(row: &Spread, x: f64) -> String {
    match row.unit.as_str() {
        "ms" => duration(Some(x)),
        "/s" => rate(x),
        _ => percent(x),
    }
}
