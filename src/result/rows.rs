//! Rows of timelines.

use crate::report::{Spread, TimelineRow};
use crate::server::ServerSample;
use crate::units::{MILLISECOND, Nanos, millis, seconds};
use serde::{Deserialize, Serialize};

/// What happened in one second of the load, or in several where it is longer than a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowFigures {
    /// The row's end, since the start of the load.
    pub elapsed_seconds: f64,
    pub vus_planned: u64,
    pub vus_running: u64,
    pub connections: u64,
    /// Ended in this row, interrupted ones too.
    pub requests: u64,
    pub errors: u64,
    pub output_tokens: u64,
    pub latency: SpreadFigures,
    pub ttft: SpreadFigures,
}

/// The values of a metric in one row: milliseconds, nulls where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpreadFigures {
    pub count: u64,
    pub sum: f64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

impl RowFigures {
    pub fn of(row: &TimelineRow) -> RowFigures {
        let TimelineRow {
            elapsed,
            vus_planned,
            vus_running,
            connections,
            requests,
            errors,
            output_tokens,
            latency,
            ttft,
        } = *row;
        RowFigures {
            elapsed_seconds: seconds(elapsed),
            vus_planned,
            vus_running,
            connections,
            requests,
            errors,
            output_tokens,
            latency: SpreadFigures::of(latency),
            ttft: SpreadFigures::of(ttft),
        }
    }

    pub fn of_all(rows: &[TimelineRow]) -> Vec<RowFigures> {
        rows.iter().map(RowFigures::of).collect()
    }
}

impl SpreadFigures {
    fn of(spread: Spread) -> SpreadFigures {
        SpreadFigures {
            count: spread.count,
            sum: spread.sum_ns as f64 / MILLISECOND as f64,
            p50: spread.p50.map(millis),
            p99: spread.p99.map(millis),
        }
    }

    /// Back in nanoseconds, to which the sum is rounded.
    pub fn spread(self) -> Spread {
        let ns = |ms: f64| (ms * MILLISECOND as f64).round();
        Spread {
            count: self.count,
            sum_ns: ns(self.sum) as u128,
            p50: self.p50.map(|ms| ns(ms) as Nanos),
            p99: self.p99.map(|ms| ns(ms) as Nanos),
        }
    }
}

/// What a managed server used, all its processes together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagedServerRow {
    /// Since the start of the load.
    pub elapsed_seconds: f64,
    /// Of one CPU, since the row before: 250 is two and a half. Null in the first row.
    pub cpu_percent: Option<f64>,
    /// Memory that processes share counts once for each.
    pub rss_bytes: u64,
}

impl ManagedServerRow {
    pub fn of(sample: &ServerSample) -> ManagedServerRow {
        ManagedServerRow {
            elapsed_seconds: seconds(sample.elapsed),
            cpu_percent: sample.cpu_percent,
            rss_bytes: sample.rss_bytes,
        }
    }
}
