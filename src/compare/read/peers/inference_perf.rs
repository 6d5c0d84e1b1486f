//! Reads inference-perf's `summary_lifecycle_metrics.json` and `stage_N_lifecycle_metrics.json`. Times are in seconds.

use super::definition::*;
use super::named;
use crate::compare::read::error::Result;
use crate::compare::read::input::Bytes;
use crate::compare::read::k6::stat;
use crate::compare::read::members::{Members, mistyped};
use crate::compare::{Format, Run, RunFacts, Scalar, Stat};
use crate::json::Scanner;

const DEFINITIONS: [Definition; 5] = [
    define(
        "ttft",
        "successes.latency.time_to_first_token",
        SENT,
        "from the send (connecting included) to the first event with text",
    ),
    define(
        "tbt",
        "successes.latency.inter_token_latency",
        TOKEN_GAPS,
        "gaps between tokens as its tokenizer counts them; those of one event come 0 ms apart",
    ),
    define(
        "tpot",
        "successes.latency.time_per_output_token",
        TO_THE_END,
        "(end - first token) / (tokens - 1), tokens as its tokenizer counts them",
    ),
    define(
        "service_time",
        "successes.latency.request_latency",
        OK_ONLY,
        "from the send (connecting included) to the end, of requests that are ok",
    ),
    define(
        "schedule_lag",
        "load_summary.schedule_delay",
        CLIENT_DELAY,
        "from the planned to the actual start, the wait for a free worker included",
    ),
];
const TOKENS: &str = "tokens as its tokenizer counts them, or the server if it states them; over the time to the last \
                      answer";

/// Reads a run, or one of its stages.
pub fn run(from: Bytes, label: &str) -> Result<Run> {
    let mut scanner = Scanner::new(from);
    let mut members = Members::default();
    scanner.object(|scanner, key| members.keep(scanner, key))?;
    scanner.end()?;
    let ok = members.needed_count("successes.count")?;
    let failed = members.needed_count("failures.count")?;
    let asked = members.number("load_summary.requested_rate")?;
    let facts = RunFacts {
        tool: Some("inference-perf".to_owned()),
        load: asked.map(|rate| format!("{rate}/s")),
        peak_vus: members.count("load_summary.concurrency")?,
        duration_seconds: members.number("benchmark_time_seconds")?.filter(|s| *s > 0.0),
        requests: Some(ok + failed),
        ..RunFacts::default()
    };
    let mut run = Run::new(label, Format::InferencePerf, facts);
    named(&mut run.notes, Format::InferencePerf);
    if let Some(n) = members
        .count("successes.token_count_mismatches")?
        .filter(|n| *n > 0)
    {
        run.notes.push(format!(
            "in {n} answers its tokenizer counts other tokens than the server states, which is in its tpot and tbt"
        ));
    }
    run.scalars = scalars(&members, ok, failed)?;
    for definition in &DEFINITIONS {
        let count = (definition.metric == "service_time" || definition.metric == "ttft").then_some(ok);
        let stats = spread(&members, definition.source)?;
        run.trends.extend(definition.summary(count, stats));
    }
    Ok(run)
}

/// Returns the figures at a path in milliseconds. Keys such as `p99.9` have a dot that separates nothing.
fn spread(members: &Members, path: &str) -> Result<Vec<(Stat, f64)>> {
    let Some(found) = members.get(path) else {
        return Ok(Vec::new());
    };
    let fields = found
        .as_object()
        .ok_or_else(|| mistyped(path, found, "an object"))?;
    let mut stats = Vec::new();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let Some(stat) = stat(key) else { continue };
        let seconds = value
            .as_f64()
            .ok_or_else(|| mistyped(&format!("{path}.{key}"), value, "a number"))?;
        stats.push((stat, seconds * 1e3));
    }
    Ok(stats)
}

fn scalars(members: &Members, ok: u64, failed: u64) -> Result<Vec<Scalar>> {
    const COUNTS: &str = "successes.count, failures.count";
    let mut scalars = vec![
        count("requests", COUNTS, ok + failed),
        count("ok", "successes.count", ok),
        count("failed", "failures.count", failed),
    ];
    scalars.extend(error_rate(COUNTS, failed, ok + failed));
    if let Some(value) = members.number("successes.throughput.requests_per_sec")? {
        scalars.push(rate("ok_requests_per_second", "requests_per_sec", value));
        if failed == 0 {
            scalars.push(rate("requests_per_second", "requests_per_sec", value));
        }
    }
    for (metric, source) in [
        ("output_tokens_per_second", "output_tokens_per_sec"),
        ("input_tokens_per_second", "input_tokens_per_sec"),
        ("total_tokens_per_second", "total_tokens_per_sec"),
    ] {
        let value = members.number(&format!("successes.throughput.{source}"))?;
        scalars.extend(value.map(|value| token_rate(metric, source, TOKENS, value)));
    }
    for (metric, source) in [
        ("output_tokens", "successes.output_tokens.total"),
        ("prompt_tokens", "successes.prompt_tokens.total"),
        ("cached_tokens", "successes.prompt_tokens.cached"),
    ] {
        let value = members.count(source)?;
        scalars.extend(value.map(|n| count(metric, source, n)));
    }
    Ok(scalars)
}
