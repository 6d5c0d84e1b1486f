//! The file that `vllm bench serve --save-result` writes, with `--save-detailed` as well.

use std::io::{Result, Write};

use serde_json::Value;

use super::object::{Object, json, tidy};
use super::run_facts::{Traffic, traffic};
use super::values::{Statistics, Values};
use super::{Call, Rows, each_call};
use crate::metrics::MetricId;
use crate::result::RunResult;

/// What `--metric-percentiles` chooses there; llm-d's converter reads all of them.
const PERCENTILES: [f64; 11] = [0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9];
/// A run of a year: what lies beyond is a mistake of the file.
const SECONDS_MAX: usize = 366 * 24 * 3600;

/// What a first reading of the rows finds.
struct Sums {
    completed: u64,
    failed: u64,
    input: u64,
    output: u64,
    ttft: Values,
    tpot: Values,
    itl: Values,
    e2el: Values,
    queue: Values,
    e2el_and_queue: Values,
    seconds: Seconds,
}

/// Writes the file. `detailed` adds the lists of single requests.
pub fn write(result: &RunResult, rows: &mut dyn Rows, detailed: bool, out: &mut dyn Write) -> Result<()> {
    let first = first_begin(rows)?;
    let sums = Sums::of(result, rows, first)?;
    let traffic = traffic(result);
    let mut object = Object::begin(out)?;
    head(&mut object, result, &traffic, &sums)?;
    figures(&mut object, result, &sums)?;
    if detailed {
        column(&mut object, "input_lens", rows, |call| {
            call.input_tokens().unwrap_or(0)
        })?;
        column(&mut object, "output_lens", rows, |call| match call.is_ok() {
            true => call.detail.output_tokens,
            false => 0,
        })?;
        column(&mut object, "ttfts", rows, |call| tidy(call.ttft.unwrap_or(0.0)))?;
        object.list("itls", |list| {
            each_ended(rows, &mut |call| list.push(call.gaps()))
        })?;
    }
    column(&mut object, "latencies", rows, |call| match call.is_ok() {
        true => tidy(call.to_last),
        false => 0.0,
    })?;
    if detailed {
        let began = traffic.started_seconds();
        column(&mut object, "start_times", rows, |call| tidy(call.begin - began))?;
    }
    column(&mut object, "queue_times", rows, |call| tidy(call.wait))?;
    if detailed {
        column(&mut object, "generated_texts", rows, |_| "")?;
        object.list("errors", |list| {
            each_ended(rows, &mut |call| {
                list.push(call.detail.error.as_deref().unwrap_or(""))
            })
        })?;
    }
    let (tokens, requests) = sums.seconds.peaks(result);
    object.member("max_output_tokens_per_s", &tokens)?;
    object.member("max_concurrent_requests", &requests)?;
    object.member("rtfx", &0.0)?;
    percentiles(&mut object, result, &traffic, sums)?;
    object.end()
}

/// Calls `take` with each request that was answered or failed, which are the requests that the file knows.
fn each_ended(rows: &mut dyn Rows, take: &mut dyn FnMut(&Call<'_>) -> Result<()>) -> Result<()> {
    each_call(rows, &mut |call| match call.is_cut() {
        true => Ok(()),
        false => take(call),
    })
}

fn column<T: serde::Serialize>(
    object: &mut Object,
    key: &str,
    rows: &mut dyn Rows,
    value: impl Fn(&Call<'_>) -> T,
) -> Result<()> {
    object.list(key, |list| each_ended(rows, &mut |call| list.push(&value(call))))
}

fn first_begin(rows: &mut dyn Rows) -> Result<f64> {
    let mut first = f64::INFINITY;
    each_ended(rows, &mut |call| {
        if call.is_ok() {
            first = first.min(call.begin);
        }
        Ok(())
    })?;
    Ok(if first.is_finite() { first } else { 0.0 })
}

impl Sums {
    fn of(result: &RunResult, rows: &mut dyn Rows, first: f64) -> Result<Sums> {
        let mut sums = Sums {
            completed: 0,
            failed: 0,
            input: 0,
            output: 0,
            ttft: Values::of_seconds(),
            tpot: Values::of_seconds(),
            itl: Values::of_seconds(),
            e2el: Values::of_seconds(),
            queue: Values::of_seconds(),
            e2el_and_queue: Values::of_seconds(),
            seconds: Seconds::new(result, first),
        };
        each_ended(rows, &mut |call| {
            sums.add(call);
            Ok(())
        })?;
        Ok(sums)
    }

    fn add(&mut self, call: &Call<'_>) {
        if !call.is_ok() {
            self.failed += 1;
            return;
        }
        self.completed += 1;
        self.input += call.input_tokens().unwrap_or(0);
        self.output += call.detail.output_tokens;
        call.ttft.into_iter().for_each(|time| self.ttft.push(time));
        call.time_per_token()
            .into_iter()
            .for_each(|time| self.tpot.push(time));
        call.gaps().iter().for_each(|gap| self.itl.push(*gap));
        self.e2el.push(call.to_last);
        self.queue.push(call.wait);
        self.e2el_and_queue.push(call.to_last + call.wait);
        self.seconds.add(call);
    }
}

fn head(object: &mut Object, result: &RunResult, traffic: &Traffic, sums: &Sums) -> Result<()> {
    let date = traffic.started_as_digits();
    object.member("date", &date)?;
    object.member("endpoint_type", &traffic.backend)?;
    object.member("backend", &traffic.backend)?;
    object.member("label", &Value::Null)?;
    object.member("model_id", &traffic.model)?;
    object.member("tokenizer_id", &Value::Null)?;
    object.member("num_prompts", &(sums.completed + sums.failed))?;
    object.member("tool", &traffic.tool)?;
    object.member("profile", &result.run.profile)?;
    if result.client.details_lost > 0 {
        object.member("details_lost", &result.client.details_lost)?;
    }
    match traffic.rate {
        Some(rate) => object.member("request_rate", &rate)?,
        None => object.member("request_rate", "inf")?,
    }
    match traffic.burstiness {
        Some(shape) => object.member("burstiness", &shape)?,
        None => object.member("burstiness", "inf")?,
    }
    object.member("max_concurrency", &traffic.concurrency)
}

fn figures(object: &mut Object, result: &RunResult, sums: &Sums) -> Result<()> {
    let duration = result.run.duration_seconds;
    let rate = |count: u64| match duration > 0.0 {
        true => count as f64 / duration,
        false => 0.0,
    };
    let goodput = &result.totals.goodput;
    let good = (goodput.judged > 0).then(|| rate(goodput.good));
    object.member("duration", &duration)?;
    object.member("completed", &sums.completed)?;
    object.member("failed", &sums.failed)?;
    object.member("total_input_tokens", &sums.input)?;
    object.member("total_output_tokens", &sums.output)?;
    object.member("request_throughput", &rate(sums.completed))?;
    object.member("request_goodput", &good)?;
    object.member("output_throughput", &rate(sums.output))?;
    object.member("total_token_throughput", &rate(sums.input + sums.output))
}

fn percentiles(object: &mut Object, result: &RunResult, traffic: &Traffic, sums: Sums) -> Result<()> {
    // Without single gaps there is the distribution of all, those of failed requests included.
    let all = || result.metric(MetricId::Tbt)?.distribution().ok();
    let gaps = sums.itl.statistics().or_else(|| Statistics::of_times(all()?));
    metric(object, "ttft", sums.ttft.statistics().as_ref())?;
    metric(object, "tpot", sums.tpot.statistics().as_ref())?;
    metric(object, "itl", gaps.as_ref())?;
    metric(object, "e2el", sums.e2el.statistics().as_ref())?;
    metric(object, "client_queue_time", sums.queue.statistics().as_ref())?;
    if traffic.rate.is_some() {
        let both = sums.e2el_and_queue.statistics();
        metric(object, "e2el_including_client_queue", both.as_ref())?;
    }
    Ok(())
}

/// Writes the statistics of a metric in milliseconds; without values they are 0, as they are there.
fn metric(object: &mut Object, name: &str, found: Option<&Statistics>) -> Result<()> {
    let ms = |value: Option<f64>| tidy(value.unwrap_or(0.0) * 1e3);
    object.member(&format!("mean_{name}_ms"), &ms(found.map(|s| s.mean)))?;
    object.member(
        &format!("median_{name}_ms"),
        &ms(found.map(|s| s.percentile(50.0))),
    )?;
    object.member(&format!("std_{name}_ms"), &ms(found.map(|s| s.std)))?;
    for p in PERCENTILES {
        let key = format!("p{}_{name}_ms", json(&p)?.trim_end_matches(".0"));
        object.member(&key, &ms(found.map(|s| s.percentile(p))))?;
    }
    Ok(())
}

/// Token events, and requests in flight, of each second since the first ok request began.
struct Seconds {
    first: f64,
    tokens: Vec<u64>,
    /// Requests that are in flight in a second and were not in the one before, minus those that no longer are.
    changes: Vec<i64>,
    /// Some request had gaps.
    has_gaps: bool,
}

impl Seconds {
    fn new(result: &RunResult, first: f64) -> Seconds {
        let seconds = (result.run.duration_seconds.max(0.0) as usize).min(SECONDS_MAX);
        Seconds {
            first,
            tokens: vec![0; seconds + 3],
            changes: vec![0; seconds + 3],
            has_gaps: false,
        }
    }

    fn add(&mut self, call: &Call<'_>) {
        let last = self.tokens.len() - 2;
        let second = |at: f64| (at.max(0.0) as usize).min(last);
        let begin = call.begin - self.first;
        self.changes[second(begin)] += 1;
        self.changes[second(begin + call.to_last) + 1] -= 1;
        let Some(ttft) = call.ttft else { return };
        let mut at = begin + ttft;
        self.tokens[second(at)] += 1;
        for gap in call.gaps() {
            self.has_gaps = true;
            at += gap;
            self.tokens[second(at)] += 1;
        }
    }

    /// Returns the most token events, and the most requests in flight, of any second.
    fn peaks(&self, result: &RunResult) -> (f64, u64) {
        let mut in_flight = 0;
        let mut most = 0;
        for change in &self.changes {
            in_flight += change;
            most = most.max(in_flight);
        }
        let mut tokens = self.tokens.iter().max().copied().unwrap_or(0) as f64;
        if !self.has_gaps {
            // The rows of the timeline count the other tokens.
            let mut from = 0.0;
            for row in &result.timeline {
                let seconds = (row.elapsed - std::mem::replace(&mut from, row.elapsed)).max(1.0);
                let firsts = self.tokens.get(row.elapsed as usize).copied().unwrap_or(0);
                tokens = tokens.max(row.tbt.count as f64 / seconds + firsts as f64);
            }
        }
        (tokens, most.unsigned_abs())
    }
}
