//! `probes.csv`: a row for each load that a search has tried.

use super::cells::{Cell, head, line};
use serde_json::Value;
use std::io::{Result, Write};

/// The columns, each with the path of its figure in a probe.
pub(super) const COLUMNS: [(&str, &str); 26] = [
    ("level", "/level"),
    ("purpose", "/purpose"),
    ("decision", "/decision"),
    ("seems_to_hold", "/seems_to_hold"),
    ("began_seconds", "/began_seconds"),
    ("counted_seconds", "/counted_seconds"),
    ("seconds", "/seconds"),
    ("requests", "/requests"),
    ("failed", "/failed"),
    ("cut", "/cut"),
    ("dropped", "/dropped"),
    ("ok_per_second", "/ok_per_second"),
    ("output_tokens_per_second", "/output_tokens_per_second"),
    ("ttft_p50_ms", "/ttft/p50"),
    ("ttft_p95_ms", "/ttft/p95"),
    ("ttft_p99_ms", "/ttft/p99"),
    ("latency_p50_ms", "/latency/p50"),
    ("latency_p95_ms", "/latency/p95"),
    ("latency_p99_ms", "/latency/p99"),
    ("tbt_p50_ms", "/tbt/p50"),
    ("tbt_p95_ms", "/tbt/p95"),
    ("tbt_p99_ms", "/tbt/p99"),
    ("goodput", "/goodput"),
    ("failure", "/failure"),
    ("ended_early", "/ended_early"),
    ("over", ""),
];

/// Writes the probes of a search in the order in which they were made.
pub fn probes(document: &Value, out: &mut dyn Write) -> Result<()> {
    head(COLUMNS.iter().map(|(name, _)| *name), out)?;
    let over = document.pointer("/search/over").map_or(Cell::Empty, cell);
    let probes = document["probes"].as_array();
    for probe in probes.into_iter().flatten() {
        let cells = COLUMNS.iter().map(|(_, path)| match *path {
            "" => over.clone(),
            path => probe.pointer(path).map_or(Cell::Empty, cell),
        });
        line(cells, out)?;
    }
    Ok(())
}

/// Returns a single value of a document as a cell.
pub(super) fn cell(value: &Value) -> Cell {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(n), _) => Cell::Count(n),
            (None, x) => x.into(),
        },
        Value::Bool(is_so) => Cell::Flag(*is_so),
        Value::String(text) => Cell::text(text),
        _ => Cell::Empty,
    }
}
