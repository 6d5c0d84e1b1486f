//! What is counted and measured of requests: of all, of one server's, of one kind's.

use crate::metrics::{METRICS, Outcome, SeriesTotals};
use crate::result::figures::{MetricFigures, Ordered, token_source_name};
use crate::units::{Nanos, seconds};
use serde::Serialize;

/// What was counted about requests, of one endpoint or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traffic {
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    /// The outcomes that occurred.
    pub by_outcome: Ordered<u64>,
    pub by_status: Ordered<u64>,
    pub output_tokens: u64,
    pub token_source: &'static str,
    /// The longest that an interrupted request had been under way: a lower bound, seconds.
    pub interrupted_elapsed_max_seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Ok and failed.
    pub requests_per_second: f64,
    pub ok_requests_per_second: f64,
    pub output_tokens_per_second: f64,
    /// Failed over ok and failed, 0 to 1.
    pub error_rate: f64,
    /// Timeouts and 503s over ok and failed, 0 to 1.
    pub contention_error_rate: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    pub totals: Traffic,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
}

/// The rows by server, or by kind where there is one server; where there are several, those by kind too.
pub(crate) type Rows = (Ordered<Endpoint>, Option<Ordered<Endpoint>>);

/// How series make rows.
pub(crate) struct Grouping<'a> {
    /// Name of each series, in order.
    pub kinds: &'a [String],
    /// Name of each server where there are several, else empty.
    pub servers: &'a [String],
    /// Index of each series' server.
    pub server_of_kind: &'a [u16],
}

impl Grouping<'_> {
    /// `series` in the order of `kinds`.
    pub fn rows(&self, series: &[SeriesTotals], duration: Nanos) -> Rows {
        assert_eq!(self.kinds.len(), series.len(), "one name for each series");
        let by_kind = self
            .kinds
            .iter()
            .zip(series)
            .map(|(name, series)| (name.clone(), endpoint(series, duration)))
            .collect();
        match self.servers.is_empty() {
            true => (by_kind, None),
            false => (
                servers(series, self.servers, self.server_of_kind, duration),
                Some(by_kind),
            ),
        }
    }
}

/// Each server's kinds of request together; `of` is the index of each series' server.
pub fn servers(series: &[SeriesTotals], names: &[String], of: &[u16], duration: Nanos) -> Ordered<Endpoint> {
    assert_eq!(of.len(), series.len(), "one server for each series");
    (0u16..)
        .zip(names)
        .map(|(index, name)| {
            let mut sum = SeriesTotals::new();
            for (_, series) in of.iter().zip(series).filter(|(server, _)| **server == index) {
                sum.merge(series);
            }
            (name.clone(), endpoint(&sum, duration))
        })
        .collect()
}

fn endpoint(series: &SeriesTotals, duration: Nanos) -> Endpoint {
    Endpoint {
        totals: traffic(series),
        rates: rates(series, duration),
        metrics: metrics(series),
    }
}

pub(crate) fn traffic(series: &SeriesTotals) -> Traffic {
    Traffic {
        requests: series.started,
        ok: series.ok(),
        failed: series.failed(),
        interrupted: series.interrupted(),
        by_outcome: Outcome::ALL
            .into_iter()
            .map(|o| (o.name(), series.outcome(o)))
            .filter(|(_, n)| *n > 0)
            .collect(),
        by_status: series
            .by_status()
            .iter()
            .map(|(status, n)| (status.to_string(), n))
            .collect(),
        output_tokens: series.output_tokens,
        token_source: token_source_name(series),
        interrupted_elapsed_max_seconds: seconds(series.interrupted_elapsed_max),
    }
}

pub(crate) fn rates(series: &SeriesTotals, duration: Nanos) -> Rates {
    let per_second = |n: u64| {
        if duration == 0 {
            0.0
        } else {
            n as f64 / seconds(duration)
        }
    };
    Rates {
        requests_per_second: per_second(series.completed()),
        ok_requests_per_second: per_second(series.ok()),
        output_tokens_per_second: per_second(series.output_tokens),
        error_rate: series.failed_rate().unwrap_or(0.0),
        contention_error_rate: series.contention_error_rate().unwrap_or(0.0),
    }
}

pub(crate) fn metrics(series: &SeriesTotals) -> Ordered<MetricFigures> {
    METRICS
        .iter()
        .filter(|m| !m.rare || !series.metric(m.id).is_empty())
        .map(|m| (m.key, MetricFigures::of(series.metric(m.id))))
        .collect()
}
