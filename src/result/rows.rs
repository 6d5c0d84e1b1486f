//! The rows of timelines.

use crate::report::{Row, Spread, TimelineRow};
use crate::server::ServerSample;
use crate::units::{MILLISECOND, Nanos, millis, seconds};
use serde::{Deserialize, Serialize};

/// A row of the document: seconds and milliseconds.
pub type RowFigures = Row<f64, SpreadFigures>;

/// The values of a metric in one row: milliseconds, null if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpreadFigures {
    pub count: u64,
    pub sum: f64,
    pub p50: Option<f64>,
    /// Absent in documents of earlier versions, as `max` is.
    #[serde(default)]
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    #[serde(default)]
    pub max: Option<f64>,
}

/// Returns the rows as the document has them.
pub fn rows_of_document(rows: &[TimelineRow]) -> Vec<RowFigures> {
    let convert = |row: &TimelineRow| row.map(seconds, SpreadFigures::from_spread);
    rows.iter().map(convert).collect()
}

impl SpreadFigures {
    fn from_spread(spread: Spread) -> SpreadFigures {
        SpreadFigures {
            count: spread.count,
            sum: spread.sum_ns as f64 / MILLISECOND as f64,
            p50: spread.p50.map(millis),
            p90: spread.p90.map(millis),
            p99: spread.p99.map(millis),
            max: spread.max.map(millis),
        }
    }

    /// Converts back to nanoseconds, to which the sum is rounded.
    pub fn spread(self) -> Spread {
        let ns = |ms: f64| (ms * MILLISECOND as f64).round();
        let time = |ms: f64| ns(ms) as Nanos;
        Spread {
            count: self.count,
            sum_ns: ns(self.sum) as u128,
            p50: self.p50.map(time),
            p90: self.p90.map(time),
            p99: self.p99.map(time),
            max: self.max.map(time),
        }
    }
}

/// The resources that a managed server used, all its processes together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagedServerRow {
    /// Time since the start of the load.
    pub elapsed_seconds: f64,
    /// CPU time since the previous row in percent of one CPU: 250 is two and a half CPUs. Null in the first row.
    pub cpu_percent: Option<f64>,
    /// Resident memory; memory that processes share counts once for each.
    pub rss_bytes: u64,
}

impl ManagedServerRow {
    pub fn from_sample(sample: &ServerSample) -> ManagedServerRow {
        ManagedServerRow {
            elapsed_seconds: seconds(sample.elapsed),
            cpu_percent: sample.cpu_percent,
            rss_bytes: sample.rss_bytes,
        }
    }
}
