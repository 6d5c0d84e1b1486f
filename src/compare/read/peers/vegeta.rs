//! Reads vegeta's results: `vegeta report -type=json`, which has the figures, and `vegeta encode`, which has a line for
//! each request as JSON or CSV. Times are in nanoseconds. It reads no events, so it has no tokens.

use super::definition::*;
use super::gather::{Gathered, Request};
use super::named;
use crate::compare::read::csv::Records;
use crate::compare::read::error::{Result, excerpt, without_position, wrong};
use crate::compare::read::input::{Bytes, next_line};
use crate::compare::read::members::{Members, mistyped};
use crate::compare::read::points::{origin, rfc3339 as instant};
use crate::compare::read::samples::{UnixNanos, rfc3339};
use crate::compare::{Format, Run, RunFacts, Scalar, Stat};
use crate::error::Reason;
use crate::json::Scanner;
use serde::Deserialize;
use serde_json::Value;

const ALL: &str = "from the send (connecting included) to the end, of all requests";
const REPORT: [Definition; 1] = [define(
    "service_time",
    "latencies",
    "",
    "from the send (connecting included) to the end, of all requests; percentiles are estimates (t-digest)",
)];
const RESULTS: [Definition; 1] = [define("service_time", "latency", "", ALL)];
const THROUGHPUT: &str = "successful requests over the time to the last answer";
const RATE: &str = "requests sent, over the time in which they were sent";
/// The statistics of its report.
const STATS: [(&str, Stat); 8] = [
    ("min", Stat::Min),
    ("mean", Stat::Mean),
    ("max", Stat::Max),
    ("50th", Stat::Percentile(50.0)),
    ("90th", Stat::Percentile(90.0)),
    ("95th", Stat::Percentile(95.0)),
    ("99th", Stat::Percentile(99.0)),
    ("999th", Stat::Percentile(99.9)),
];

/// Reads the figures.
pub fn report(from: Bytes, label: &str) -> Result<Run> {
    let mut scanner = Scanner::new(from);
    let mut members = Members::default();
    scanner.object(|scanner, key| match key {
        "errors" | "buckets" => Ok(scanner.skip()?),
        _ => members.keep(scanner, key),
    })?;
    scanner.end()?;
    let requests = members.needed_count("requests")?;
    let nanos = |path: &str| -> Result<f64> { Ok(members.number(path)?.unwrap_or(0.0)) };
    let seconds = (nanos("duration")? + nanos("wait")?) / 1e9;
    let facts = RunFacts {
        tool: Some("vegeta".to_owned()),
        started_at: members.text("earliest")?,
        duration_seconds: (seconds > 0.0).then_some(seconds),
        requests: Some(requests),
        ..RunFacts::default()
    };
    let mut run = Run::new(label, Format::Vegeta, facts);
    named(&mut run.notes, Format::Vegeta);
    // Its share of successes is that of status codes below 400, with no error.
    let share = members.number("success")?.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&share) {
        return Err(mistyped(
            "success",
            &members.values["success"],
            "a share from 0 to 1",
        ));
    }
    let ok = (share * requests as f64).round() as u64;
    figures(&mut run, requests, ok);
    if let Some(value) = members.number("throughput")? {
        let mut scalar = rate("ok_requests_per_second", "throughput", value);
        scalar.differs = Some(THROUGHPUT);
        run.scalars.push(scalar);
    }
    if let Some(value) = members.number("rate")? {
        let mut scalar = Scalar::new("offered_per_second", "rate", "/s", value);
        scalar.differs = Some(RATE);
        run.scalars.push(scalar);
    }
    for (metric, source) in [
        ("bytes_received", "bytes_in.total"),
        ("bytes_sent", "bytes_out.total"),
    ] {
        let value = members.number(source)?;
        run.scalars.extend(value.map(|n| bytes(metric, source, n)));
    }
    let mut stats = Vec::new();
    for (key, stat) in STATS {
        if let Some(ns) = members.number(&format!("latencies.{key}"))? {
            stats.push((stat, ns / 1e6));
        }
    }
    run.trends.extend(REPORT[0].summary(Some(requests), stats));
    Ok(run)
}

fn figures(run: &mut Run, requests: u64, ok: u64) {
    run.scalars = vec![
        count("requests", "requests", requests),
        count("ok", "success", ok),
        count("failed", "success", requests - ok),
    ];
    run.scalars.extend(error_rate("success", requests - ok, requests));
}

fn bytes(metric: &'static str, source: &str, n: f64) -> crate::compare::Scalar {
    let mut scalar = Scalar::new(metric, source, "bytes", n);
    scalar.differs = Some("bodies only");
    scalar
}

/// One request of `vegeta encode`.
struct Hit {
    at: UnixNanos,
    latency: u64,
    code: u64,
    has_error: bool,
    bytes_in: u64,
    bytes_out: u64,
}

/// The requests read so far.
struct Results {
    gathered: Gathered,
    bytes_in: u64,
    bytes_out: u64,
    target: Option<String>,
}

impl Results {
    fn new() -> Results {
        Results {
            gathered: Gathered::new(&RESULTS),
            bytes_in: 0,
            bytes_out: 0,
            target: None,
        }
    }

    fn add(&mut self, hit: &Hit) {
        let end = hit.at + UnixNanos::from(hit.latency);
        self.gathered.request(Request {
            span: Some((hit.at, end)),
            ok: (200..400).contains(&hit.code) && !hit.has_error,
            output_tokens: 0,
        });
        self.gathered
            .value("service_time", Some(end), hit.latency as f64 / 1e6);
        self.bytes_in = self.bytes_in.saturating_add(hit.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(hit.bytes_out);
    }

    fn into_run(mut self, label: &str) -> Result<Run> {
        let (requests, ok) = (self.gathered.count, self.gathered.ok);
        if requests == 0 {
            return Err(wrong("has no request"));
        }
        let facts = RunFacts {
            tool: Some("vegeta".to_owned()),
            target: self.target.take(),
            started_at: self.gathered.first_send().and_then(rfc3339),
            duration_seconds: self.gathered.seconds(),
            requests: Some(requests),
            ..RunFacts::default()
        };
        let mut run = Run::new(label, Format::VegetaResults, facts);
        named(&mut run.notes, Format::VegetaResults);
        figures(&mut run, requests, ok);
        if let Some(seconds) = self.gathered.seconds() {
            let mut scalar = rate("ok_requests_per_second", "code", ok as f64 / seconds);
            scalar.differs = Some(THROUGHPUT);
            run.scalars.push(scalar);
        }
        run.scalars
            .push(bytes("bytes_received", "bytes_in", self.bytes_in as f64));
        run.scalars
            .push(bytes("bytes_sent", "bytes_out", self.bytes_out as f64));
        self.gathered.give_rows(&mut run.scalars);
        run.trends = self.gathered.into_trends(|_| Ok(Vec::new()), &mut run.notes)?;
        Ok(run)
    }
}

#[derive(Deserialize)]
struct Line {
    code: u64,
    timestamp: String,
    latency: u64,
    #[serde(default)]
    bytes_out: u64,
    #[serde(default)]
    bytes_in: u64,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    url: Option<String>,
}

/// Reads the requests from JSON lines.
pub fn results(mut from: Bytes, label: &str) -> Result<Run> {
    let mut results = Results::new();
    let (mut text, mut number) = (Vec::new(), 1);
    while next_line(&mut from, &mut text, number)? {
        let line = text.trim_ascii();
        if !line.is_empty() {
            json_line(line, &mut results).map_err(|e| e.within(format!("line {number}")))?;
        }
        number += 1;
    }
    results.into_run(label)
}

fn json_line(text: &[u8], results: &mut Results) -> Result<()> {
    let line: Line = serde_json::from_slice(text).map_err(|e| match e.is_eof() {
        true => Reason::new("ends within a result")
            .hint("the file is incomplete: copy it again, or remove its last line if the run was killed"),
        false => wrong(format!("is not a result of vegeta: {}", without_position(&e))),
    })?;
    if results.target.is_none() {
        results.target = line.url.as_deref().and_then(origin);
    }
    results.add(&Hit {
        at: instant(&line.timestamp)?,
        latency: line.latency,
        code: line.code,
        has_error: line.error.as_str().is_some_and(|error| !error.is_empty()),
        bytes_in: line.bytes_in,
        bytes_out: line.bytes_out,
    });
    Ok(())
}

/// The columns of its CSV, which has no header.
const COLUMNS: usize = 12;
const URL: usize = 10;

/// Reads the requests from CSV.
pub fn csv(from: Bytes, label: &str) -> Result<Run> {
    let mut results = Results::new();
    let mut records = Records::new(from);
    while records.next()? {
        let place = format!("line {}", records.line());
        if records.columns() != COLUMNS {
            let what = format!("has {} columns, but vegeta writes {COLUMNS}", records.columns());
            let hint = "the file is incomplete: copy it again, or remove its last line if the run was killed";
            return Err(Reason::new(what).hint(hint).within(place));
        }
        let number = |column: usize| {
            let text = records.field(column);
            text.parse::<u64>().map_err(|_| {
                wrong(format!("{} is not a whole number", excerpt(text.as_bytes()))).within(&place)
            })
        };
        let hit = Hit {
            at: UnixNanos::from(number(0)?),
            latency: number(2)?,
            code: number(1)?,
            has_error: !records.field(5).is_empty(),
            bytes_out: number(3)?,
            bytes_in: number(4)?,
        };
        if results.target.is_none() {
            results.target = origin(records.field(URL));
        }
        results.add(&hit);
    }
    results.into_run(label)
}
