//! The summary of a workload: the sections that users of the Python tool know, with its words and units.

use super::page::Page;
use crate::result::{GroupFigures, MetricFigures, Ordered, RunResult};

/// The most servers shown; the document has them all.
const GROUPS_MAX: usize = 16;

/// Appends the sections; each ends with an empty line.
pub(super) fn sections(page: &mut Page, result: &RunResult) {
    let (t, rates) = (&result.totals, &result.rates);
    page.line("=== Test Summary ===");
    totals(page, "", [t.requests, t.ok, t.failed, t.interrupted, t.cancelled]);
    page.line(&format!("Duration: {:.2}s", result.run.duration_seconds));
    page.line(&format!("RPS: {:.2}", rates.ok_requests_per_second));
    page.line(&format!(
        "Global Throughput: {:.2} tokens/sec",
        rates.output_tokens_per_second
    ));
    page.blank();
    for (title, key) in [("Latency", "latency"), ("TTFT", "ttft")] {
        page.line(&format!("=== {title} (s) ==="));
        for (name, pick) in QUANTILES {
            page.line(&format!("{name}: {}", value(&result.metrics, key, pick, "")));
        }
        page.blank();
    }
    page.line("=== Automatic Analysis ===");
    for finding in &result.analysis {
        page.line(&format!("{}: {}", finding.grade.name(), finding.message));
    }
    page.blank();
    groups(page, result);
}

type Pick = fn(&MetricFigures) -> Option<f64>;

const QUANTILES: [(&str, Pick); 3] = [("P50", |m| m.p50), ("P90", |m| m.p90), ("P99", |m| m.p99)];

fn totals(page: &mut Page, indent: &str, [requests, ok, failed, interrupted, cancelled]: [u64; 5]) {
    page.line(&format!("{indent}Total Requests: {requests}"));
    page.line(&format!("{indent}Successful: {ok}"));
    page.line(&format!("{indent}Failed: {failed}"));
    // The Python tool has no such lines, because it waits for all requests.
    if interrupted > 0 {
        page.line(&format!("{indent}Interrupted: {interrupted}"));
    }
    if cancelled > 0 {
        page.line(&format!("{indent}Cancelled: {cancelled}"));
    }
}

/// Appends a section for each server. A single server has none: the sections above already describe it.
fn groups(page: &mut Page, result: &RunResult) {
    let all = &result.groups().0;
    if all.len() < 2 {
        return;
    }
    page.line("=== Per-Endpoint Breakdown ===");
    page.blank();
    for (name, group) in all.iter().take(GROUPS_MAX) {
        breakdown(page, name, group);
        page.blank();
    }
    if all.len() > GROUPS_MAX {
        page.line(&format!(
            "  and {} more (see the results file)",
            all.len() - GROUPS_MAX
        ));
        page.blank();
    }
}

fn breakdown(page: &mut Page, name: &str, group: &GroupFigures) {
    let GroupFigures {
        totals: t,
        rates,
        metrics,
    } = group;
    page.line(&format!("  {name}:"));
    totals(
        page,
        "    ",
        [t.requests, t.ok, t.failed, t.interrupted, t.cancelled],
    );
    for (title, key) in [("Latency", "latency"), ("TTFT", "ttft")] {
        let values = QUANTILES.map(|(_, pick)| value(metrics, key, pick, "s"));
        page.line(&format!("    {title} P50/P90/P99: {}", values.join(" / ")));
    }
    page.line(&format!("    Total Tokens: {}", t.output_tokens));
    page.line(&format!(
        "    Throughput: {:.2} tokens/sec",
        rates.output_tokens_per_second
    ));
}

/// Formats a metric in seconds, with three decimals.
fn value(metrics: &Ordered<MetricFigures>, key: &str, pick: Pick, unit: &str) -> String {
    match metrics.get(key).and_then(pick) {
        Some(ms) => format!("{:.3}{unit}", ms / 1e3),
        None => "-".to_owned(),
    }
}
