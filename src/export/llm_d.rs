//! llm-d's Benchmark Report, version 0.2.1. It is JSON, which every reader of YAML reads.

use std::io::{Result, Write};

use serde_json::{Map, Value, json};

use super::object::tidy;
use super::run_facts::{run_id, traffic};
use super::values::{Statistics, Values};
use super::{Call, Rows, each_call};
use crate::error::safe_json;
use crate::metrics::MetricId;
use crate::result::{RunResult, rfc3339};
use crate::units::fnv;

const VERSION: &str = "0.2.1";
const LOAD_SCHEMA_VERSION: &str = "0.0.1";
const PERCENTILES: [(&str, f64); 11] = [
    ("p0p1", 0.1),
    ("p1", 1.0),
    ("p5", 5.0),
    ("p10", 10.0),
    ("p25", 25.0),
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p95", 95.0),
    ("p99", 99.0),
    ("p99p9", 99.9),
];

/// The values of the requests that were ok.
struct Found {
    input: Option<Statistics>,
    output: Option<Statistics>,
    ttft: Option<Statistics>,
    tpot: Option<Statistics>,
    itl: Option<Statistics>,
    per_token: Option<Statistics>,
    latency: Option<Statistics>,
}

/// Writes the report: from the requests if the document lists them, otherwise from its figures.
pub fn write(result: &RunResult, rows: &mut dyn Rows, out: &mut dyn Write) -> Result<()> {
    let found = match of_requests(rows)? {
        Some(found) => found,
        None => of_figures(result),
    };
    let report = json!({
        "version": VERSION,
        "run": run(result),
        "scenario": {"load": load(result, &found)},
        "results": results(result, &found),
    });
    let text = serde_json::to_string_pretty(&report)?;
    out.write_all(safe_json(&text).as_bytes())?;
    out.write_all(b"\n")
}

/// Returns `None` if there is no request that is ok.
fn of_requests(rows: &mut dyn Rows) -> Result<Option<Found>> {
    let mut lengths = [Values::of_counts(), Values::of_counts()];
    let mut times = [(); 5].map(|()| Values::of_seconds());
    let push = |values: &mut Values, value: Option<f64>| value.into_iter().for_each(|v| values.push(v));
    let mut any = false;
    each_call(rows, &mut |call: &Call<'_>| {
        if !call.is_ok() || call.detail.sent.is_none() {
            return Ok(());
        }
        any = true;
        let output = call.detail.output_tokens as f64;
        push(&mut lengths[0], call.input_tokens().map(|n| n as f64));
        push(&mut lengths[1], Some(output));
        push(&mut times[0], call.ttft);
        push(&mut times[1], call.time_per_token());
        call.gaps().iter().for_each(|gap| times[2].push(*gap));
        push(&mut times[3], (output > 0.0).then(|| call.to_last / output));
        push(&mut times[4], Some(call.to_last));
        Ok(())
    })?;
    let [input, output] = lengths.map(Values::statistics);
    let [ttft, tpot, itl, per_token, latency] = times.map(Values::statistics);
    Ok(any.then_some(Found {
        input,
        output,
        ttft,
        tpot,
        itl,
        per_token,
        latency,
    }))
}

/// Without requests there is no time to the first token since the request went out, nor how long each request was.
fn of_figures(result: &RunResult) -> Found {
    let times = |id| {
        result
            .metric(id)?
            .distribution()
            .ok()
            .and_then(Statistics::of_times)
    };
    Found {
        input: None,
        output: None,
        ttft: None,
        tpot: times(MetricId::Tpot),
        itl: None,
        per_token: None,
        latency: times(MetricId::ServiceTime),
    }
}

fn run(result: &RunResult) -> Value {
    let seconds = result.run.duration_seconds.clamp(0.0, 1e9);
    let started = traffic(result).started.unix_timestamp_nanos();
    json!({
        "uid": run_id(result),
        "time": {
            "start": result.run.started_at,
            "end": rfc3339(started + (seconds * 1e9) as i128),
            "duration": format!("PT{}S", tidy(seconds)),
        },
        "description": result.config.get("description").and_then(Value::as_str),
        "keywords": [result.run.profile, result.run.verdict],
    })
}

fn load(result: &RunResult, found: &Found) -> Value {
    let traffic = traffic(result);
    let config = result.config.to_string();
    let has_lengths = result.totals.lengths.prompt.requests > 0;
    let from_dataset = config.contains("\"dataset\":");
    let source = match () {
        () if from_dataset => "sampled",
        () if has_lengths => "random",
        () => "unknown",
    };
    let mut standardized = json!({
        "tool": "llmload-uring",
        "tool_version": traffic.version,
        "parallelism": result.run.merged.as_ref().map_or(1, |merged| merged.shards.max(1)),
        "source": source,
        "stage": 0,
        "input_seq_len": length(result, found.input.as_ref(), "prompt"),
    });
    if found.output.as_ref().is_some_and(|lengths| lengths.max >= 1.0) {
        standardized["output_seq_len"] = length(result, found.output.as_ref(), "output");
    }
    if let Some(rate) = traffic.rate.filter(|rate| *rate > 0.0) {
        standardized["rate_qps"] = json!(rate);
    }
    if let Some(users) = traffic.concurrency.filter(|users| *users > 0) {
        standardized["concurrency"] = json!(users);
    }
    if let Some(sessions) = &result.sessions {
        standardized["multi_turn"] = json!({"enabled": true, "max_turns": sessions.turns_max.max(1)});
    }
    json!({
        "metadata": {
            "schema_version": LOAD_SCHEMA_VERSION,
            "cfg_id": format!("{:016x}", fnv(config.as_bytes())),
        },
        "standardized": standardized,
        "native": {"config": result.config},
    })
}

/// Describes the lengths of prompts or answers: as they were, because what was asked for may be a distribution of any
/// shape.
fn length(result: &RunResult, found: Option<&Statistics>, which: &str) -> Value {
    let mean = match (found, which) {
        (Some(found), _) => found.mean,
        (None, "prompt") => mean_input(result),
        (None, _) => 0.0,
    };
    let is_fixed = found.is_some_and(|found| found.min == found.max);
    let mut members = json!({
        "distribution": if is_fixed { "fixed" } else { "other" },
        "value": tidy(mean),
    });
    if let Some(found) = found.filter(|found| found.max >= 1.0) {
        members["min"] = json!(found.min as u64);
        members["max"] = json!(found.max as u64);
    }
    members
}

fn mean_input(result: &RunResult) -> f64 {
    let stated = &result.totals.usage.prompt;
    stated.tokens as f64 / stated.requests.max(1) as f64
}

fn results(result: &RunResult, found: &Found) -> Value {
    let totals = &result.totals;
    let mut requests = json!({
        "total": totals.requests,
        "failures": totals.failed,
        "incomplete": totals.interrupted + totals.cancelled + totals.in_flight,
    });
    let mut latency = Map::new();
    let add = |to: &mut dyn FnMut(&str, Value), key: &str, found: &Option<Statistics>, units: &str| {
        if let Some(found) = found {
            to(key, statistics(found, units));
        }
    };
    let mut of_requests = |key: &str, value| requests[key] = value;
    add(&mut of_requests, "input_length", &found.input, "count");
    add(&mut of_requests, "output_length", &found.output, "count");
    let mut of_latency = |key: &str, value| drop(latency.insert(key.to_owned(), value));
    add(&mut of_latency, "time_to_first_token", &found.ttft, "s");
    add(&mut of_latency, "time_per_output_token", &found.tpot, "s/token");
    add(&mut of_latency, "inter_token_latency", &found.itl, "s/token");
    add(
        &mut of_latency,
        "normalized_time_per_output_token",
        &found.per_token,
        "s/token",
    );
    add(&mut of_latency, "request_latency", &found.latency, "s");
    let itl = result
        .metric(MetricId::Tbt)
        .and_then(|figures| figures.distribution().ok());
    if let (None, Some(gaps)) = (&found.itl, itl.and_then(Statistics::of_times)) {
        latency.insert("inter_token_latency".to_owned(), statistics(&gaps, "s/token"));
    }
    let mut members = json!({
        "request_performance": {
            "aggregate": {
                "requests": requests,
                "latency": latency,
                "throughput": throughput(result, found),
            },
        },
    });
    if let Some(sessions) = &result.sessions {
        members["session_performance"] = json!({"sessions": {
            "total": sessions.started,
            "succeeded": sessions.completed,
            "failed": sessions.failed,
            "total_events": totals.requests,
            "total_events_completed": totals.ok,
            "total_events_cancelled": totals.cancelled,
            "session_rate": {"units": "queries/s", "mean": sessions.completed_per_second},
        }});
    }
    members
}

/// Returns the rates over the whole run, until its last request ended.
fn throughput(result: &RunResult, found: &Found) -> Value {
    let seconds = result.run.duration_seconds;
    let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
    let sum = |found: &Option<Statistics>| found.as_ref().map(|found| found.sum);
    let input = sum(&found.input);
    let output = sum(&found.output).unwrap_or(result.totals.output_tokens as f64);
    let mut members = json!({
        "request_rate": {"units": "queries/s", "mean": rate(result.totals.ok as f64)},
        "output_token_rate": {"units": "tokens/s", "mean": rate(output)},
    });
    if let Some(input) = input {
        members["input_token_rate"] = json!({"units": "tokens/s", "mean": rate(input)});
        members["total_token_rate"] = json!({"units": "tokens/s", "mean": rate(input + output)});
    }
    members
}

fn statistics(found: &Statistics, units: &str) -> Value {
    let mut members = Map::new();
    members.insert("units".to_owned(), json!(units));
    let mut add = |key: &str, value: f64| drop(members.insert(key.to_owned(), json!(tidy(value))));
    add("mean", found.mean);
    add("stddev", found.std);
    add("min", found.min);
    PERCENTILES
        .iter()
        .for_each(|(key, p)| add(key, found.percentile(*p)));
    add("max", found.max);
    Value::Object(members)
}
