//! Reads AIPerf's `profile_export_aiperf.json`, which has the figures, and `profile_export.jsonl`, which has a line for
//! each request.

use super::definition::*;
use super::gather::{Gathered, Request};
use super::named;
use crate::compare::read::error::{Result, without_position, wrong};
use crate::compare::read::input::{Bytes, next_line};
use crate::compare::read::k6::stat;
use crate::compare::read::members::{Members, mistyped};
use crate::compare::read::points::origin;
use crate::compare::read::samples::{UnixNanos, rfc3339};
use crate::compare::{Format, Run, RunFacts, Scalar, Stat};
use crate::error::Reason;
use crate::json::Scanner;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

const DEFINITIONS: [Definition; 7] = [
    define(
        "ttft",
        "time_to_first_token",
        SENT,
        "from the send (connecting included) to the first event with text or thoughts",
    ),
    define(
        "ttfa",
        "time_to_first_output_token",
        SENT,
        "from the send (connecting included) to the first event that is no thought",
    ),
    define("tbt", "inter_chunk_latency", "", "gaps between events with text"),
    define(
        "tpot",
        "inter_token_latency",
        TO_THE_END,
        "(end - first token) / (tokens - 1)",
    ),
    define(
        "service_time",
        "request_latency",
        OK_ONLY,
        "from the send (connecting included) to the last event, of requests that are ok",
    ),
    define(
        "latency",
        "effective_latency",
        OK_ONLY,
        "from the credit, when a request may go out, to the end, of requests that are ok",
    ),
    define(
        "schedule_lag",
        "credit_to_start_latency",
        CLIENT_DELAY,
        "from the credit, when a request may go out, to the send",
    ),
];
const TOKENS: &str = "tokens as its tokenizer counts them, or the server with --use-server-token-count; over the time \
                      to the last answer";

/// Reads the figures.
pub fn summary(from: Bytes, label: &str) -> Result<Run> {
    let mut scanner = Scanner::new(from);
    let mut members = Members::default();
    scanner.object(|scanner, key| match key {
        "error_summary" | "telemetry_data" | "server_metrics_data" => Ok(scanner.skip()?),
        _ => members.keep(scanner, key),
    })?;
    scanner.end()?;
    let ok = members.needed_count("request_count.avg")?;
    let failed = members.count("error_request_count.avg")?.unwrap_or(0);
    let mut run = Run::new(label, Format::Aiperf, facts(&members, ok + failed)?);
    named(&mut run.notes, Format::Aiperf);
    if members.get("was_cancelled").and_then(Value::as_bool) == Some(true) {
        run.notes.push("the run was cancelled before its end".to_owned());
    }
    run.scalars = scalars(&members, ok, failed)?;
    for definition in &DEFINITIONS {
        let stats = spread(&members, definition.source)?;
        let count = members.count(&format!("{}.count", definition.source))?;
        run.trends.extend(definition.summary(count, stats));
    }
    Ok(run)
}

fn facts(members: &Members, requests: u64) -> Result<RunFacts> {
    let tool = match members.text("aiperf_version")? {
        Some(version) => format!("AIPerf {version}"),
        None => "AIPerf".to_owned(),
    };
    let config = members.get("input_config");
    let phases = config.and_then(|config| config["phases"].as_array());
    let phase = phases
        .into_iter()
        .flatten()
        .find(|phase| phase["name"] == "profiling");
    let rate = phase.and_then(|phase| phase["request_rate"].as_f64().or_else(|| phase["rate"].as_f64()));
    let url = config.and_then(|config| config["endpoint"]["urls"][0].as_str());
    Ok(RunFacts {
        tool: Some(tool),
        target: url.and_then(origin),
        peak_vus: phase.and_then(|phase| phase["concurrency"].as_u64()),
        load: rate.map(|rate| format!("{rate}/s")),
        started_at: members.text("start_time")?,
        duration_seconds: members.number("benchmark_duration.avg")?.filter(|s| *s > 0.0),
        requests: Some(requests),
        ..RunFacts::default()
    })
}

/// Returns the figures of a metric in milliseconds.
fn spread(members: &Members, name: &str) -> Result<Vec<(Stat, f64)>> {
    let Some(metric) = members.get(name) else {
        return Ok(Vec::new());
    };
    let fields = metric
        .as_object()
        .ok_or_else(|| mistyped(name, metric, "an object"))?;
    let scale = scale(&metric["unit"])
        .ok_or_else(|| mistyped(&format!("{name}.unit"), &metric["unit"], "a unit of time"))?;
    let mut stats = Vec::new();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let Some(stat) = stat(key) else { continue };
        let number = value
            .as_f64()
            .ok_or_else(|| mistyped(&format!("{name}.{key}"), value, "a number"))?;
        stats.push((stat, number * scale));
    }
    Ok(stats)
}

/// Returns how many milliseconds a unit is.
fn scale(unit: &Value) -> Option<f64> {
    match unit.as_str()? {
        "ms" | "milliseconds" => Some(1.0),
        "sec" | "s" | "seconds" => Some(1e3),
        "us" | "microseconds" => Some(1e-3),
        "ns" | "nanoseconds" => Some(1e-6),
        _ => None,
    }
}

fn scalars(members: &Members, ok: u64, failed: u64) -> Result<Vec<Scalar>> {
    const COUNTS: &str = "request_count, error_request_count";
    let mut scalars = vec![
        count("requests", COUNTS, ok + failed),
        count("ok", "request_count", ok),
        count("failed", "error_request_count", failed),
    ];
    scalars.extend(error_rate(COUNTS, failed, ok + failed));
    if let Some(value) = members.number("request_throughput.avg")? {
        scalars.push(rate("ok_requests_per_second", "request_throughput", value));
        if failed == 0 {
            scalars.push(rate("requests_per_second", "request_throughput", value));
        }
    }
    let goodput = members.number("goodput.avg")?;
    scalars.extend(goodput.map(|value| rate("good_requests_per_second", "goodput", value)));
    for (metric, source) in [
        ("output_tokens_per_second", "output_token_throughput"),
        ("input_tokens_per_second", "input_token_throughput"),
        ("total_tokens_per_second", "total_token_throughput"),
    ] {
        let value = members.number(&format!("{source}.avg"))?;
        scalars.extend(value.map(|value| token_rate(metric, source, TOKENS, value)));
    }
    for (metric, source) in [("output_tokens", "total_osl"), ("prompt_tokens", "total_isl")] {
        let value = members.count(&format!("{source}.avg"))?;
        scalars.extend(value.map(|n| count(metric, source, n)));
    }
    Ok(scalars)
}

#[derive(Deserialize)]
struct Line {
    metadata: Metadata,
    #[serde(default)]
    metrics: Option<BTreeMap<String, Metric>>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    request_start_ns: i64,
    request_end_ns: i64,
    #[serde(default)]
    benchmark_phase: Option<String>,
    #[serde(default)]
    was_cancelled: bool,
}

#[derive(Deserialize)]
struct Metric {
    value: Value,
    #[serde(default)]
    unit: Value,
}

/// The requests of a file that are not measured.
#[derive(Default)]
struct Around {
    warmup: u64,
    cancelled: u64,
}

/// Reads the requests.
pub fn records(mut from: Bytes, label: &str) -> Result<Run> {
    let (mut gathered, mut around) = (Gathered::new(&DEFINITIONS), Around::default());
    let (mut line, mut number) = (Vec::new(), 1);
    while next_line(&mut from, &mut line, number)? {
        let text = line.trim_ascii();
        if !text.is_empty() {
            record(text, &mut gathered, &mut around).map_err(|e| e.within(format!("line {number}")))?;
        }
        number += 1;
    }
    if gathered.count == 0 {
        return Err(wrong("has no request of the phase `profiling`"));
    }
    let (ok, failed) = (gathered.ok, gathered.count - gathered.ok);
    let facts = RunFacts {
        tool: Some("AIPerf".to_owned()),
        started_at: gathered.first_send().and_then(rfc3339),
        duration_seconds: gathered.seconds(),
        requests: Some(gathered.count + around.cancelled),
        ..RunFacts::default()
    };
    let mut run = Run::new(label, Format::AiperfRecords, facts);
    named(&mut run.notes, Format::AiperfRecords);
    if around.warmup > 0 {
        let n = around.warmup;
        run.notes.push(format!(
            "{n} requests of other phases, such as the warm-up, are left out"
        ));
    }
    run.scalars = vec![
        count("requests", "lines", gathered.count + around.cancelled),
        count("ok", "lines without `error`", ok),
        count("failed", "lines with `error`", failed),
    ];
    run.scalars
        .extend(error_rate("lines with `error`", failed, ok + failed));
    if around.cancelled > 0 {
        run.scalars
            .push(count("cancelled", "was_cancelled", around.cancelled));
    }
    if let Some(seconds) = gathered.seconds() {
        let source = "lines without `error`";
        run.scalars
            .push(rate("ok_requests_per_second", source, ok as f64 / seconds));
        let tokens = gathered.output_tokens;
        let per_second = tokens as f64 / seconds;
        run.scalars.push(token_rate(
            "output_tokens_per_second",
            "output_sequence_length",
            TOKENS,
            per_second,
        ));
        run.scalars
            .push(count("output_tokens", "output_sequence_length", tokens));
    }
    gathered.give_rows(&mut run.scalars);
    run.trends = gathered.into_trends(|_| Ok(Vec::new()), &mut run.notes)?;
    Ok(run)
}

fn record(text: &[u8], gathered: &mut Gathered, around: &mut Around) -> Result<()> {
    let line: Line = serde_json::from_slice(text).map_err(|e| match e.is_eof() {
        true => Reason::new("ends within a record")
            .hint("the file is incomplete: copy it again, or remove its last line if the run was killed"),
        false => wrong(format!("is not a record of AIPerf: {}", without_position(&e))),
    })?;
    let metadata = &line.metadata;
    if metadata
        .benchmark_phase
        .as_deref()
        .is_some_and(|phase| phase != "profiling")
    {
        around.warmup += 1;
        return Ok(());
    }
    if metadata.was_cancelled {
        around.cancelled += 1;
        return Ok(());
    }
    let ok = line.error.is_none();
    let metrics = line.metrics.unwrap_or_default();
    let tokens = metrics
        .get("output_sequence_length")
        .and_then(|m| m.value.as_f64());
    let span = (
        UnixNanos::from(metadata.request_start_ns),
        UnixNanos::from(metadata.request_end_ns),
    );
    if span.1 < span.0 {
        return Err(wrong("`request_end_ns` is before `request_start_ns`"));
    }
    gathered.request(Request {
        span: Some(span),
        ok,
        output_tokens: tokens.filter(|_| ok).unwrap_or(0.0).max(0.0) as u64,
    });
    for definition in DEFINITIONS.iter().filter(|_| ok) {
        let Some(metric) = metrics.get(definition.source) else {
            continue;
        };
        let scale = scale(&metric.unit).ok_or_else(|| {
            mistyped(
                &format!("metrics.{}.unit", definition.source),
                &metric.unit,
                "a unit of time",
            )
        })?;
        match &metric.value {
            // The gaps of a request are not independent, and have no rows of their own.
            Value::Array(values) => {
                let values = values.iter().filter_map(Value::as_f64);
                values.for_each(|value| gathered.value(definition.metric, None, value * scale));
            }
            value => {
                let number = value.as_f64();
                let number = number.ok_or_else(|| {
                    mistyped(&format!("metrics.{}.value", definition.source), value, "a number")
                })?;
                gathered.value(definition.metric, Some(span.1), number * scale);
            }
        }
    }
    Ok(())
}
