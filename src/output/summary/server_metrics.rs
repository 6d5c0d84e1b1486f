//! What the servers say of the load themselves, in a few lines each, and where they disagree with the client.

use super::page::Page;
use crate::error::one_line;
use crate::output::numbers::grouped;
use crate::result::{Grade, HistogramFigures, RunResult, ServerAccount};
use crate::units::{grouped_decimals, percent, time};

/// The rules of the analysis that compare both sides.
const RULES: [&str; 4] = ["server_requests", "server_tokens", "server_ttft", "server_gaps"];

/// Appends the accounts, and what is wrong with them.
pub(super) fn rows(page: &mut Page, result: &RunResult, accounts_max: usize) {
    let several = result.server_metrics.len() > 1;
    for account in result.server_metrics.iter().take(accounts_max) {
        let label = match (&account.server, several) {
            (Some(name), _) => format!("{name}: "),
            (None, true) => format!("{}: ", account.url),
            (None, false) => String::new(),
        };
        let parts = words(account);
        if account.readings > 0 && !parts.is_empty() {
            page.prose("server", &one_line(&format!("{label}{}", parts.join(", "))));
        }
        let at = match label.is_empty() {
            true => format!(" at {}", account.url),
            false => String::new(),
        };
        if let Some(why) = trouble(account, &at) {
            page.prose("server", &one_line(&format!("{label}{why}")));
        }
    }
    if let more @ 1.. = result.server_metrics.len().saturating_sub(accounts_max) {
        page.prose("", &format!("and {more} more servers"));
    }
    let found = result
        .analysis
        .iter()
        .filter(|found| RULES.contains(&found.rule.as_str()));
    for finding in found.filter(|found| found.grade != Grade::Pass) {
        page.prose("disagrees", &one_line(&finding.message));
    }
}

fn words(account: &ServerAccount) -> Vec<String> {
    let mut parts = Vec::new();
    let gauge = |key: &str, what: &str| {
        let gauge = account.gauge(key)?;
        // A load that was over before the first reading has none.
        let (mean, most) = (gauge.mean?, gauge.max?);
        (mean > 0.0 || most > 0.0 || key == "running").then(|| {
            format!(
                "{} {what} (most {})",
                grouped_decimals(mean, 1),
                grouped(most.round() as u64)
            )
        })
    };
    parts.extend(gauge("running", "running"));
    parts.extend(gauge("waiting", "waiting"));
    let of_share = |key: &str, what: &str| {
        let gauge = account.gauge(key)?;
        let is_gpu = key != "kv_cache_usage";
        let (mean, most) = (gauge.mean?, gauge.max.or(gauge.after.filter(|_| is_gpu))?);
        Some(format!("{what} {} (most {})", percent(mean), percent(most)))
    };
    parts.extend(of_share("kv_cache_usage", "KV cache"));
    parts.extend(of_share("gpu_utilization", "GPU"));
    parts.extend(
        account
            .prefix_cache_hit_share
            .map(|share| format!("prefix hits {}", percent(share))),
    );
    let counted = |key: &str, what: &str| {
        let count = account.increase(key).filter(|count| *count > 0.0)?;
        Some(format!("{} {what}", grouped(count.round() as u64)))
    };
    parts.extend(counted("preemptions", "preemptions"));
    parts.extend(counted("prompt_tokens", "prompt and"));
    parts.extend(counted("generation_tokens", "generated tokens"));
    for (key, what) in [("ttft", "TTFT"), ("queue_time", "queue")] {
        let p99 = account.histogram(key).and_then(|times| bucket(times.p99));
        parts.extend(p99.map(|p99| format!("{what} p99 {p99}")));
    }
    join_tokens(&mut parts);
    parts
}

/// Writes prompt and generated tokens as one part.
fn join_tokens(parts: &mut Vec<String>) {
    let prompt = parts.iter().position(|part| part.ends_with(" prompt and"));
    let Some(at) = prompt else { return };
    match parts
        .get(at + 1)
        .is_some_and(|next| next.ends_with(" generated tokens"))
    {
        true => {
            let next = parts.remove(at + 1);
            parts[at] = format!("{} {next}", parts[at]);
        }
        false => parts[at] = parts[at].replace(" prompt and", " prompt tokens"),
    }
}

/// Returns the bucket that a percentile lies in.
fn bucket(bounds: Option<[Option<f64>; 2]>) -> Option<String> {
    let [low, high] = bounds?;
    let low = time(low.unwrap_or(0.0));
    Some(match high {
        Some(high) => format!("{low} to {}", time(high)),
        None => format!("above {low}"),
    })
}

/// Returns what went wrong with the readings.
/// `at` says where, unless the text before it does.
fn trouble(account: &ServerAccount, at: &str) -> Option<String> {
    let why = account.last_error.as_deref().unwrap_or("no answer");
    let of = account.readings + account.readings_failed;
    if account.readings == 0 {
        return Some(format!("no metrics{at}: {why}"));
    }
    if account.gauges.0.is_empty() && account.counters.0.is_empty() && account.histograms.0.is_empty() {
        return Some(format!(
            "{} shows no metric that is known: name those to keep with --server-metrics-name",
            account.url
        ));
    }
    let failed = (account.readings_failed > 0).then(|| {
        format!(
            "{} of {} readings failed: {why}",
            grouped(account.readings_failed),
            grouped(of)
        )
    });
    let slow = (account.readings_slow > 0)
        .then(|| format!("{} took longer than a second", grouped(account.readings_slow)));
    let parts: Vec<String> = failed.into_iter().chain(slow).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Appends the histograms with their buckets, as all figures have them.
pub(super) fn full(page: &mut Page, result: &RunResult) {
    for account in &result.server_metrics {
        let known = account.histograms.iter().filter(|(_, times)| times.count > 0);
        for (key, times) in known {
            page.prose(
                "server",
                &format!("{}: {}", key.replace('_', " "), in_words(times)),
            );
        }
    }
}

fn in_words(times: &HistogramFigures) -> String {
    let of = |name: &str, bounds| bucket(bounds).map_or(String::new(), |bucket| format!(", {name} {bucket}"));
    let mean = times.mean.map_or_else(|| "unknown".to_owned(), time);
    format!(
        "mean {mean}{}{}{} of {}",
        of("p50", times.p50),
        of("p90", times.p90),
        of("p99", times.p99),
        grouped(times.count)
    )
}
