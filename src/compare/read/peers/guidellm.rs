//! Reads guidellm's `benchmarks.json`. It has a benchmark per rate or number of streams, each with its figures and,
//! unless it was told to keep none, its requests.

use super::choice::Choice;
use super::definition::*;
use super::gather::{Gathered, Request};
use super::named;
use crate::compare::read::error::{Result, wrong};
use crate::compare::read::input::Bytes;
use crate::compare::read::points::origin;
use crate::compare::read::samples::{UnixNanos, rfc3339};
use crate::compare::{Format, Run, RunFacts, Scalar, Stat};
use crate::error::Reason;
use crate::json::Scanner;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

const DEFINITIONS: [Definition; 3] = [
    define(
        "ttft",
        "time_to_first_token_ms",
        SENT,
        "from the send (connecting included) to the first event with text; percentiles by rank",
    ),
    define(
        "tpot",
        "inter_token_latency_ms",
        PER_REQUEST,
        "(last - first token) / (tokens - 1) of each request, weighted by its tokens: a pause within an answer cannot show",
    ),
    define(
        "service_time",
        "request_latency",
        OK_ONLY,
        "from the send (connecting included) to the end, of requests that are ok",
    ),
];
const TOKENS: &str = "tokens as the server states them if it does, else events; over the measured time";

#[derive(Default, Deserialize)]
struct Metrics {
    request_totals: Option<Totals>,
    requests_per_second: Option<ByStatus>,
    request_latency: Option<ByStatus>,
    time_to_first_token_ms: Option<ByStatus>,
    inter_token_latency_ms: Option<ByStatus>,
    prompt_token_count: Option<ByStatus>,
    output_token_count: Option<ByStatus>,
    prompt_tokens_per_second: Option<ByStatus>,
    output_tokens_per_second: Option<ByStatus>,
    tokens_per_second: Option<ByStatus>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Totals {
    successful: u64,
    errored: u64,
    incomplete: u64,
}

#[derive(Deserialize)]
struct ByStatus {
    successful: Option<Spread>,
}

#[derive(Deserialize)]
struct Spread {
    mean: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    count: Option<f64>,
    total_sum: Option<f64>,
    #[serde(default)]
    percentiles: Option<BTreeMap<String, Option<f64>>>,
}

#[derive(Deserialize)]
struct One {
    request_latency: Option<f64>,
    time_to_first_token_ms: Option<f64>,
    inter_token_latency_ms: Option<f64>,
    output_tokens: Option<u64>,
    request_start_time: Option<f64>,
    request_end_time: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Warning {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Default)]
struct Benchmark {
    metrics: Metrics,
    successful: Vec<One>,
    /// Requests that failed: when they were sent and when they ended.
    errored: Vec<One>,
    strategy: Option<Value>,
    warnings: Vec<Warning>,
    start_time: Option<f64>,
    duration: Option<f64>,
}

/// Reads the chosen benchmark of a file.
pub fn run(from: Bytes, label: &str, choice: Choice) -> Result<Run> {
    let mut scanner = Scanner::new(from);
    let (mut found, mut runs) = (None, 0);
    let (mut version, mut target) = (None, None);
    scanner.object(|scanner, key| match (key, scanner.peek()?) {
        ("metadata", Some(b'{')) => {
            let metadata: Value = scanner.parse()?;
            version = metadata["guidellm_version"].as_str().map(str::to_owned);
            Ok(())
        }
        ("config", Some(b'{')) => {
            let config: Value = scanner.parse()?;
            target = config["spec"]["backend"]["target"].as_str().and_then(origin);
            Ok(())
        }
        ("args", Some(b'{')) => {
            let args: Value = scanner.parse()?;
            target = args["target"].as_str().and_then(origin);
            Ok(())
        }
        ("benchmarks", Some(b'[')) => scanner.array(|scanner| {
            runs += 1;
            match choice.wants(runs) {
                true => found = Some(benchmark(scanner)?),
                false => scanner.skip()?,
            }
            Ok::<(), Reason>(())
        }),
        _ => Ok(scanner.skip()?),
    })?;
    scanner.end()?;
    choice.check(runs)?;
    let benchmark = found.ok_or_else(|| wrong("has no benchmark"))?;
    let tool = version.map_or("guidellm".to_owned(), |version| format!("guidellm {version}"));
    one(benchmark, tool, target, label)
}

fn benchmark(scanner: &mut Scanner<'_>) -> Result<Benchmark> {
    let mut found = Benchmark::default();
    let mut has_metrics = false;
    scanner.object(|scanner, key| {
        match (key, scanner.peek()?) {
            ("metrics", Some(b'{')) => {
                found.metrics = scanner.parse()?;
                has_metrics = true;
            }
            ("config", Some(b'{')) => {
                let config: Value = scanner.parse()?;
                found.strategy = config.get("strategy").cloned();
            }
            ("requests", Some(b'{')) => scanner.object(|scanner, status| {
                let into = match (status, scanner.peek()?) {
                    ("successful", Some(b'[')) => &mut found.successful,
                    ("errored", Some(b'[')) => &mut found.errored,
                    _ => return Ok::<(), Reason>(scanner.skip()?),
                };
                scanner.array(|scanner| {
                    into.push(scanner.parse()?);
                    Ok(())
                })
            })?,
            ("warnings", Some(b'[')) => found.warnings = scanner.parse()?,
            ("start_time", _) => found.start_time = scanner.parse()?,
            ("duration", _) => found.duration = scanner.parse()?,
            _ => scanner.skip()?,
        }
        Ok::<(), Reason>(())
    })?;
    match has_metrics {
        true => Ok(found),
        false => Err(scanner.error("has no `metrics`").into()),
    }
}

fn one(found: Benchmark, tool: String, target: Option<String>, label: &str) -> Result<Run> {
    let totals = found.metrics.request_totals.unwrap_or_default();
    let strategy = found.strategy.as_ref();
    let facts = RunFacts {
        tool: Some(tool),
        target,
        load: strategy.and_then(load),
        peak_vus: strategy.and_then(|s| s["streams"].as_u64()),
        started_at: found.start_time.and_then(|seconds| rfc3339(nanos(seconds))),
        duration_seconds: found.duration.filter(|s| *s > 0.0),
        requests: Some(totals.successful + totals.errored + totals.incomplete),
        ..RunFacts::default()
    };
    let mut run = Run::new(label, Format::Guidellm, facts);
    named(&mut run.notes, Format::Guidellm);
    for warning in &found.warnings {
        let text = warning
            .message
            .as_deref()
            .or(warning.code.as_deref())
            .unwrap_or_default();
        run.notes.push(format!("guidellm warns: {text}"));
    }
    run.scalars = scalars(&found.metrics, totals);
    let mut gathered = Gathered::new(&DEFINITIONS);
    let listed = found.successful.len() as u64;
    match listed == totals.successful {
        true => gather(&found, &mut gathered),
        false if listed > 0 => run.notes.push(format!(
            "{listed} of the {} successful requests are listed, so only the stated figures are used",
            totals.successful
        )),
        false => {}
    }
    gathered.give_rows(&mut run.scalars);
    let stated = |definition: &Definition| {
        let (spread, scale) = match definition.metric {
            "ttft" => (&found.metrics.time_to_first_token_ms, 1.0),
            "tpot" => (&found.metrics.inter_token_latency_ms, 1.0),
            _ => (&found.metrics.request_latency, 1e3),
        };
        let spread = spread.as_ref().and_then(|by| by.successful.as_ref());
        Ok(spread.map_or(Vec::new(), |spread| stats(spread, scale)))
    };
    run.trends = gathered.into_trends(stated, &mut run.notes)?;
    Ok(run)
}

fn nanos(seconds: f64) -> UnixNanos {
    (seconds * 1e9) as UnixNanos
}

/// Describes the rate of a benchmark; `None` for streams that wait for answers.
fn load(strategy: &Value) -> Option<String> {
    let rate = strategy["rate"].as_f64()?;
    let kind = strategy["type_"].as_str().unwrap_or_default();
    Some(format!("{rate}/s, {kind}"))
}

/// Returns the figures of a spread in milliseconds; none if it is of nothing.
fn stats(spread: &Spread, scale: f64) -> Vec<(Stat, f64)> {
    if spread.count == Some(0.0) {
        return Vec::new();
    }
    let single = [
        (Stat::Mean, spread.mean),
        (Stat::Min, spread.min),
        (Stat::Max, spread.max),
    ];
    let single = single
        .into_iter()
        .filter_map(|(stat, value)| Some((stat, value? * scale)));
    let percentiles = spread.percentiles.iter().flatten().filter_map(|(key, value)| {
        let percentile = percentile(key)?;
        Some((Stat::Percentile(percentile), (*value)? * scale))
    });
    single.chain(percentiles).collect()
}

/// Reads `p50`, and `p001` and `p999`, which are 0.1 and 99.9.
fn percentile(key: &str) -> Option<f64> {
    match key {
        "p001" => Some(0.1),
        "p999" => Some(99.9),
        _ => key
            .strip_prefix('p')?
            .parse()
            .ok()
            .filter(|p| (0.0..=100.0).contains(p)),
    }
}

fn gather(found: &Benchmark, gathered: &mut Gathered) {
    let all = found.successful.iter().map(|one| (one, true));
    for (one, ok) in all.chain(found.errored.iter().map(|one| (one, false))) {
        let span = one.request_start_time.zip(one.request_end_time);
        let span = span.map(|(begin, end)| (nanos(begin), nanos(end)));
        gathered.request(Request {
            span,
            ok,
            output_tokens: one.output_tokens.unwrap_or(0),
        });
        let end = span.map(|(_, end)| end);
        let times = [
            ("service_time", one.request_latency.map(|s| s * 1e3)),
            ("ttft", one.time_to_first_token_ms),
            ("tpot", one.inter_token_latency_ms),
        ];
        for (metric, ms) in times.into_iter().filter(|_| ok) {
            if let Some(ms) = ms {
                gathered.value(metric, end, ms);
            }
        }
    }
}

fn scalars(metrics: &Metrics, totals: Totals) -> Vec<Scalar> {
    const TOTALS: &str = "request_totals";
    let finished = totals.successful + totals.errored;
    let mut scalars = vec![
        count("requests", TOTALS, finished + totals.incomplete),
        count("ok", TOTALS, totals.successful),
        count("failed", TOTALS, totals.errored),
        count("interrupted", TOTALS, totals.incomplete),
    ];
    scalars.extend(error_rate(TOTALS, totals.errored, finished));
    let successful = |by: &Option<ByStatus>, pick: fn(&Spread) -> Option<f64>| {
        by.as_ref().and_then(|by| by.successful.as_ref()).and_then(pick)
    };
    let per_second = successful(&metrics.requests_per_second, |spread| spread.mean);
    if let Some(value) = per_second {
        scalars.push(rate("ok_requests_per_second", "requests_per_second", value));
        if totals.errored + totals.incomplete == 0 {
            scalars.push(rate("requests_per_second", "requests_per_second", value));
        }
    }
    for (metric, source, by) in [
        (
            "output_tokens_per_second",
            "output_tokens_per_second",
            &metrics.output_tokens_per_second,
        ),
        (
            "input_tokens_per_second",
            "prompt_tokens_per_second",
            &metrics.prompt_tokens_per_second,
        ),
        (
            "total_tokens_per_second",
            "tokens_per_second",
            &metrics.tokens_per_second,
        ),
    ] {
        let value = successful(by, |spread| spread.mean);
        scalars.extend(value.map(|value| token_rate(metric, source, TOKENS, value)));
    }
    for (metric, source, by) in [
        ("output_tokens", "output_token_count", &metrics.output_token_count),
        ("prompt_tokens", "prompt_token_count", &metrics.prompt_token_count),
    ] {
        let value = successful(by, |spread| spread.total_sum);
        scalars.extend(value.map(|value| Scalar::new(metric, source, "", value)));
    }
    scalars
}
