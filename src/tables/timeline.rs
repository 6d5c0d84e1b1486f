//! `timeline.csv`: a row for each second of the load.

use super::cells::{Cell, Column, head, line};
use crate::result::{RowFigures, RunResult};
use std::io::{Result, Write};

/// Returns the columns of a metric of the timeline.
macro_rules! spread {
    ($count:literal, $sum:literal, $p50:literal, $p90:literal, $p99:literal, $max:literal, $of:ident) => {
        [
            ($count, |row| row.$of.count.into()),
            ($sum, |row| row.$of.sum.into()),
            ($p50, |row| row.$of.p50.into()),
            ($p90, |row| row.$of.p90.into()),
            ($p99, |row| row.$of.p99.into()),
            ($max, |row| row.$of.max.into()),
        ]
    };
}

const COUNTS: [Column<RowFigures>; 14] = [
    ("elapsed_seconds", |row| row.elapsed.into()),
    ("vus_planned", |row| row.vus_planned.into()),
    ("vus_running", |row| row.vus_running.into()),
    ("connections", |row| row.connections.into()),
    ("requests", |row| row.requests.into()),
    ("errors", |row| row.errors.into()),
    ("output_tokens", |row| row.output_tokens.into()),
    ("prompt_tokens", |row| row.prompt_tokens.into()),
    ("cached_tokens", |row| row.cached_tokens.into()),
    ("goodput_judged", |row| row.goodput.judged.into()),
    ("goodput_good", |row| row.goodput.good.into()),
    ("dropped", |row| row.dropped.into()),
    ("cancelled", |row| row.cancelled.into()),
    ("waiting", |row| row.waiting.into()),
];
const LATENCY: [Column<RowFigures>; 6] = spread!(
    "latency_count",
    "latency_sum_ms",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "latency_max_ms",
    latency
);
const TTFT: [Column<RowFigures>; 6] = spread!(
    "ttft_count",
    "ttft_sum_ms",
    "ttft_p50_ms",
    "ttft_p90_ms",
    "ttft_p99_ms",
    "ttft_max_ms",
    ttft
);
const TBT: [Column<RowFigures>; 6] = spread!(
    "tbt_count",
    "tbt_sum_ms",
    "tbt_p50_ms",
    "tbt_p90_ms",
    "tbt_p99_ms",
    "tbt_max_ms",
    tbt
);
/// The column before all others: the number of the repetition, from 1; empty for the run as a whole.
const REPEAT: &str = "repeat";

fn columns() -> impl Iterator<Item = &'static Column<RowFigures>> {
    COUNTS.iter().chain(&LATENCY).chain(&TTFT).chain(&TBT)
}

/// Returns the names of the columns.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(REPEAT).chain(columns().map(|(name, _)| *name))
}

/// Writes the rows of the run, then those of each repetition if the run has several.
pub fn timeline(result: &RunResult, out: &mut dyn Write) -> Result<()> {
    head(names(), out)?;
    rows(Cell::Empty, &result.timeline, out)?;
    for repeat in &result.repeats {
        rows(u64::from(repeat.run.number).into(), &repeat.timeline, out)?;
    }
    Ok(())
}

fn rows(repeat: Cell, rows: &[RowFigures], out: &mut dyn Write) -> Result<()> {
    for row in rows {
        let cells = columns().map(|(_, cell)| cell(row));
        line(std::iter::once(repeat.clone()).chain(cells), out)?;
    }
    Ok(())
}
