//! Defines the metrics, one row each, with extraction, unit, direction and text.

use crate::metrics::{Outcome, Sample};
use crate::units::Nanos;

/// Names a metric. Its value is the index in [`METRICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MetricId {
    Latency,
    LatencyOk,
    ServiceTime,
    Ttfb,
    Ttft,
    Ttfa,
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
    QueueWait,
    Ttfr,
    Ttfc,
}

impl MetricId {
    pub const COUNT: usize = 19;

    pub fn row(self) -> &'static Metric {
        &METRICS[self as usize]
    }

    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// Returns the metric with this key in documents and thresholds.
    pub fn from_key(key: &str) -> Option<MetricId> {
        METRICS.iter().find(|m| m.key == key).map(|m| m.id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    LowerIsBetter,
    HigherIsBetter,
}

/// The source of a metric's values.
#[derive(Clone, Copy)]
pub enum Source {
    /// At most one value per finished request.
    Sample(fn(&Sample) -> Option<Nanos>),
    /// Values that the engine records while the request is in flight.
    Engine,
}

pub struct Metric {
    pub id: MetricId,
    pub key: &'static str,
    /// Unit of the value in documents and thresholds; values are recorded in nanoseconds.
    pub unit: &'static str,
    pub direction: Direction,
    pub source: Source,
    pub meaning: &'static str,
    /// The metric is in documents only if it has values, because most runs have none.
    pub rare: bool,
}

impl Metric {
    /// Returns the value of a finished request, if this is a metric of finished requests and the request has one.
    pub fn value(&self, sample: &Sample) -> Option<Nanos> {
        match self.source {
            Source::Sample(value) => value(sample),
            Source::Engine => None,
        }
    }
}

// Times of a sample ascend, which debug builds assert (`Sample::invariants`). The differences saturate, so that a bug
// gives a 0 in release builds instead of a value of 584 years.
pub const METRICS: [Metric; MetricId::COUNT] = [
    row(
        MetricId::Latency,
        "latency",
        Source::Sample(latency),
        "from due to done, of all finished requests, including failed ones",
    ),
    row(
        MetricId::LatencyOk,
        "latency_ok",
        Source::Sample(|s| (s.outcome == Outcome::Ok).then(|| s.done.saturating_sub(s.due))),
        "from due to done, of requests that are ok",
    ),
    row(
        MetricId::ServiceTime,
        "service_time",
        Source::Sample(service_time),
        "from the first byte sent to done",
    ),
    row(
        MetricId::Ttfb,
        "ttfb",
        Source::Sample(|s| Some(s.first_byte?.saturating_sub(s.sent?))),
        "from the first byte sent to the first byte received",
    ),
    row(
        MetricId::Ttft,
        "ttft",
        Source::Sample(|s| Some(s.first_token?.saturating_sub(s.due))),
        "from due to the first token event",
    ),
    row(
        MetricId::Ttfa,
        "ttfa",
        Source::Sample(|s| Some(s.first_answer?.saturating_sub(s.due))),
        "due to the first event that carries more than thoughts: answer or tool call",
    ),
    row(
        MetricId::Tbt,
        "tbt",
        Source::Engine,
        "gap between consecutive token events of a request",
    ),
    row(
        MetricId::Tpot,
        "tpot",
        Source::Sample(tpot),
        "time from the first to the last token, per token that came after the instant of the first",
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
        "from due to sent without connecting: the generator's own delay",
    ),
    rare(
        MetricId::Decode,
        "decode",
        Source::Sample(|s| Some(s.decode_clocks()?.client)),
        "from the first to the last token by our clock, if the server reports its own figure",
    ),
    rare(
        MetricId::ServerPrompt,
        "server_prompt",
        Source::Sample(|s| s.server_prompt),
        "time to read the prompt, as the server reports it",
    ),
    rare(
        MetricId::ServerDecode,
        "server_decode",
        Source::Sample(|s| s.server_decode),
        "time to generate the answer, as the server reports it",
    ),
    rare(
        MetricId::PromptDiff,
        "prompt_diff",
        Source::Sample(|s| s.prompt_clocks().map(|c| c.client.saturating_sub(c.server))),
        "ttft - server_prompt, of each request",
    ),
    rare(
        MetricId::DecodeDiff,
        "decode_diff",
        Source::Sample(|s| s.decode_clocks().map(|c| c.client.abs_diff(c.server))),
        "difference between decode and server_decode of each request, without sign",
    ),
    rare(
        MetricId::QueueWait,
        "queue_wait",
        Source::Sample(|s| s.queue_wait),
        "from due until a user was free, of arrivals that may wait for one; 0 if one was free",
    ),
    rare(
        MetricId::Ttfr,
        "ttfr",
        Source::Sample(|s| Some(s.first_thought?.saturating_sub(s.due))),
        "from due to the first event that carries reasoning (a thought)",
    ),
    rare(
        MetricId::Ttfc,
        "ttfc",
        Source::Sample(|s| Some(s.first_call?.saturating_sub(s.due))),
        "from due to the first event that carries a tool call: its name or arguments",
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

/// Returns the latency, except for interrupted and cancelled requests. They are right-censored: how long they would
/// have taken is unknown, so the elapsed time of interrupted ones is kept separately as a lower bound
/// (`SeriesTotals::interrupted_elapsed_max`).
fn latency(s: &Sample) -> Option<Nanos> {
    (!s.outcome.is_cut()).then(|| s.done.saturating_sub(s.due))
}

fn service_time(s: &Sample) -> Option<Nanos> {
    (!s.outcome.is_cut()).then_some(())?;
    Some(s.done.saturating_sub(s.sent?))
}

/// Returns the time per output token; `None` if all tokens have the same stamp. They came in one read, and an infinite
/// rate is not a measurement.
fn tpot(s: &Sample) -> Option<Nanos> {
    let span = s.last_token?.saturating_sub(s.first_token?);
    let later = s.output_tokens.saturating_sub(s.tokens_at_first.max(1));
    (later > 0 && span > 0).then(|| span / u64::from(later))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_at_its_own_index_and_is_found_by_its_key() {
        for (i, metric) in METRICS.iter().enumerate() {
            assert_eq!(metric.id as usize, i);
            assert_eq!(MetricId::from_key(metric.key), Some(metric.id));
            assert!(!metric.meaning.is_empty());
        }
        assert_eq!(MetricId::from_key("p99"), None);
    }
}
