//! The summary of k6 in its two shapes: `--summary-export`, and the `data` of `handleSummary`.

use std::collections::BTreeMap;
use std::io::{Result, Write};

use serde_json::{Map, Value, json};

use super::object::tidy;
use crate::error::safe_json;
use crate::metrics::Distribution;
use crate::result::RunResult;

/// The statistics of a trend: k6's usual ones, and those that people add.
const PERCENTILES: [(&str, f64); 4] = [
    ("p(90)", 0.9),
    ("p(95)", 0.95),
    ("p(99)", 0.99),
    ("p(99.9)", 0.999),
];
const TREND_STATS: [&str; 9] = [
    "avg", "min", "med", "max", "p(90)", "p(95)", "p(99)", "p(99.9)", "count",
];

/// k6's kinds of metrics, with their figures.
enum Metric {
    Trend(Map<String, Value>),
    Counter {
        count: u64,
        is_data: bool,
    },
    Gauge {
        value: u64,
        min: u64,
        max: u64,
    },
    Rate {
        hits: u64,
        of: u64,
    },
    /// A threshold of a figure that k6 does not know.
    Other(Option<f64>),
}

/// A metric, and its thresholds with whether each holds.
struct Entry {
    metric: Metric,
    thresholds: Vec<(String, bool)>,
}

/// Writes the shape of `--summary-export`.
pub fn export(result: &RunResult, out: &mut dyn Write) -> Result<()> {
    let seconds = result.run.duration_seconds;
    let metrics = metrics(result).into_iter().map(|(name, entry)| {
        let mut members = figures(&entry.metric, seconds);
        if let Some(rate) = members.remove("rate").filter(|_| is_rate(&entry.metric)) {
            members.insert("value".to_owned(), rate);
        }
        // True means that it failed.
        let thresholds = entry
            .thresholds
            .iter()
            .map(|(text, ok)| (text.clone(), json!(!ok)));
        insert_thresholds(&mut members, thresholds.collect());
        (name, Value::Object(members))
    });
    let document = json!({
        "root_group": {
            "name": "", "path": "", "id": ROOT_ID, "groups": {}, "checks": {},
        },
        "metrics": metrics.collect::<Map<_, _>>(),
    });
    finish(&document, out)
}

/// Writes the shape of `handleSummary`.
pub fn summary(result: &RunResult, out: &mut dyn Write) -> Result<()> {
    let seconds = result.run.duration_seconds;
    let metrics = metrics(result).into_iter().map(|(name, entry)| {
        let (kind, contains) = match &entry.metric {
            Metric::Trend(_) => ("trend", "time"),
            Metric::Counter { is_data: true, .. } => ("counter", "data"),
            Metric::Counter { .. } => ("counter", "default"),
            Metric::Gauge { .. } | Metric::Other(_) => ("gauge", "default"),
            Metric::Rate { .. } => ("rate", "default"),
        };
        let mut members = Map::new();
        members.insert("type".to_owned(), json!(kind));
        members.insert("contains".to_owned(), json!(contains));
        members.insert(
            "values".to_owned(),
            Value::Object(figures(&entry.metric, seconds)),
        );
        let thresholds = entry
            .thresholds
            .iter()
            .map(|(text, ok)| (text.clone(), json!({"ok": ok})));
        insert_thresholds(&mut members, thresholds.collect());
        (name, Value::Object(members))
    });
    let document = json!({
        "root_group": {
            "name": "", "path": "", "id": ROOT_ID, "groups": [], "checks": [],
        },
        "options": {"summaryTrendStats": TREND_STATS, "summaryTimeUnit": "", "noColor": true},
        "state": {"isStdOutTTY": false, "isStdErrTTY": false, "testRunDurationMs": tidy(seconds * 1e3)},
        "metrics": metrics.collect::<Map<_, _>>(),
    });
    finish(&document, out)
}

/// What k6 writes for the group without a name: the MD5 sum of nothing.
const ROOT_ID: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn is_rate(metric: &Metric) -> bool {
    matches!(metric, Metric::Rate { .. })
}

fn insert_thresholds(members: &mut Map<String, Value>, thresholds: Map<String, Value>) {
    if !thresholds.is_empty() {
        members.insert("thresholds".to_owned(), Value::Object(thresholds));
    }
}

fn finish(document: &Value, out: &mut dyn Write) -> Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    out.write_all(safe_json(&text).as_bytes())?;
    out.write_all(b"\n")
}

/// Returns the figures of a metric as `handleSummary` has them.
fn figures(metric: &Metric, seconds: f64) -> Map<String, Value> {
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let members = match metric {
        Metric::Trend(members) => return members.clone(),
        Metric::Counter { count, .. } => json!({"count": count, "rate": share(*count as f64, seconds)}),
        Metric::Gauge { value, min, max } => json!({"value": value, "min": min, "max": max}),
        Metric::Rate { hits, of } => json!({
            "rate": share(*hits as f64, *of as f64), "passes": hits, "fails": of - hits,
        }),
        Metric::Other(value) => json!({"value": value, "min": value, "max": value}),
    };
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Returns all metrics by name, with their thresholds.
fn metrics(result: &RunResult) -> BTreeMap<String, Entry> {
    let all = trends(result).into_iter().chain(counts(result));
    with_thresholds(all.collect(), result)
}

/// Returns our metrics under our names, and k6's times.
fn trends(result: &RunResult) -> Vec<(String, Metric)> {
    let ended = result.totals.ok + result.totals.failed;
    let values = |ours: &str| result.metrics.get(ours)?.distribution().ok();
    let own = result.metrics.iter().map(|(name, _)| (name, name, false));
    let k6 = [
        ("http_req_duration", "service_time", false),
        ("http_req_waiting", "ttfb", false),
        // There a request that needed no new connection counts as 0.
        ("http_req_connecting", "connect", true),
        ("http_req_tls_handshaking", "tls", true),
    ];
    let named = own.chain(k6).filter_map(|(name, ours, of_all)| {
        let values = values(ours).unwrap_or_default();
        let zeros = if of_all {
            ended.saturating_sub(values.offered())
        } else {
            0
        };
        let is_empty = values.offered() + zeros == 0;
        (!is_empty).then(|| (name.to_owned(), Metric::Trend(trend(&values, zeros))))
    });
    named.collect()
}

/// Returns k6's other metrics.
fn counts(result: &RunResult) -> Vec<(String, Metric)> {
    let totals = &result.totals;
    let ended = totals.ok + totals.failed;
    let sessions = result.sessions.as_ref().map(|s| s.completed + s.failed);
    let counter = |count, is_data| Metric::Counter { count, is_data };
    let gauge = |value, min, max| Metric::Gauge { value, min, max };
    let running = || result.timeline.iter().map(|row| row.vus_running);
    let most = totals.peak_vus;
    let last = running().next_back().unwrap_or(0);
    let failed = Metric::Rate {
        hits: totals.failed,
        of: ended,
    };
    let mut all = vec![
        ("http_reqs", counter(ended, false)),
        ("iterations", counter(sessions.unwrap_or(ended), false)),
        ("http_req_failed", failed),
        ("data_sent", counter(totals.bytes_sent, true)),
        ("data_received", counter(totals.bytes_received, true)),
        ("vus", gauge(last, running().min().unwrap_or(0), most)),
        ("vus_max", gauge(most, most, most)),
        ("output_tokens", counter(totals.output_tokens, false)),
    ];
    if result.rates.offered_per_second.is_some() {
        all.push(("dropped_iterations", counter(totals.dropped_iterations, false)));
    }
    all.into_iter()
        .map(|(name, metric)| (name.to_owned(), metric))
        .collect()
}

fn with_thresholds(all: BTreeMap<String, Metric>, result: &RunResult) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = all
        .into_iter()
        .map(|(name, metric)| {
            (
                name,
                Entry {
                    metric,
                    thresholds: Vec::new(),
                },
            )
        })
        .collect();
    for threshold in &result.thresholds {
        let entry = entries.entry(threshold.metric.clone()).or_insert_with(|| Entry {
            metric: of_threshold(result, threshold.metric.as_str(), threshold.observed),
            thresholds: Vec::new(),
        });
        entry
            .thresholds
            .push((threshold.expression.clone(), threshold.ok));
    }
    entries
}

/// Returns the metric that a threshold names and that is not among the metrics of the whole run: one of a kind of
/// request or a server, or a share.
fn of_threshold(result: &RunResult, name: &str, observed: Option<f64>) -> Metric {
    let totals = &result.totals;
    if matches!(name, "failed" | "error_rate") {
        return Metric::Rate {
            hits: totals.failed,
            of: totals.ok + totals.failed,
        };
    }
    let Some((key, tag)) = name.strip_suffix('}').and_then(|name| name.split_once('{')) else {
        return Metric::Other(observed);
    };
    let group = tag.split_once(':').and_then(|(_, group)| {
        let group = group.trim();
        result
            .kinds
            .get(group)
            .or_else(|| result.servers.as_ref()?.get(group))
    });
    let values = group.and_then(|group| group.metrics.get(key)?.distribution().ok());
    match values.filter(|values| !values.is_empty()) {
        Some(values) => Metric::Trend(trend(&values, 0)),
        None => Metric::Other(observed),
    }
}

/// Returns the statistics of a distribution to which so many zeros belong as well, in milliseconds.
fn trend(values: &Distribution, zeros: u64) -> Map<String, Value> {
    let ms = |ns: u64| json!(tidy(ns as f64 / 1e6));
    let all = values.offered() + zeros;
    let quantile = |q: f64| {
        let rank = (q * all as f64).ceil().max(1.0) as u64;
        match rank <= zeros {
            true => 0,
            false => values
                .quantile((rank - zeros) as f64 / values.offered() as f64)
                .unwrap_or(0),
        }
    };
    let mut members = Map::new();
    let mut add = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    add(
        "avg",
        json!(tidy(values.sum_ns() as f64 / 1e6 / all.max(1) as f64)),
    );
    add("min", ms(if zeros > 0 { 0 } else { values.min().unwrap_or(0) }));
    add("med", ms(quantile(0.5)));
    add("max", ms(values.max().unwrap_or(0)));
    PERCENTILES.iter().for_each(|(key, q)| add(key, ms(quantile(*q))));
    add("count", json!(all));
    members
}
