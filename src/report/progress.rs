//! The progress line, printed every ten seconds.

use crate::report::Aggregator;
use crate::units::{Nanos, SECOND, seconds};

/// Formats `[Progress @ 30s] Active Users: 20 | Requests: 145 | RPS: 4.8 | TPS: 58.3 tok/s | P90 Latency: 2.45s |
/// Errors: 0.0% | Time Left: 90s` as one line.
///
/// RPS, TPS and P90 cover the last ten seconds, so that a server that becomes slower is noticed at once;
/// requests and errors are counted since the start. Tokens count when their request finishes.
pub fn progress_line(aggregator: &Aggregator, elapsed: Nanos, time_left: Nanos) -> String {
    let total = &aggregator.merged().total;
    let window = aggregator.window();
    let p90 = match window.latency.quantile(0.9) {
        Some(ns) => format!("{:.2}s", seconds(ns)),
        None => "-".to_string(),
    };
    format!(
        "[Progress @ {}s] Active Users: {} | Requests: {} | RPS: {:.1} | TPS: {:.1} tok/s | \
         P90 Latency: {p90} | Errors: {:.1}% | Time Left: {}s",
        whole_seconds(elapsed),
        aggregator.merged().counters().vus_running,
        total.finished(),
        window.requests_per_second,
        window.output_tokens_per_second,
        total.failed_rate().unwrap_or(0.0) * 100.0,
        whole_seconds(time_left),
    )
}

fn whole_seconds(ns: Nanos) -> Nanos {
    (ns + SECOND / 2) / SECOND
}
