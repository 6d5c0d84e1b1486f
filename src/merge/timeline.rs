//! The timelines of several processes on one axis: seconds since the first of them began.

use crate::merge::Part;
use crate::metrics::GoodCounts;
use crate::report::{Spread, TimelineRow};
use crate::result::{RowFigures, rows_of_document};
use crate::units::Nanos;
use std::collections::BTreeMap;

/// The figures of one process that fall into one common row.
#[derive(Clone, Copy)]
struct Share {
    elapsed: f64,
    last: RowFigures,
    requests: u64,
    errors: u64,
    output_tokens: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    goodput: GoodCounts,
    dropped: u64,
    cancelled: u64,
    latency: Spread,
    ttft: Spread,
    tbt: Spread,
}

/// Merges the timelines. `offsets` says how many seconds after the first each process began. Rows are moved by the
/// nearest whole number of seconds, so that each still covers whole seconds; the rest, at most half a second, is part
/// of the skew that the document reports. Counts and sums are added. A quantile is the largest of the parts' quantiles,
/// which is an upper bound, because rows have no histograms. If a run of days has rows of several seconds, all rows
/// become that long.
pub fn merge(parts: &[Part], offsets: &[f64]) -> Vec<RowFigures> {
    let period = parts
        .iter()
        .map(|part| period(&part.document.timeline))
        .max()
        .unwrap_or(1);
    let mut rows: BTreeMap<u64, TimelineRow> = BTreeMap::new();
    for (part, offset) in parts.iter().zip(offsets) {
        for (row, share) in shares(&part.document.timeline, offset.round(), period) {
            let merged = merge_share(rows.get(&row), &share);
            rows.insert(row, merged);
        }
    }
    let rows: Vec<TimelineRow> = rows.into_values().collect();
    rows_of_document(&rows)
}

/// Returns how many seconds a row of this timeline covers.
fn period(rows: &[RowFigures]) -> u64 {
    let gaps = rows
        .windows(2)
        .map(|pair| (pair[1].elapsed - pair[0].elapsed).round() as u64);
    // A timeline of one row has no gap, and a row covers at least one second.
    gaps.max().unwrap_or(1).max(1)
}

/// Returns the figures of one process by the number of the common row that they fall into.
fn shares(rows: &[RowFigures], shift: f64, period: u64) -> BTreeMap<u64, Share> {
    let mut out: BTreeMap<u64, Share> = BTreeMap::new();
    for row in rows {
        let elapsed = row.elapsed + shift;
        let number = (elapsed / period as f64).ceil() as u64;
        let share = Share {
            elapsed,
            last: *row,
            requests: row.requests,
            errors: row.errors,
            output_tokens: row.output_tokens,
            prompt_tokens: row.prompt_tokens,
            cached_tokens: row.cached_tokens,
            goodput: row.goodput,
            dropped: row.dropped,
            cancelled: row.cancelled,
            latency: row.latency.spread(),
            ttft: row.ttft.spread(),
            tbt: row.tbt.spread(),
        };
        let merged = match out.get(&number) {
            None => share,
            Some(before) => Share {
                requests: before.requests + share.requests,
                errors: before.errors + share.errors,
                output_tokens: before.output_tokens + share.output_tokens,
                prompt_tokens: before.prompt_tokens + share.prompt_tokens,
                cached_tokens: before.cached_tokens + share.cached_tokens,
                goodput: together(before.goodput, share.goodput),
                dropped: before.dropped + share.dropped,
                cancelled: before.cancelled + share.cancelled,
                latency: before.latency.merge(share.latency),
                ttft: before.ttft.merge(share.ttft),
                tbt: before.tbt.merge(share.tbt),
                ..share
            },
        };
        out.insert(number, merged);
    }
    out
}

fn merge_share(row: Option<&TimelineRow>, share: &Share) -> TimelineRow {
    let RowFigures {
        vus_planned,
        vus_running,
        connections,
        waiting,
        ..
    } = share.last;
    let elapsed = nanos(share.elapsed);
    let zero = TimelineRow {
        elapsed: 0,
        vus_planned: 0,
        vus_running: 0,
        connections: 0,
        requests: 0,
        errors: 0,
        output_tokens: 0,
        prompt_tokens: 0,
        cached_tokens: 0,
        goodput: GoodCounts::default(),
        dropped: 0,
        cancelled: 0,
        waiting: 0,
        latency: Spread::default(),
        ttft: Spread::default(),
        tbt: Spread::default(),
    };
    let row = row.unwrap_or(&zero);
    TimelineRow {
        elapsed: row.elapsed.max(elapsed),
        vus_planned: row.vus_planned + vus_planned,
        vus_running: row.vus_running + vus_running,
        connections: row.connections + connections,
        requests: row.requests + share.requests,
        errors: row.errors + share.errors,
        output_tokens: row.output_tokens + share.output_tokens,
        prompt_tokens: row.prompt_tokens + share.prompt_tokens,
        cached_tokens: row.cached_tokens + share.cached_tokens,
        goodput: together(row.goodput, share.goodput),
        dropped: row.dropped + share.dropped,
        cancelled: row.cancelled + share.cancelled,
        waiting: row.waiting + waiting,
        latency: row.latency.merge(share.latency),
        ttft: row.ttft.merge(share.ttft),
        tbt: row.tbt.merge(share.tbt),
    }
}

fn together(mut counts: GoodCounts, more: GoodCounts) -> GoodCounts {
    counts.merge(&more);
    counts
}

/// Converts seconds to whole nanoseconds.
pub fn nanos(seconds: f64) -> Nanos {
    (seconds * 1e9).round() as Nanos
}
