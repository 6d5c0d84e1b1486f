//! Reads the results of `vllm bench serve` and of `sglang.bench_serving`, which are of one family: an object per run,
//! with the figures at its top and, on request, a list for each fact of a request. Several runs may follow each other
//! in a file. Figures are in milliseconds, lists in seconds.

use super::choice::Choice;
use super::definition::*;
use super::gather::{Gathered, Request};
use super::named;
use crate::compare::read::error::{Result, wrong};
use crate::compare::read::input::Bytes;
use crate::compare::read::k6::stat;
use crate::compare::read::members::{Members, missing, mistyped};
use crate::compare::read::samples::UnixNanos;
use crate::compare::{Format, Run, RunFacts, Scalar, Stat};
use crate::json::Scanner;
use serde_json::Value;

/// The most gaps that are held, which is 32 MB. More are left to the figures that the file states.
const GAPS_MAX: usize = 4_000_000;
const CONNECTING: &str = "from the send (connecting included) to the first event with text";

const VLLM: [Definition; 4] = [
    define("ttft", "ttft", SENT, CONNECTING),
    define(
        "tbt",
        "itl",
        "",
        "gaps between events with choices; stamped after parsing",
    ),
    define("tpot", "tpot", TO_THE_END, "(end - first token) / (tokens - 1)"),
    define(
        "service_time",
        "e2el",
        OK_ONLY,
        "from the send (connecting included) to the last event, of requests that are ok",
    ),
];
const VLLM_CHAT: [Definition; 4] = [
    define(
        "ttft",
        "ttft",
        FIRST_CHUNK,
        "from the send to the first event that has choices, which may be the one that only names the role",
    ),
    define(
        "tbt",
        "itl",
        CHUNK_GAPS,
        "gaps between events that have choices, of which the first may end with the first token",
    ),
    VLLM[2],
    VLLM[3],
];
const SGLANG: [Definition; 4] = [
    define("ttft", "ttft", SENT, CONNECTING),
    define(
        "tbt",
        "itl",
        "",
        "gaps between events with text; stamped after parsing",
    ),
    define("tpot", "tpot", TO_THE_END, "(end - first token) / (tokens - 1)"),
    define(
        "service_time",
        "e2e_latency",
        OK_ONLY,
        "from the send (connecting included) to the last event, of requests that are ok",
    ),
];
const TOKENS: &str = "tokens as the server states them if it does, else counted again by the client's tokenizer; over \
                      the time to the last answer";

/// The lists of a run, one value per request in the order of the requests.
#[derive(Default)]
struct Lists {
    ttfts: Vec<f64>,
    latencies: Vec<f64>,
    start_times: Vec<f64>,
    output_lens: Vec<u64>,
    /// Whether the request failed.
    failed: Vec<bool>,
    /// The gaps of all requests, one after another, and how many each has.
    gaps: Vec<f64>,
    gaps_each: Vec<usize>,
    gaps_left_out: bool,
}

/// Reads the chosen run of a file.
pub fn run(from: Bytes, format: Format, label: &str, choice: Choice) -> Result<Run> {
    let mut scanner = Scanner::new(from);
    let mut found = None;
    let mut runs = 0;
    while scanner.peek()?.is_some() {
        runs += 1;
        match choice.wants(runs) {
            true => found = Some(object(&mut scanner)?),
            false => scanner.skip()?,
        }
    }
    choice.check(runs)?;
    let (members, lists) = found.ok_or_else(|| wrong("has no run"))?;
    one(&members, lists, format, label)
}

fn object(scanner: &mut Scanner<'_>) -> Result<(Members, Lists)> {
    let (mut members, mut lists) = (Members::default(), Lists::default());
    scanner.object(|scanner, key| match (key, scanner.peek()?) {
        ("ttfts", Some(b'[')) => numbers(scanner, &mut lists.ttfts),
        ("latencies", Some(b'[')) => numbers(scanner, &mut lists.latencies),
        ("start_times", Some(b'[')) => numbers(scanner, &mut lists.start_times),
        ("output_lens", Some(b'[')) => scanner.array(|scanner| {
            lists.output_lens.push(scanner.parse()?);
            Ok(())
        }),
        ("errors", Some(b'[')) => scanner.array(|scanner| {
            let error: Option<Value> = scanner.parse()?;
            lists
                .failed
                .push(error.is_some_and(|error| error != Value::String(String::new())));
            Ok(())
        }),
        ("itls", Some(b'[')) => scanner.array(|scanner| lists.request_gaps(scanner)),
        (_, Some(b'[')) => Ok(scanner.skip()?),
        _ => members.keep(scanner, key),
    })?;
    Ok((members, lists))
}

fn numbers(scanner: &mut Scanner<'_>, into: &mut Vec<f64>) -> Result<()> {
    scanner.array(|scanner| {
        into.push(scanner.parse()?);
        Ok(())
    })
}

impl Lists {
    fn request_gaps(&mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        let before = self.gaps.len();
        if before >= GAPS_MAX {
            self.gaps_left_out = true;
            self.gaps_each.push(0);
            return Ok(scanner.skip()?);
        }
        numbers(scanner, &mut self.gaps)?;
        self.gaps_each.push(self.gaps.len() - before);
        Ok(())
    }

    /// Drops lists that are not of all requests, and says so.
    fn check(&mut self, requests: u64, notes: &mut Vec<String>) {
        let mut check = |name: &str, len: usize| {
            let fits = len == 0 || len as u64 == requests;
            if !fits {
                notes.push(format!(
                    "`{name}` has {len} values, but the run had {requests} requests: the list is not used"
                ));
            }
            fits
        };
        if !check("ttfts", self.ttfts.len()) {
            self.ttfts.clear();
        }
        if !check("latencies", self.latencies.len()) {
            self.latencies.clear();
        }
        if !check("start_times", self.start_times.len()) {
            self.start_times.clear();
        }
        if !check("output_lens", self.output_lens.len()) {
            self.output_lens.clear();
        }
        if !check("errors", self.failed.len()) {
            self.failed.clear();
        }
        if !check("itls", self.gaps_each.len()) {
            self.gaps_each.clear();
        }
    }
}

fn one(members: &Members, mut lists: Lists, format: Format, label: &str) -> Result<Run> {
    let completed = members.needed_count("completed")?;
    let failed = match members.count("failed")? {
        Some(failed) => failed,
        None if format == Format::Sglang => {
            // SGLang names no failures, only the errors of each request.
            lists.failed.iter().filter(|failed| **failed).count() as u64
        }
        None => members
            .count("num_prompts")?
            .map_or(0, |asked| asked.saturating_sub(completed)),
    };
    let mut run = Run::new(label, format, facts(members, format, completed + failed)?);
    named(&mut run.notes, format);
    lists.check(completed + failed, &mut run.notes);
    let definitions = definitions(members, format)?;
    let mut gathered = gather(&lists, definitions, failed);
    scalars(members, format, completed, failed, &mut run.scalars)?;
    gathered.give_rows(&mut run.scalars);
    if lists.gaps_left_out {
        run.notes.push(format!(
            "`itls` has more than {GAPS_MAX} gaps: those of later requests are left out of the picture and of intervals"
        ));
    }
    let stated = |definition: &Definition| match completed {
        0 => Ok(Vec::new()),
        _ => stated(members, definition.source),
    };
    run.trends = gathered.into_trends(stated, &mut run.notes)?;
    Ok(run)
}

fn definitions(members: &Members, format: Format) -> Result<&'static [Definition]> {
    if format == Format::Sglang {
        return Ok(&SGLANG);
    }
    let api = match members.text("endpoint_type")? {
        Some(api) => Some(api),
        None => members.text("backend")?,
    };
    Ok(match api.is_some_and(|api| api.contains("chat")) {
        true => &VLLM_CHAT,
        false => &VLLM,
    })
}

fn facts(members: &Members, format: Format, requests: u64) -> Result<RunFacts> {
    let load = match members.get("request_rate") {
        Some(Value::Number(rate)) => {
            let burstiness = members.number("burstiness")?;
            let burstiness = burstiness.map_or(String::new(), |b| format!(", burstiness {b}"));
            Some(format!("{rate}/s{burstiness}"))
        }
        Some(Value::String(text)) if text == "trace" => Some("by the trace".to_owned()),
        _ => None,
    };
    Ok(RunFacts {
        tool: Some(format.writer().to_owned()),
        peak_vus: members.count("max_concurrency")?,
        load,
        started_at: members.text("date")?.map(|date| readable(&date)),
        duration_seconds: members.number("duration")?.filter(|s| *s > 0.0),
        requests: Some(requests),
        ..RunFacts::default()
    })
}

/// Writes `20261129-112814`, which is local time, as other tools write an instant.
fn readable(date: &str) -> String {
    let plain = date.len() == 15
        && date.bytes().enumerate().all(|(i, b)| match i {
            8 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    match plain {
        true => format!(
            "{}-{}-{}T{}:{}:{}",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..]
        ),
        false => date.to_owned(),
    }
}

/// Returns the figures at the top: `mean_ttft_ms`, `p99.9_ttft_ms` and so on.
fn stated(members: &Members, name: &str) -> Result<Vec<(Stat, f64)>> {
    let ending = format!("_{name}_ms");
    let mut stats = Vec::new();
    for key in members.values.keys() {
        let Some(found) = key.strip_suffix(&ending).and_then(stat) else {
            continue;
        };
        // The key may have a dot in it, which is none of a path.
        if let Some(ms) = members.values[key].as_f64() {
            stats.push((found, ms));
        } else if !members.values[key].is_null() {
            return Err(mistyped(key, &members.values[key], "a number"));
        }
    }
    // Figures of nothing are written as 0.
    let nothing = stats.iter().all(|(_, ms)| *ms == 0.0);
    Ok(if nothing { Vec::new() } else { stats })
}

fn scalars(
    members: &Members,
    format: Format,
    completed: u64,
    failed: u64,
    into: &mut Vec<Scalar>,
) -> Result<()> {
    into.extend([
        count("requests", "completed, failed", completed + failed),
        count("ok", "completed", completed),
    ]);
    let knows_failures = format == Format::Vllm || failed > 0;
    if knows_failures {
        into.push(count("failed", "failed", failed));
        into.extend(error_rate("failed", failed, completed + failed));
    }
    let throughput = members
        .number("request_throughput")?
        .ok_or_else(|| missing("request_throughput"))?;
    into.push(rate("ok_requests_per_second", "request_throughput", throughput));
    if failed == 0 {
        into.push(rate("requests_per_second", "request_throughput", throughput));
    }
    let goodput = members.number("request_goodput")?;
    into.extend(goodput.map(|value| rate("good_requests_per_second", "request_goodput", value)));
    for (metric, source) in [
        ("output_tokens_per_second", "output_throughput"),
        ("input_tokens_per_second", "input_throughput"),
        ("total_tokens_per_second", "total_token_throughput"),
        ("total_tokens_per_second", "total_throughput"),
    ] {
        let value = members.number(source)?;
        into.extend(value.map(|value| token_rate(metric, source, TOKENS, value)));
    }
    for (metric, source) in [
        ("output_tokens", "total_output_tokens"),
        ("prompt_tokens", "total_input_tokens"),
        ("cached_tokens", "cache_report.total_cached_tokens"),
    ] {
        let value = members.count(source)?;
        into.extend(value.map(|n| count(metric, source, n)));
    }
    Ok(())
}

fn gather(lists: &Lists, definitions: &'static [Definition], failed: u64) -> Gathered {
    let mut gathered = Gathered::new(definitions);
    // Without the list of errors, which of them failed is unknown.
    if lists.failed.is_empty() && failed > 0 {
        return gathered;
    }
    let requests = lists.ttfts.len().max(lists.latencies.len());
    let mut gaps = lists.gaps.as_slice();
    for i in 0..requests {
        let own = lists.gaps_each.get(i).copied().unwrap_or(0);
        let (of_request, rest) = gaps.split_at(own);
        gaps = rest;
        let ok = !lists.failed.get(i).copied().unwrap_or(false);
        let ttft = lists.ttfts.get(i).copied();
        let latency = lists.latencies.get(i).copied();
        let nanos = |seconds: f64| (seconds * 1e9) as UnixNanos;
        let start = lists.start_times.get(i).copied();
        let span = start
            .zip(latency)
            .map(|(start, latency)| (nanos(start), nanos(start + latency)));
        let tokens = lists.output_lens.get(i).copied().unwrap_or(0);
        gathered.request(Request {
            span,
            ok,
            output_tokens: tokens,
        });
        if !ok {
            continue;
        }
        let end = span.map(|(_, end)| end);
        if let Some(ttft) = ttft {
            gathered.value("ttft", end, ttft * 1e3);
        }
        if let Some(latency) = latency {
            gathered.value("service_time", end, latency * 1e3);
        }
        if let (Some(ttft), Some(latency), true) = (ttft, latency, tokens > 1) {
            gathered.value("tpot", end, (latency - ttft) / (tokens - 1) as f64 * 1e3);
        }
        for gap in of_request {
            gathered.value("tbt", None, gap * 1e3);
        }
    }
    gathered
}
