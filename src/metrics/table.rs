//! One row per metric. Extraction, unit, direction and text all come from here.

use crate::metrics::{Outcome, Sample};
use crate::units::Nanos;

/// Stands at its own index in [`METRICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MetricId {
    Latency,
    LatencyOk,
    ServiceTime,
    Ttfb,
    Ttft,
    Tbt,
    Tpot,
    Connect,
    Tls,
    ScheduleLag,
    Decode,
    ServerPrompt,
    ServerDecode,
    PromptDiff,
    DecodeDiff,
}

impl MetricId {
    pub const COUNT: usize = 15;

    pub fn row(self) -> &'static Metric {
        &METRICS[self as usize]
    }

    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// The metric of that key in documents and thresholds.
    pub fn from_key(key: &str) -> Option<MetricId> {
        METRICS.iter().find(|m| m.key == key).map(|m| m.id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    LowerIsBetter,
    HigherIsBetter,
}

/// Where a metric's values come from.
#[derive(Clone, Copy)]
pub enum Source {
    /// At most one value per finished request.
    Sample(fn(&Sample) -> Option<Nanos>),
    /// Offered by the engine while it happens.
    Engine,
}

pub struct Metric {
    pub id: MetricId,
    pub key: &'static str,
    /// Of the value in documents and thresholds; recorded in nanoseconds.
    pub unit: &'static str,
    pub direction: Direction,
    pub source: Source,
    pub meaning: &'static str,
    /// In documents only where there are values: most servers say nothing of their own times.
    pub rare: bool,
}

// Times of a sample ascend, which debug builds assert (`Sample::invariants`). The differences saturate, so that
// a mistake there gives a 0 in release builds rather than one value of 584 years.
pub const METRICS: [Metric; MetricId::COUNT] = [
    row(
        MetricId::Latency,
        "latency",
        Source::Sample(latency),
        "due to done, every finished request, failed ones too",
    ),
    row(
        MetricId::LatencyOk,
        "latency_ok",
        Source::Sample(|s| (s.outcome == Outcome::Ok).then(|| s.done.saturating_sub(s.due))),
        "due to done, requests that are ok",
    ),
    row(
        MetricId::ServiceTime,
        "service_time",
        Source::Sample(service_time),
        "first byte sent to done",
    ),
    row(
        MetricId::Ttfb,
        "ttfb",
        Source::Sample(|s| Some(s.first_byte?.saturating_sub(s.sent?))),
        "first byte sent to first byte received",
    ),
    row(
        MetricId::Ttft,
        "ttft",
        Source::Sample(|s| Some(s.first_token?.saturating_sub(s.due))),
        "due to the first event that carries generated text",
    ),
    row(
        MetricId::Tbt,
        "tbt",
        Source::Engine,
        "gap between consecutive token-bearing events of a request",
    ),
    row(
        MetricId::Tpot,
        "tpot",
        Source::Sample(tpot),
        "first to last token over the tokens after the first",
    ),
    row(
        MetricId::Connect,
        "connect",
        Source::Engine,
        "TCP connect of a new connection",
    ),
    row(
        MetricId::Tls,
        "tls",
        Source::Engine,
        "TLS handshake of a new connection",
    ),
    row(
        MetricId::ScheduleLag,
        "schedule_lag",
        Source::Sample(|s| s.sent.map(|_| s.schedule_lag)),
        "due to sent less connecting: the generator's own delay",
    ),
    rare(
        MetricId::Decode,
        "decode",
        Source::Sample(|s| Some(s.decode_clocks()?.client)),
        "first to last token by our clock, where the server has a figure of its own",
    ),
    rare(
        MetricId::ServerPrompt,
        "server_prompt",
        Source::Sample(|s| s.server_prompt),
        "reading the prompt, as the server says",
    ),
    rare(
        MetricId::ServerDecode,
        "server_decode",
        Source::Sample(|s| s.server_decode),
        "generating the answer, as the server says",
    ),
    rare(
        MetricId::PromptDiff,
        "prompt_diff",
        Source::Sample(|s| s.prompt_clocks().map(|c| c.client.saturating_sub(c.server))),
        "ttft less server_prompt, of each request",
    ),
    rare(
        MetricId::DecodeDiff,
        "decode_diff",
        Source::Sample(|s| s.decode_clocks().map(|c| c.client.abs_diff(c.server))),
        "decode against server_decode, of each request, without sign",
    ),
];

const fn row(id: MetricId, key: &'static str, source: Source, meaning: &'static str) -> Metric {
    Metric {
        id,
        key,
        unit: "ms",
        direction: Direction::LowerIsBetter,
        source,
        meaning,
        rare: false,
    }
}

const fn rare(id: MetricId, key: &'static str, source: Source, meaning: &'static str) -> Metric {
    Metric {
        rare: true,
        ..row(id, key, source, meaning)
    }
}

/// An interrupted request is right-censored: how long it would have taken is unknown, so it is kept out
/// here and its elapsed time is kept apart as a lower bound (`SeriesTotals::interrupted_elapsed_max`).
fn latency(s: &Sample) -> Option<Nanos> {
    (s.outcome != Outcome::Interrupted).then(|| s.done.saturating_sub(s.due))
}

fn service_time(s: &Sample) -> Option<Nanos> {
    (s.outcome != Outcome::Interrupted).then_some(())?;
    Some(s.done.saturating_sub(s.sent?))
}

/// None when all tokens carry one stamp: they came in one read, and a rate of infinity is not a measurement.
fn tpot(s: &Sample) -> Option<Nanos> {
    let span = s.last_token?.saturating_sub(s.first_token?);
    (s.output_tokens >= 2 && span > 0).then(|| span / u64::from(s.output_tokens - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_at_its_own_index_and_is_found_by_its_key() {
        for (i, metric) in METRICS.iter().enumerate() {
            assert_eq!(metric.id as usize, i);
            assert_eq!(MetricId::from_key(metric.key), Some(metric.id));
            assert!(!metric.meaning.is_empty());
        }
        assert_eq!(MetricId::from_key("p99"), None);
    }
}
