//! The files of AIPerf: one line for each request, and the summary.

use std::io::{Result, Write};

use serde_json::{Map, Value, json};

use super::object::{json as text_of, tidy};
use super::run_facts::{run_id, traffic};
use super::values::{Statistics, Values};
use super::{Call, Rows, each_call};
use crate::error::safe_json;
use crate::result::{RunResult, StoppedBy, rfc3339};

/// The version of the summary's shape.
const SCHEMA_VERSION: &str = "1.4";
/// What AIPerf states for a request that its client cut.
const CUT_CODE: u16 = 499;
const CUT_TYPE: &str = "RequestCancellationError";
const PERCENTILES: [(&str, f64); 9] = [
    ("p1", 1.0),
    ("p5", 5.0),
    ("p10", 10.0),
    ("p25", 25.0),
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p95", 95.0),
    ("p99", 99.0),
];

/// A figure of a request: AIPerf's name and unit, and how it is computed.
struct Metric {
    tag: &'static str,
    unit: &'static str,
    value: fn(&Call<'_>) -> Option<f64>,
}

const METRICS: [Metric; 22] = [
    metric("request_latency", "ms", |c| Some(c.to_last * 1e3)),
    metric("time_to_first_token", "ms", |c| Some(c.ttft? * 1e3)),
    metric("time_to_first_output_token", "ms", |c| {
        Some((c.detail.ttfa? - c.wait) * 1e3)
    }),
    metric("time_to_second_token", "ms", |c| Some(c.gaps().first()? * 1e3)),
    metric("inter_token_latency", "ms", |c| Some(c.time_per_token()? * 1e3)),
    metric("decode_duration", "ms", |c| Some((c.to_last - c.ttft?) * 1e3)),
    metric("output_sequence_length", "tokens", |c| {
        Some(c.detail.output_tokens as f64)
    }),
    metric("output_token_count", "tokens", |c| {
        let thoughts = c.detail.reasoning_tokens.unwrap_or(0);
        Some(c.detail.output_tokens.saturating_sub(thoughts) as f64)
    }),
    metric("reasoning_token_count", "tokens", |c| {
        Some(c.detail.reasoning_tokens? as f64)
    }),
    metric("input_sequence_length", "tokens", |c| {
        Some(c.input_tokens()? as f64)
    }),
    metric("output_token_throughput_per_user", "tokens/sec/user", |c| {
        c.time_per_token()
            .filter(|time| *time > 0.0)
            .map(|time| 1.0 / time)
    }),
    metric("e2e_output_token_throughput", "tokens/sec/user", |c| {
        (c.to_last > 0.0).then(|| c.detail.output_tokens as f64 / c.to_last)
    }),
    metric("prefill_throughput_per_user", "tokens/sec/user", |c| {
        let ttft = c.ttft.filter(|ttft| *ttft > 0.0)?;
        Some(c.input_tokens()? as f64 / ttft)
    }),
    metric("usage_prompt_tokens", "tokens", |c| {
        Some(c.detail.prompt_tokens? as f64)
    }),
    metric("usage_prompt_cache_read_tokens", "tokens", |c| {
        Some(c.detail.cached_tokens? as f64)
    }),
    metric("credit_to_start_latency", "ms", |c| Some(c.wait * 1e3)),
    metric("http_req_connecting", "ms", |c| {
        Some(c.detail.connecting.unwrap_or(0.0) * 1e3)
    }),
    metric("http_req_connection_reused", "ratio", |c| {
        Some(f64::from(u8::from(c.detail.connecting.is_none())))
    }),
    metric("http_req_waiting", "ms", |c| {
        Some((c.detail.first_byte? - c.detail.sent?) * 1e3)
    }),
    metric("http_req_receiving", "ms", |c| {
        Some((c.detail.latency - c.detail.first_byte?) * 1e3)
    }),
    metric("http_req_duration", "ms", |c| {
        Some((c.detail.latency - c.detail.sent?) * 1e3)
    }),
    metric("http_req_total", "ms", |c| Some(c.whole * 1e3)),
];

const fn metric(tag: &'static str, unit: &'static str, value: fn(&Call<'_>) -> Option<f64>) -> Metric {
    Metric { tag, unit, value }
}

/// Writes `profile_export.jsonl`.
pub fn records(rows: &mut dyn Rows, out: &mut dyn Write) -> Result<()> {
    let mut number = 0;
    each_call(rows, &mut |call| {
        let mut line = json!({"metadata": metadata(call, number), "metrics": figures(call)});
        if let (Some(error), Some(line)) = (error(call), line.as_object_mut()) {
            line.insert("error".to_owned(), error);
        }
        number += 1;
        out.write_all(text_of(&line)?.as_bytes())?;
        out.write_all(b"\n")
    })
}

fn metadata(call: &Call<'_>, number: u64) -> Value {
    let detail = call.detail;
    let ns = |seconds: f64| (seconds * 1e9).round().max(0.0) as u64;
    let conversation = detail.session.as_ref().unwrap_or(&detail.request_id);
    // Theirs ends with the last piece of content; one that failed, when it failed.
    let end = if call.is_ok() { call.to_last } else { call.whole };
    let mut members = json!({
        "session_num": number,
        "x_request_id": detail.x_request_id.as_ref().unwrap_or(&detail.request_id),
        "x_correlation_id": conversation,
        "conversation_id": conversation,
        "turn_index": detail.turn.map_or(0, |turn| turn.saturating_sub(1)),
        "credit_issued_ns": ns(detail.start_ts),
        "request_start_ns": ns(call.begin),
        "request_end_ns": ns(call.begin + end),
        "worker_id": detail.endpoint,
        "record_processor_id": "llmload-uring",
        "benchmark_phase": "profiling",
        "was_cancelled": call.is_cut(),
    });
    let mut add = |key: &str, at: f64| members[key] = json!(ns(at));
    if let Some(first) = detail.first_byte {
        add("request_ack_ns", detail.start_ts + first);
    }
    if call.is_cut() {
        add("cancellation_time_ns", call.begin + call.whole);
    }
    members
}

/// Returns the figures of a request that is ok. AIPerf has none of the others.
fn figures(call: &Call<'_>) -> Map<String, Value> {
    let mut members = Map::new();
    if !call.is_ok() {
        return members;
    }
    for metric in &METRICS {
        if let Some(value) = (metric.value)(call) {
            let value = json!({"value": number(value), "unit": metric.unit});
            members.insert(metric.tag.to_owned(), value);
        }
    }
    if !call.gaps().is_empty() {
        let gaps: Vec<f64> = call.gaps().iter().map(|gap| tidy(gap * 1e3)).collect();
        members.insert(
            "inter_chunk_latency".to_owned(),
            json!({"value": gaps, "unit": "ms"}),
        );
    }
    members
}

/// Returns a whole number as one, as AIPerf writes counts.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => json!(value as i64),
        false => json!(tidy(value)),
    }
}

fn error(call: &Call<'_>) -> Option<Value> {
    let outcome = call.detail.error.as_ref()?;
    let cause = call.detail.cause.as_ref();
    let message = match cause {
        Some(cause) => format!("{outcome}: {cause}"),
        None => outcome.clone(),
    };
    Some(match call.is_cut() {
        true => json!({"code": CUT_CODE, "type": CUT_TYPE, "message": message}),
        false => json!({"code": call.detail.status, "type": outcome, "message": message}),
    })
}

/// What a first reading of the rows finds.
struct Sums {
    metrics: Vec<Values>,
    chunks: Values,
    ok: u64,
    failed: u64,
    input: u64,
    output: u64,
    from: f64,
    to: f64,
}

impl Sums {
    fn of(rows: &mut dyn Rows) -> Result<Sums> {
        let of_unit = |metric: &Metric| match metric.unit {
            // 0.001 is the least that a histogram keeps apart: a microsecond.
            "ms" => Values::of_milliseconds(),
            _ => Values::of_counts(),
        };
        let mut sums = Sums {
            metrics: METRICS.iter().map(of_unit).collect(),
            chunks: Values::of_milliseconds(),
            ok: 0,
            failed: 0,
            input: 0,
            output: 0,
            from: f64::INFINITY,
            to: f64::NEG_INFINITY,
        };
        each_call(rows, &mut |call| {
            sums.add(call);
            Ok(())
        })?;
        Ok(sums)
    }

    fn add(&mut self, call: &Call<'_>) {
        if !call.is_ok() {
            self.failed += u64::from(!call.is_cut());
            return;
        }
        self.ok += 1;
        self.input += call.input_tokens().unwrap_or(0);
        self.output += call.detail.output_tokens;
        self.from = self.from.min(call.begin);
        self.to = self.to.max(call.begin + call.to_last);
        for (metric, values) in METRICS.iter().zip(&mut self.metrics) {
            (metric.value)(call)
                .into_iter()
                .for_each(|value| values.push(value));
        }
        call.gaps().iter().for_each(|gap| self.chunks.push(gap * 1e3));
    }
}

/// Writes `profile_export_aiperf.json`.
pub fn summary(result: &RunResult, rows: &mut dyn Rows, out: &mut dyn Write) -> Result<()> {
    let sums = Sums::of(rows)?;
    let mut members = Map::new();
    totals(&mut members, result, &sums);
    let chunks = sums.chunks.statistics();
    for (metric, values) in METRICS.iter().zip(sums.metrics) {
        if let Some(found) = values.statistics() {
            members.insert(metric.tag.to_owned(), statistics(&found, metric.unit));
        }
    }
    if let Some(found) = chunks {
        members.insert("inter_chunk_latency".to_owned(), statistics(&found, "ms"));
    }
    facts(&mut members, result);
    let text = serde_json::to_string_pretty(&Value::Object(members))?;
    out.write_all(safe_json(&text).as_bytes())?;
    out.write_all(b"\n")
}

fn totals(members: &mut Map<String, Value>, result: &RunResult, sums: &Sums) {
    let duration = (sums.to - sums.from).max(0.0);
    let rate = |count: u64| match duration > 0.0 && duration.is_finite() {
        true => count as f64 / duration,
        false => 0.0,
    };
    let ended = sums.ok + sums.failed;
    let mut add = |tag: &str, unit: &str, value: f64| {
        members.insert(tag.to_owned(), json!({"unit": unit, "avg": tidy(value)}));
    };
    add("request_throughput", "requests/sec", rate(sums.ok));
    add("request_count", "requests", sums.ok as f64);
    add("completed_request_count", "requests", ended as f64);
    if sums.failed > 0 {
        add("error_request_count", "requests", sums.failed as f64);
    }
    add(
        "request_error_rate",
        "%",
        100.0 * sums.failed as f64 / ended.max(1) as f64,
    );
    add("output_token_throughput", "tokens/sec", rate(sums.output));
    add("input_token_throughput", "tokens/sec", rate(sums.input));
    add(
        "total_token_throughput",
        "tokens/sec",
        rate(sums.input + sums.output),
    );
    add("total_isl", "tokens", sums.input as f64);
    add("total_osl", "tokens", sums.output as f64);
    add(
        "benchmark_duration",
        "sec",
        if duration.is_finite() { duration } else { 0.0 },
    );
    let goodput = &result.totals.goodput;
    if goodput.judged > 0 {
        add("good_request_count", "requests", goodput.good as f64);
        add("goodput", "requests/sec", rate(goodput.good));
    }
}

fn statistics(found: &Statistics, unit: &str) -> Value {
    let mut members = Map::new();
    members.insert("unit".to_owned(), json!(unit));
    let mut add = |key: &str, value: f64| drop(members.insert(key.to_owned(), json!(tidy(value))));
    add("avg", found.mean);
    PERCENTILES
        .iter()
        .for_each(|(key, p)| add(key, found.percentile(*p)));
    add("min", found.min);
    add("max", found.max);
    add("std", found.std);
    add("sum", found.sum);
    members.insert("count".to_owned(), json!(found.count));
    Value::Object(members)
}

/// Adds what is known of the run apart from its figures.
fn facts(members: &mut Map<String, Value>, result: &RunResult) {
    let traffic = traffic(result);
    let id = run_id(result);
    let seconds = result.run.duration_seconds.clamp(0.0, 1e9);
    let end = traffic.started.unix_timestamp_nanos() + (seconds * 1e9) as i128;
    let failures = result.failures.iter().map(|failure| {
        json!({
            "error_details": {"code": failure.status, "type": failure.outcome, "message": failure.in_words()},
            "count": failure.count,
        })
    });
    let mut add = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    add("schema_version", json!(SCHEMA_VERSION));
    add("tool", json!(traffic.tool));
    add("benchmark_id", json!(id));
    add(
        "run_info",
        json!({"benchmark_id": id, "trial": 0, "run_label": result.run.profile}),
    );
    add("was_cancelled", json!(result.run.stopped_by == StoppedBy::Signal));
    add("is_complete", json!(result.run.stopped_by == StoppedBy::Plan));
    add("error_summary", Value::Array(failures.collect()));
    add("start_time", json!(result.run.started_at));
    add("end_time", json!(rfc3339(end)));
}
