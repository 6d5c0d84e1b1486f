//! Reads oha's JSON. All times are in seconds, except `metrics.latency_ms` of version 1.15.

use super::error::Result;
use super::k6::stat;
use super::members::{Members, missing, mistyped};
use crate::compare::{Format, Run, RunFacts, Scalar, Stat, Trend, Values};
use serde_json::Value;

/// The error of requests that oha gave up at the end of `-z`. They were cut off and did not fail.
const CUT: &str = "aborted due to deadline";
const LATENCY: &str = "of answered requests; from sending or, with --latency-correction, from the due time: the \
                       file does not say which";
const BOTH: &str = "statusCodeDistribution, errorDistribution";
const FIRST_BYTE: &str = "from the start of the request, which on a new connection includes connecting";
const DIALUP: &str = "includes the DNS lookup";

/// Tells whether a document is oha's.
pub fn is_oha(members: &Members) -> bool {
    let keys = ["summary.requestsPerSec", "metrics.latency_ms"];
    keys.iter().any(|key| members.get(key).is_some())
}

/// Reads a run from oha's JSON.
pub fn run(members: &Members, label: &str) -> Result<Run> {
    let statuses = counts(members, "statusCodeDistribution")?;
    let errors = counts(members, "errorDistribution")?;
    let answered: u64 = statuses.iter().map(|(_, n)| n).sum();
    let bad: u64 = statuses
        .iter()
        .filter(|(s, _)| s.parse().is_ok_and(|s: u32| s >= 400))
        .map(|(_, n)| n)
        .sum();
    let cut: u64 = errors.iter().filter(|(e, _)| e == CUT).map(|(_, n)| n).sum();
    let failed: u64 = bad + errors.iter().map(|(_, n)| n).sum::<u64>() - cut;
    let finished = answered + failed - bad;

    let facts = RunFacts {
        tool: Some("oha".to_string()),
        duration_seconds: members.number("summary.total")?,
        requests: Some(finished + cut),
        ..RunFacts::default()
    };
    let mut run = Run {
        trends: trends(members, answered)?,
        ..Run::new(label, Format::Oha, facts)
    };
    let mut scalar = |metric, source: &str, unit, value: f64, of, differs| {
        run.scalars.push(Scalar {
            differs,
            of,
            ..Scalar::new(metric, source, unit, value)
        });
    };
    scalar("requests", BOTH, "", (finished + cut) as f64, None, None);
    if let Some(rate) = per_second(members)? {
        let differs = (cut > 0).then_some("includes requests cut off at the end");
        scalar("requests_per_second", "requestsPerSec", "/s", rate, None, differs);
    }
    scalar("failed", BOTH, "", failed as f64, None, None);
    if finished > 0 {
        scalar(
            "error_rate",
            BOTH,
            "",
            failed as f64 / finished as f64,
            Some(finished),
            None,
        );
    }
    if let Some(bytes) = members.number("summary.totalData")? {
        scalar(
            "bytes_received",
            "totalData",
            "bytes",
            bytes,
            None,
            Some("bodies only"),
        );
    }
    remarks(members, bad, cut, &mut run.notes)?;
    Ok(run)
}

fn per_second(members: &Members) -> Result<Option<f64>> {
    match members.number("summary.requestsPerSec")? {
        None => members.number("metrics.requests_per_sec"),
        rate => Ok(rate),
    }
}

fn remarks(members: &Members, bad: u64, cut: u64, notes: &mut Vec<String>) -> Result<()> {
    if bad > 0 {
        notes.push(format!(
            "oha counts answers with status 400 and above as successes; here these {bad} requests count as failed"
        ));
    }
    if cut > 0 {
        notes.push(format!(
            "{cut} requests were cut off at the end of the run: they count neither in latencies nor as failed"
        ));
    }
    // One figure in two units: if they do not agree, the file is not what it seems to be.
    let pair = (
        members.number("summary.average")?,
        members.number("metrics.latency_ms.mean")?,
    );
    if let (Some(s), Some(ms)) = pair
        && (s * 1e3 - ms).abs() > 1e-6 * ms.abs()
    {
        notes.push(format!(
            "`summary.average` is {s} s, but `metrics.latency_ms.mean` is {ms} ms; the seconds are used"
        ));
    }
    Ok(())
}

fn trends(members: &Members, answered: u64) -> Result<Vec<Trend>> {
    let mut trends = Vec::new();
    let mut push = |metric, source: &str, differs, count, stats: Vec<(Stat, f64)>| {
        if !stats.is_empty() {
            trends.push(Trend {
                metric,
                source: source.to_string(),
                differs: Some(differs),
                sense: "",
                stated: Vec::new(),
                values: Values::Summary { count, stats },
                intervals: Vec::new(),
                slices: Vec::new(),
            });
        }
    };
    let latency = [
        ("fastest", Stat::Min),
        ("average", Stat::Mean),
        ("slowest", Stat::Max),
    ];
    let mut stats = min_mean_max(members, "summary", latency)?;
    stats.extend(percentiles(members, "latencyPercentiles")?);
    if stats.is_empty() {
        stats = latency_ms(members)?;
    }
    push("service_time", "latency", LATENCY, Some(answered), stats);

    let mut stats = min_mean_max(members, "details.firstByte", latency)?;
    stats.extend(percentiles(members, "firstBytePercentiles")?);
    push("ttfb", "firstByte", FIRST_BYTE, Some(answered), stats);

    // There is one value per connection, and the file does not give the number of connections.
    let stats = min_mean_max(members, "details.DNSDialup", latency)?;
    push("connect", "DNSDialup", DIALUP, None, stats);
    Ok(trends)
}

fn min_mean_max(members: &Members, path: &str, keys: [(&str, Stat); 3]) -> Result<Vec<(Stat, f64)>> {
    let mut stats = Vec::new();
    for (key, stat) in keys {
        // A figure is null if there was nothing to count.
        if let Some(seconds) = members.number(&format!("{path}.{key}"))? {
            stats.push((stat, seconds * 1e3));
        }
    }
    Ok(stats)
}

/// Reads `p50` to `p99.99`, whose dot does not separate parts of a path.
fn percentiles(members: &Members, path: &str) -> Result<Vec<(Stat, f64)>> {
    let Some(value) = members.get(path) else {
        return Ok(Vec::new());
    };
    let list = value
        .as_object()
        .ok_or_else(|| mistyped(path, value, "an object"))?;
    let mut stats = Vec::new();
    for (key, value) in list.iter().filter(|(_, v)| !v.is_null()) {
        let seconds = value
            .as_f64()
            .ok_or_else(|| mistyped(&format!("{path}.{key}"), value, "a number"))?;
        stats.extend(stat(key).map(|stat| (stat, seconds * 1e3)));
    }
    Ok(stats)
}

/// Reads the latencies of version 1.15, which are in milliseconds.
fn latency_ms(members: &Members) -> Result<Vec<(Stat, f64)>> {
    let mut stats = Vec::new();
    for key in ["min", "mean", "p50", "p95", "p99", "max"] {
        if let (Some(stat), Some(ms)) = (stat(key), members.number(&format!("metrics.latency_ms.{key}"))?) {
            stats.push((stat, ms));
        }
    }
    Ok(stats)
}

fn counts(members: &Members, path: &str) -> Result<Vec<(String, u64)>> {
    let Some(value) = members.get(path) else {
        return Err(missing(path));
    };
    let list = value
        .as_object()
        .ok_or_else(|| mistyped(path, value, "an object"))?;
    let count = |(key, v): (&String, &Value)| {
        // The limit keeps a sum of up to 2^32 counts below 2^64.
        let n = v.as_u64().filter(|n| *n <= u64::from(u32::MAX));
        let n = n.ok_or_else(|| mistyped(&format!("{path}.{key}"), v, "a count of requests"))?;
        Ok((key.clone(), n))
    };
    list.iter().map(count).collect()
}

#[cfg(test)]
#[path = "oha_tests.rs"]
mod tests;
