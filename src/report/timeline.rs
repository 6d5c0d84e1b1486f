//! The timeline, with one row per second.

use crate::metrics::{Distribution, GoodCounts};
use crate::units::{Nanos, is_zero};
use serde::{Deserialize, Serialize};

/// The most rows: one per second for 24 h, 36 MB. When a longer run reaches them, its rows are merged in pairs: two
/// seconds per row up to 48 h, and so on.
pub const TIMELINE_ROWS_MAX: usize = 24 * 3600;

/// Count, sum, three quantiles and the maximum of a metric within a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    pub count: u64,
    pub sum_ns: u128,
    pub p50: Option<Nanos>,
    pub p90: Option<Nanos>,
    pub p99: Option<Nanos>,
    pub max: Option<Nanos>,
}

impl Spread {
    pub fn from_distribution(d: &Distribution) -> Spread {
        Spread {
            count: d.offered(),
            sum_ns: d.sum_ns(),
            p50: d.quantile(0.5),
            p90: d.quantile(0.9),
            p99: d.quantile(0.99),
            max: d.max(),
        }
    }

    /// Merges two rows. Counts, sums and maxima stay exact; a quantile is the larger of the two, an upper bound of the
    /// true one.
    pub fn merge(self, other: Spread) -> Spread {
        Spread {
            count: self.count + other.count,
            sum_ns: self.sum_ns + other.sum_ns,
            p50: self.p50.max(other.p50),
            p90: self.p90.max(other.p90),
            p99: self.p99.max(other.p99),
            max: self.max.max(other.max),
        }
    }
}

/// The figures of one second of the load, or of several if it is longer than a day. `T` is a time and `S` the spread
/// of a metric: nanoseconds while a run goes on, seconds and milliseconds in its document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row<T, S> {
    /// End of the row, since the start of the load.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: T,
    pub vus_planned: u64,
    pub vus_running: u64,
    pub connections: u64,
    /// Requests that finished in this row, including interrupted and cancelled ones.
    pub requests: u64,
    pub errors: u64,
    pub output_tokens: u64,
    /// Tokens of their prompts, as servers count them; absent if they state none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_tokens: u64,
    /// Of these, tokens that came from a cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Requests that were compared with the limits of goodput, and those that met all; absent if there were none.
    #[serde(default, skip_serializing_if = "GoodCounts::is_empty")]
    pub goodput: GoodCounts,
    /// Arrivals that were dropped in this row; absent if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Requests that their users cancelled in this row; absent if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Arrivals that waited for a free user at its end; absent if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
    pub latency: S,
    pub ttft: S,
    /// Of streams, the times between their tokens; absent in documents of earlier versions.
    #[serde(default)]
    pub tbt: S,
}

/// A row while a run goes on.
pub type TimelineRow = Row<Nanos, Spread>;

impl<T: Copy, S: Copy> Row<T, S> {
    /// Converts the times and spreads.
    pub fn map<U, V>(&self, time: impl Fn(T) -> U, spread: impl Fn(S) -> V) -> Row<U, V> {
        let Row {
            elapsed,
            vus_planned,
            vus_running,
            connections,
            requests,
            errors,
            output_tokens,
            prompt_tokens,
            cached_tokens,
            goodput,
            dropped,
            cancelled,
            waiting,
            latency,
            ttft,
            tbt,
        } = *self;
        Row {
            elapsed: time(elapsed),
            vus_planned,
            vus_running,
            connections,
            requests,
            errors,
            output_tokens,
            prompt_tokens,
            cached_tokens,
            goodput,
            dropped,
            cancelled,
            waiting,
            latency: spread(latency),
            ttft: spread(ttft),
            tbt: spread(tbt),
        }
    }
}

impl TimelineRow {
    fn append(&self, later: &TimelineRow) -> TimelineRow {
        let mut goodput = self.goodput;
        goodput.merge(&later.goodput);
        TimelineRow {
            goodput,
            elapsed: later.elapsed,
            vus_planned: later.vus_planned,
            vus_running: later.vus_running,
            connections: later.connections,
            requests: self.requests + later.requests,
            errors: self.errors + later.errors,
            output_tokens: self.output_tokens + later.output_tokens,
            prompt_tokens: self.prompt_tokens + later.prompt_tokens,
            cached_tokens: self.cached_tokens + later.cached_tokens,
            dropped: self.dropped + later.dropped,
            cancelled: self.cancelled + later.cancelled,
            waiting: later.waiting,
            latency: self.latency.merge(later.latency),
            ttft: self.ttft.merge(later.ttft),
            tbt: self.tbt.merge(later.tbt),
        }
    }
}

#[derive(Debug)]
pub struct Timeline {
    rows: Vec<TimelineRow>,
    /// Number of pushes that make a row.
    pushes_per_row: u32,
    /// Number of pushes already in the last row.
    in_last: u32,
    rows_max: usize,
}

impl Timeline {
    pub fn new() -> Timeline {
        Timeline::with_rows_max(TIMELINE_ROWS_MAX)
    }

    fn with_rows_max(rows_max: usize) -> Timeline {
        assert!(rows_max >= 2 && rows_max.is_multiple_of(2));
        Timeline {
            rows: Vec::new(),
            pushes_per_row: 1,
            in_last: 1,
            rows_max,
        }
    }

    pub fn push(&mut self, row: TimelineRow) {
        if self.in_last < self.pushes_per_row
            && let Some(last) = self.rows.last_mut()
        {
            *last = last.append(&row);
            self.in_last += 1;
            return;
        }
        if self.rows.len() == self.rows_max {
            self.rows = self
                .rows
                .chunks(2)
                .map(|pair| pair[1..].iter().fold(pair[0], |a, b| a.append(b)))
                .collect();
            self.pushes_per_row *= 2;
        }
        self.rows.push(row);
        self.in_last = 1;
    }

    pub fn rows(&self) -> &[TimelineRow] {
        &self.rows
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u64, requests: u64) -> TimelineRow {
        TimelineRow {
            elapsed: second * crate::units::SECOND,
            vus_planned: second,
            vus_running: second,
            connections: 1,
            requests,
            errors: 1,
            output_tokens: 2,
            prompt_tokens: 9,
            cached_tokens: 4,
            dropped: 3,
            cancelled: 1,
            waiting: second,
            goodput: GoodCounts {
                judged: requests,
                good: 1,
            },
            latency: Spread {
                count: requests,
                sum_ns: 5,
                p50: Some(second),
                p90: None,
                p99: None,
                max: Some(second + 1),
            },
            ttft: Spread::default(),
            tbt: Spread::default(),
        }
    }

    #[test]
    fn a_timeline_that_is_full_merges_its_rows_in_pairs_and_keeps_every_count() {
        let mut timeline = Timeline::with_rows_max(4);
        for second in 1..=23 {
            timeline.push(row(second, 10));
            assert!(timeline.rows().len() <= 4);
        }
        let ends: Vec<u64> = timeline.rows().iter().map(|r| r.vus_planned).collect();
        assert_eq!(ends, [8, 16, 23]);
        assert_eq!(timeline.rows().iter().map(|r| r.requests).sum::<u64>(), 230);
        assert_eq!(timeline.rows().iter().map(|r| r.goodput.good).sum::<u64>(), 23);
        assert_eq!(timeline.rows().iter().map(|r| r.dropped).sum::<u64>(), 69);
        assert_eq!(timeline.rows().iter().map(|r| r.cancelled).sum::<u64>(), 23);
        assert_eq!(timeline.rows().iter().map(|r| r.prompt_tokens).sum::<u64>(), 207);
        assert_eq!(timeline.rows().iter().map(|r| r.cached_tokens).sum::<u64>(), 92);
        assert_eq!(timeline.rows()[0].waiting, 8);
        assert_eq!(timeline.rows()[0].latency.p50, Some(8));
        assert_eq!(timeline.rows()[0].latency.max, Some(9));
        assert_eq!(timeline.rows()[0].latency.sum_ns, 40);
    }
}
