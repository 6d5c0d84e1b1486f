//! The summary of a workload: the sections that users of the Python tool know, with its words and units.

use crate::output::text::line;
use crate::result::{GroupFigures, MetricFigures, Ordered, RunResult};

/// The most servers shown; the document has them all.
const GROUPS_MAX: usize = 16;

/// Appends the sections; each ends with an empty line.
pub(super) fn summary(text: &mut String, result: &RunResult) {
    let (t, rates) = (&result.totals, &result.rates);
    line!(text, "=== Test Summary ===");
    totals(text, "", [t.requests, t.ok, t.failed, t.interrupted]);
    line!(text, "Duration: {:.2}s", result.run.duration_seconds);
    line!(text, "RPS: {:.2}", rates.ok_requests_per_second);
    line!(
        text,
        "Global Throughput: {:.2} tokens/sec",
        rates.output_tokens_per_second
    );
    line!(text, "");
    for (title, key) in [("Latency", "latency"), ("TTFT", "ttft")] {
        line!(text, "=== {title} (s) ===");
        for (name, pick) in QUANTILES {
            line!(text, "{name}: {}", value(&result.metrics, key, pick, ""));
        }
        line!(text, "");
    }
    line!(text, "=== Automatic Analysis ===");
    for finding in &result.analysis {
        line!(text, "{}: {}", finding.grade.name(), finding.message);
    }
    line!(text, "");
    groups(text, result);
}

type Pick = fn(&MetricFigures) -> Option<f64>;

const QUANTILES: [(&str, Pick); 3] = [("P50", |m| m.p50), ("P90", |m| m.p90), ("P99", |m| m.p99)];

fn totals(text: &mut String, indent: &str, [requests, ok, failed, interrupted]: [u64; 4]) {
    line!(text, "{indent}Total Requests: {requests}");
    line!(text, "{indent}Successful: {ok}");
    line!(text, "{indent}Failed: {failed}");
    // The Python tool has no such line, because it waits for all requests.
    if interrupted > 0 {
        line!(text, "{indent}Interrupted: {interrupted}");
    }
}

/// Appends a section for each server. A single server has none: the sections above already describe it.
fn groups(text: &mut String, result: &RunResult) {
    let all = &result.groups().0;
    if all.len() < 2 {
        return;
    }
    line!(text, "=== Per-Endpoint Breakdown ===");
    line!(text, "");
    for (name, group) in all.iter().take(GROUPS_MAX) {
        breakdown(text, name, group);
        line!(text, "");
    }
    if all.len() > GROUPS_MAX {
        line!(
            text,
            "  and {} more (see the results file)",
            all.len() - GROUPS_MAX
        );
        line!(text, "");
    }
}

fn breakdown(text: &mut String, name: &str, group: &GroupFigures) {
    let GroupFigures {
        totals: t,
        rates,
        metrics,
    } = group;
    line!(text, "  {name}:");
    totals(text, "    ", [t.requests, t.ok, t.failed, t.interrupted]);
    for (title, key) in [("Latency", "latency"), ("TTFT", "ttft")] {
        let values = QUANTILES.map(|(_, pick)| value(metrics, key, pick, "s"));
        line!(text, "    {title} P50/P90/P99: {}", values.join(" / "));
    }
    line!(text, "    Total Tokens: {}", t.output_tokens);
    line!(
        text,
        "    Throughput: {:.2} tokens/sec",
        rates.output_tokens_per_second
    );
}

/// Formats a metric in seconds, with three decimals.
fn value(metrics: &Ordered<MetricFigures>, key: &str, pick: Pick, unit: &str) -> String {
    match metrics.get(key).and_then(pick) {
        Some(ms) => format!("{:.3}{unit}", ms / 1e3),
        None => "-".to_owned(),
    }
}
