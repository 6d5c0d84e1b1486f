//! Our own result document.

use super::document::{Members, Row, RowSpread, missing, mistyped};
use super::error::{ReadError, Result};
use super::input::{self, Content};
use crate::compare::{Format, Run, RunFacts, Scalar, Slice, Trend, Values, Verdict};
use crate::json::{JsonError, Scanner};
use crate::metrics::METRICS;
use crate::result::{MetricFigures, SCHEMA};
use serde_json::Value;
use std::path::Path;

/// Of `SCHEMA`, what all versions begin with.
const FAMILY: &str = "llmload-uring/";

pub fn is_ours(members: &Members) -> bool {
    let schema = members.values.get("schema").and_then(Value::as_str);
    schema.is_some_and(|s| s.starts_with(FAMILY))
}

/// Reads a result document but for its details, whose number does not matter for the memory that takes.
pub fn read_document(path: &Path) -> Result<Members> {
    let members = match input::open(path) {
        Ok(Content::Object(bytes)) => Members::read(bytes),
        Ok(_) => Err(ReadError::new(
            "is not a result document",
            "pass what --output wrote",
        )),
        Err(e) => Err(e),
    };
    members
        .and_then(|m| check(&m).map(|()| m))
        .map_err(|e| e.in_file(path))
}

/// Calls `detail` with each element of `details`, one at a time, as it is in the file.
pub fn each_detail(path: &Path, mut detail: impl FnMut(&[u8])) -> Result<()> {
    let Content::Object(bytes) = input::open(path).map_err(|e| e.in_file(path))? else {
        return Err(ReadError::new("is not a result document", "pass what --output wrote").in_file(path));
    };
    let mut element = Vec::new();
    Scanner::new(bytes)
        .object(|scanner, key| {
            if key != "details" {
                return scanner.skip();
            }
            scanner.array(|scanner| {
                element.clear();
                scanner.copy(&mut element)?;
                detail(&element);
                Ok(())
            })
        })
        .map_err(|e: JsonError| ReadError::from(e).in_file(path))
}

fn check(members: &Members) -> Result<()> {
    match members.text("schema")?.as_deref() {
        Some(SCHEMA) => Ok(()),
        Some(other) if other.starts_with(FAMILY) => {
            let what = format!("is `{other}`, this program reads `{SCHEMA}`");
            Err(ReadError::new(what, "use the version that wrote it, or a newer one").at("`schema`"))
        }
        Some(_) => Err(members.unknown()),
        None => Err(missing("schema")),
    }
}

pub fn run(members: &Members, label: &str) -> Result<Run> {
    check(members)?;
    let mut run = part(members, label)?;
    let facts = &mut run.facts;
    facts.host = host(members);
    facts.seed = members.get("config.seed").and_then(Value::as_u64);
    facts.stamp_source = members.text("client.stamp_source")?;
    run.notes = notes(members);
    for (i, repeat) in members.repeats.iter().enumerate() {
        let label = format!("{label} run {}", i + 1);
        run.repeats.push(part(repeat, &label)?);
    }
    Ok(run)
}

/// What a whole document and one of its repeats have in common.
fn part(members: &Members, label: &str) -> Result<Run> {
    let mut run = Run {
        label: label.to_string(),
        format: Format::Ours,
        facts: facts(members)?,
        trends: trends(members)?,
        scalars: scalars(members)?,
        others: Vec::new(),
        thresholds: thresholds(members)?,
        notes: Vec::new(),
        repeats: Vec::new(),
    };
    let rows = &members.timeline;
    if let Some(bad) = rows
        .iter()
        .find(|r| !r.elapsed.is_finite() || !r.latency.sum.is_finite())
    {
        let what = format!("has a row at {} s that is no figure", bad.elapsed);
        return Err(ReadError::new(what, "write the document anew").at("`timeline`"));
    }
    for trend in &mut run.trends {
        let spread: fn(&Row) -> RowSpread = match trend.metric {
            "latency" => |r| r.latency,
            "ttft" => |r| r.ttft,
            _ => continue,
        };
        trend.slices = slices(rows, |r| (spread(r).count, spread(r).sum));
    }
    for scalar in &mut run.scalars {
        let amount: fn(&Row) -> u64 = match scalar.metric {
            "requests" => |r| r.requests,
            "error_rate" => |r| r.errors,
            "output_tokens" => |r| r.output_tokens,
            _ => continue,
        };
        scalar.slices = slices(rows, |r| (r.requests, amount(r) as f64));
    }
    Ok(run)
}

fn slices(rows: &[Row], of: impl Fn(&Row) -> (u64, f64)) -> Vec<Slice> {
    let slice = |row: &Row| {
        let (count, sum) = of(row);
        Slice {
            elapsed: row.elapsed,
            count,
            sum,
        }
    };
    rows.iter().map(slice).collect()
}

fn facts(members: &Members) -> Result<RunFacts> {
    let version = members.text("run.versions.llmload-uring")?;
    let exit = members.count("run.exit_code")?;
    let byte = |n: u64| u8::try_from(n).map_err(|_| mistyped("run.exit_code", &n.into(), "0 to 255"));
    Ok(RunFacts {
        tool: Some(version.map_or("llmload-uring".to_string(), |v| format!("llmload-uring {v}"))),
        profile: members.text("run.profile")?,
        peak_vus: members.count("totals.peak_vus")?,
        target: members.text("run.target")?,
        started_at: members.text("run.started_at")?,
        duration_seconds: members.number("run.duration_seconds")?,
        requests: members.count("totals.requests")?,
        exit_code: exit.map(byte).transpose()?,
        ..RunFacts::default()
    })
}

/// Whatever of kernel, CPU model and CPUs is there.
fn host(members: &Members) -> Option<String> {
    let text = |path: &str| members.get(path).and_then(Value::as_str).map(str::to_string);
    let cpus = members.get("host.cpus_allowed").and_then(Value::as_array);
    let parts = [
        text("host.kernel").map(|k| format!("Linux {k}")),
        text("host.cpu"),
        cpus.map(|c| format!("{} CPUs", c.len())),
    ];
    let line: Vec<String> = parts.into_iter().flatten().collect();
    (!line.is_empty()).then(|| line.join(", "))
}

fn trends(members: &Members) -> Result<Vec<Trend>> {
    if members.get("metrics").is_none() {
        return Err(missing("metrics"));
    }
    let mut trends = Vec::new();
    for metric in &METRICS {
        let path = format!("metrics.{}", metric.key);
        let Some(value) = members.get(&path) else { continue };
        let figures: MetricFigures = serde::Deserialize::deserialize(value)
            .map_err(|e: serde_json::Error| mistyped(&path, value, &format!("figures of a metric ({e})")))?;
        if figures.count == 0 {
            continue;
        }
        let values = figures
            .distribution()
            .map_err(|what| ReadError::new(what, "write the document anew").at(format!("`{path}`")))?;
        trends.push(Trend {
            metric: metric.key,
            source: metric.key.to_string(),
            differs: None,
            values: Values::Histogram(Box::new(values)),
            slices: Vec::new(),
        });
    }
    Ok(trends)
}

/// Metric, where it stands, unit, what a share is of.
const SCALARS: [(&str, &str, &str); 15] = [
    ("requests", "totals.requests", ""),
    ("ok", "totals.ok", ""),
    ("failed", "totals.failed", ""),
    ("interrupted", "totals.interrupted", ""),
    ("dropped_iterations", "totals.dropped_iterations", ""),
    ("requests_per_second", "rates.requests_per_second", "/s"),
    ("ok_requests_per_second", "rates.ok_requests_per_second", "/s"),
    ("error_rate", "rates.error_rate", ""),
    ("output_tokens", "totals.output_tokens", ""),
    ("output_tokens_per_second", "rates.output_tokens_per_second", "/s"),
    ("bytes_sent", "totals.bytes_sent", "bytes"),
    ("bytes_received", "totals.bytes_received", "bytes"),
    ("connections_opened", "totals.connections_opened", ""),
    ("peak_connections", "totals.peak_connections", ""),
    ("peak_vus", "totals.peak_vus", ""),
];

fn scalars(members: &Members) -> Result<Vec<Scalar>> {
    if members.get("totals").is_none() {
        return Err(missing("totals"));
    }
    let finished = members.count("totals.ok")?.zip(members.count("totals.failed")?);
    let finished = finished.and_then(|(ok, failed)| ok.checked_add(failed));
    let mut scalars = Vec::new();
    for (metric, path, unit) in SCALARS {
        let Some(value) = members.number(path)? else {
            continue;
        };
        scalars.push(Scalar {
            metric,
            source: path.to_string(),
            differs: None,
            unit,
            value,
            of: finished.filter(|_| metric == "error_rate"),
            slices: Vec::new(),
        });
    }
    Ok(scalars)
}

fn thresholds(members: &Members) -> Result<Vec<Verdict>> {
    let Some(list) = members.get("thresholds") else {
        return Ok(Vec::new());
    };
    let verdict = |t: &Value| {
        Some(Verdict {
            metric: t.get("metric")?.as_str()?.to_string(),
            expression: t.get("expression")?.as_str()?.to_string(),
            ok: t.get("ok")?.as_bool()?,
        })
    };
    let list = list
        .as_array()
        .ok_or_else(|| mistyped("thresholds", list, "an array"))?;
    let each = list
        .iter()
        .map(|t| verdict(t).ok_or_else(|| mistyped("thresholds", t, "metric, expression and ok")));
    each.collect()
}

/// The run's own warnings.
fn notes(members: &Members) -> Vec<String> {
    let list = members.get("warnings").and_then(Value::as_array);
    let messages = list
        .into_iter()
        .flatten()
        .filter_map(|w| w.get("message")?.as_str());
    messages.map(|m| format!("warned: {m}")).collect()
}

#[cfg(test)]
#[path = "ours_tests.rs"]
mod tests;
