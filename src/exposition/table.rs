//! The table of metrics: everything that a Pushgateway or a scraper gets has a row here, and docs/PROMETHEUS.md has the
//! same rows.

use crate::metrics::Outcome;
use crate::units::Nanos;

use super::figures::{Buckets, EndpointCounts, Gauges, WorkerCounts};

/// A metric with all its labels.
pub struct Family {
    /// The whole name, as a query has it; a counter's ends in `_total`.
    pub name: &'static str,
    /// A sentence without its full stop.
    pub help: &'static str,
    pub kind: Kind,
}

/// What kind of metric it is, where its values come from, and which labels they have.
pub enum Kind {
    /// What the run is, in labels.
    Info,
    /// Whether the run is over.
    Finished,
    /// Of all requests together without a label, and of each `endpoint`.
    Gauge(fn(&Gauges) -> Option<f64>),
    /// Of each `endpoint`.
    Counter(fn(&EndpointCounts) -> u64),
    /// Failed requests of each `endpoint` by `outcome`.
    Outcomes,
    /// Of each `worker`.
    Worker(fn(&WorkerCounts) -> f64),
    /// Of each `endpoint`, by `le`.
    Histogram(fn(&EndpointCounts) -> &Buckets),
}

impl Kind {
    /// Returns the type that the text states.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Info => "info",
            Kind::Finished | Kind::Gauge(_) => "gauge",
            Kind::Counter(_) | Kind::Outcomes | Kind::Worker(_) => "counter",
            Kind::Histogram(_) => "histogram",
        }
    }

    /// Returns the names of the labels, without the bounds of buckets.
    pub fn labels(&self) -> &'static [&'static str] {
        match self {
            Kind::Info => &["profile", "shard", "version"],
            Kind::Finished => &[],
            Kind::Gauge(_) | Kind::Counter(_) | Kind::Histogram(_) => &["endpoint"],
            Kind::Outcomes => &["endpoint", "outcome"],
            Kind::Worker(_) => &["worker"],
        }
    }
}

const fn row(name: &'static str, help: &'static str, kind: Kind) -> Family {
    Family { name, help, kind }
}

/// Every metric, in the order of the text. Those of the Python tool have its names, in which `client_lag` is the
/// latency.
pub const FAMILIES: [Family; 34] = [
    row("llm_run_info", "The run, in labels; the value is 1", Kind::Info),
    row(
        "llm_run_finished",
        "1 when the run is over, and gauges cover all of it",
        Kind::Finished,
    ),
    row(
        "llm_client_lag_p50_seconds",
        "Latency from due to done, median",
        Kind::Gauge(|g| seconds(g.latency.p50)),
    ),
    row(
        "llm_client_lag_p90_seconds",
        "Latency from due to done, 90th percentile",
        Kind::Gauge(|g| seconds(g.latency.p90)),
    ),
    row(
        "llm_client_lag_p99_seconds",
        "Latency from due to done, 99th percentile",
        Kind::Gauge(|g| seconds(g.latency.p99)),
    ),
    row(
        "llm_ttft_p50_seconds",
        "Time to the first token, median",
        Kind::Gauge(|g| seconds(g.ttft.p50)),
    ),
    row(
        "llm_ttft_p90_seconds",
        "Time to the first token, 90th percentile",
        Kind::Gauge(|g| seconds(g.ttft.p90)),
    ),
    row(
        "llm_ttft_p99_seconds",
        "Time to the first token, 99th percentile",
        Kind::Gauge(|g| seconds(g.ttft.p99)),
    ),
    row(
        "llm_tokens_per_second",
        "Output tokens per second of finished requests",
        Kind::Gauge(|g| Some(g.output_tokens_per_second)),
    ),
    row(
        "llm_input_tokens_per_second",
        "Prompt tokens per second of finished requests, as the server counts them",
        Kind::Gauge(|g| g.input_tokens_per_second),
    ),
    row(
        "llm_cached_share",
        "Share of cached among prompt tokens of the answers that state both, 0 to 1",
        Kind::Gauge(|g| g.cached_share),
    ),
    row(
        "llm_request_rate_per_second",
        "Requests that ended per second, ok and failed",
        Kind::Gauge(|g| Some(g.requests_per_second)),
    ),
    row(
        "llm_error_rate",
        "Share of failed among ok and failed requests, 0 to 1",
        Kind::Gauge(|g| g.error_rate),
    ),
    row(
        "llm_contention_error_rate",
        "Share of timeouts and 503s among ok and failed requests, 0 to 1",
        Kind::Gauge(|g| g.contention_error_rate),
    ),
    row(
        "llm_goodput",
        "Share of requests that met all limits of goodput among those that have limits, 0 to 1",
        Kind::Gauge(|g| g.goodput),
    ),
    row(
        "llm_active_users",
        "Virtual users that are running, and for an endpoint those with a request in flight there",
        Kind::Gauge(|g| g.active_users.map(|n| n as f64)),
    ),
    row(
        "llm_requests_total",
        "Requests that ended, ok and failed",
        Kind::Counter(|c| c.requests),
    ),
    row(
        "llm_failed_requests_total",
        "Requests that failed",
        Kind::Counter(|c| c.failed),
    ),
    row(
        "llm_errors_total",
        "Requests that failed, by what became of them",
        Kind::Outcomes,
    ),
    row(
        "llm_cancelled_requests_total",
        "Requests that their users cancelled, neither ok nor failed",
        Kind::Counter(|c| c.cancelled),
    ),
    row(
        "llm_dropped_requests_total",
        "Requests that were due and never sent, because as many as allowed were in flight",
        Kind::Counter(|c| c.dropped),
    ),
    row(
        "llm_judged_requests_total",
        "Requests that ended and have limits of goodput",
        Kind::Counter(|c| c.goodput.judged),
    ),
    row(
        "llm_good_requests_total",
        "Requests that met all limits of goodput",
        Kind::Counter(|c| c.goodput.good),
    ),
    row(
        "llm_output_tokens_total",
        "Output tokens of finished requests",
        Kind::Counter(|c| c.output_tokens),
    ),
    row(
        "llm_prompt_tokens_total",
        "Prompt tokens of finished requests, as the server counts them",
        Kind::Counter(|c| c.usage.prompt.tokens),
    ),
    row(
        "llm_cached_tokens_total",
        "Prompt tokens that came from the server's cache, as it counts them",
        Kind::Counter(|c| c.usage.cached.tokens),
    ),
    row(
        "llm_reasoning_tokens_total",
        "Output tokens that are thoughts, as the server counts them",
        Kind::Counter(|c| c.usage.reasoning.tokens),
    ),
    row(
        "llm_worker_busy_seconds_total",
        "Time that a worker core of the generator was busy",
        Kind::Worker(|w| w.busy_ns as f64 / 1e9),
    ),
    row(
        "llm_sent_bytes_total",
        "Bytes that a worker core sent",
        Kind::Worker(|w| w.sent_bytes as f64),
    ),
    row(
        "llm_received_bytes_total",
        "Bytes that a worker core received",
        Kind::Worker(|w| w.received_bytes as f64),
    ),
    row(
        "llm_latency_seconds",
        "Time from due to done of every finished request, including failed ones",
        Kind::Histogram(|c| &c.latency),
    ),
    row(
        "llm_ttft_seconds",
        "Time from due to the first event that carries generated text",
        Kind::Histogram(|c| &c.ttft),
    ),
    row(
        "llm_tbt_seconds",
        "Gap between consecutive token-bearing events of a request",
        Kind::Histogram(|c| &c.tbt),
    ),
    row(
        "llm_schedule_lag_seconds",
        "Time from due to sent, by which the generator was late",
        Kind::Histogram(|c| &c.schedule_lag),
    ),
];

/// Returns the outcomes that `llm_errors_total` counts.
pub fn failures() -> impl Iterator<Item = Outcome> {
    Outcome::ALL.into_iter().filter(|outcome| outcome.is_failure())
}

fn seconds(nanos: Option<Nanos>) -> Option<f64> {
    nanos.map(crate::units::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents_tests::{document, quoted_words, rows};

    #[test]
    fn the_table_in_the_manual_has_exactly_these_metrics() {
        let manual = document("docs/PROMETHEUS.md");
        let mut listed = Vec::new();
        for row in rows(&manual, "## The metrics") {
            for name in quoted_words(&row[0]) {
                listed.push((name, row[1].clone(), quoted_words(&row[2])));
            }
        }
        let known: Vec<_> = FAMILIES
            .iter()
            .map(|family| {
                let labels = family.kind.labels().iter().map(|label| (*label).to_owned());
                (
                    family.name.to_owned(),
                    family.kind.name().to_owned(),
                    labels.collect(),
                )
            })
            .collect();
        assert_eq!(listed, known);
    }
}
