//! The progress line, printed every ten seconds.

use crate::report::{Aggregator, LiveRanks};
use crate::units::{Nanos, SECOND, seconds};

/// Formats `[Progress @ 30s] Active Users: 20 | Requests: 145 | RPS: 4.8 | TPS: 58.3 tok/s | P90 Latency: 2.45s |
/// Errors: 0.0% | Time Left: 90s` as one line.
///
/// As in the Python tool, RPS counts successes, and RPS and TPS are those since the start. P90 covers the last ten
/// seconds, so that a server that becomes slower is noticed at once. Tokens count when their request finishes.
/// A run of several ranks says whose figures these are.
pub fn progress_line(
    aggregator: &Aggregator,
    elapsed: Nanos,
    time_left: Nanos,
    ranks: Option<LiveRanks>,
) -> String {
    let total = &aggregator.merged().total;
    let per_second = |n: u64| match elapsed {
        0 => 0.0,
        _ => n as f64 / seconds(elapsed),
    };
    let p90 = match aggregator.window().latency.quantile(0.9) {
        Some(ns) => format!("{:.2}s", seconds(ns)),
        None => "-".to_string(),
    };
    format!(
        "[Progress @ {}s] Active Users: {} | Requests: {} | RPS: {:.1} | TPS: {:.1} tok/s | \
         P90 Latency: {p90} | Errors: {:.1}% | Time Left: {}s{}",
        whole_seconds(elapsed),
        aggregator.merged().counters().vus_running,
        total.finished(),
        per_second(total.ok()),
        per_second(total.output_tokens),
        total.failed_rate().unwrap_or(0.0) * 100.0,
        whole_seconds(time_left),
        ranks.map(|ranks| format!(" | {ranks}")).unwrap_or_default(),
    )
}

fn whole_seconds(ns: Nanos) -> Nanos {
    (ns + SECOND / 2) / SECOND
}
