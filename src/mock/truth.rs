//! Records what the mock did, by its own clock. This is the ground truth that a client's report is compared with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dialect::Counted;
use super::exposition::Account;
use super::fault::Fault;
use super::told::Told;
use crate::metrics::Distribution;
use crate::units::{Nanos, seconds};

/// The mock's own counts and times.
#[derive(Default)]
pub struct Truth {
    pub requests: u64,
    /// The first and the last instant at which a completion was asked for.
    pub arrivals: Option<(Nanos, Nanos)>,
    pub streams: u64,
    pub light: u64,
    /// Completions that were answered completely and correctly.
    pub ok: u64,
    pub tokens: u64,
    /// What these answers stated of prompts, of the cache and of thoughts.
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub reasoning_tokens: u64,
    pub connections: u64,
    /// Sum of the hashes of all completion request bodies. The same requests give the same sum in any order.
    pub bodies_digest: u64,
    /// What requests repeated of the mock's answers.
    pub told: Told,
    /// Answers during which the client closed the connection.
    pub abandoned: u64,
    /// These by the number of tokens that had been sent by then.
    pub abandoned_after: BTreeMap<u32, u64>,
    /// Requests that were told that the queue is full.
    pub refused: u64,
    /// Requests that got a fault, by its name.
    pub faults: BTreeMap<String, u64>,
    /// These where the client closed the connection before the fault came.
    pub left_before_fault: BTreeMap<String, u64>,
    /// Time from the request's arrival (by the kernel's stamp) to the send of the first token.
    pub ttft: Distribution,
    /// Time between the sends of consecutive writes of one stream.
    pub gap: Distribution,
    /// Time from the request's arrival to the send of the last token, of streams that were sent whole.
    pub latency: Distribution,
    /// Delay of writes against their timeline.
    pub late: Distribution,
    /// The same as an engine counts it, if `/metrics` shows it.
    pub account: Account,
}

impl Truth {
    /// Counts a completion that was asked for at `arrived`.
    pub fn request(&mut self, arrived: Nanos, stream: bool) {
        self.requests += 1;
        self.streams += u64::from(stream);
        self.arrivals = around(self.arrivals, Some((arrived, arrived)));
    }

    /// Returns how many completions were asked for per second, from the first to the last.
    fn arrivals_per_second(&self) -> Option<f64> {
        let (first, last) = self.arrivals.filter(|(first, last)| first < last)?;
        Some(self.requests.saturating_sub(1) as f64 / seconds(last - first))
    }

    /// Counts a completion that was answered completely and correctly.
    pub fn answered(&mut self, stated: &Counted) {
        self.ok += 1;
        self.prompt_tokens += u64::from(stated.prompt);
        self.cached_tokens += u64::from(stated.cached.unwrap_or(0));
        self.reasoning_tokens += u64::from(stated.reasoning.unwrap_or(0));
    }

    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    /// Counts a client that did not wait for the fault of its answer.
    pub fn left_before(&mut self, fault: Fault) {
        *self.left_before_fault.entry(fault.name()).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Truth) {
        let Truth {
            requests,
            arrivals,
            streams,
            light,
            ok,
            tokens,
            prompt_tokens,
            cached_tokens,
            reasoning_tokens,
            connections,
            bodies_digest,
            told,
            abandoned,
            abandoned_after,
            refused,
            faults,
            left_before_fault,
            ttft,
            gap,
            latency,
            late,
            account,
        } = other;
        self.requests += requests;
        self.arrivals = around(self.arrivals, *arrivals);
        self.streams += streams;
        self.light += light;
        self.ok += ok;
        self.tokens += tokens;
        self.prompt_tokens += prompt_tokens;
        self.cached_tokens += cached_tokens;
        self.reasoning_tokens += reasoning_tokens;
        self.connections += connections;
        self.bodies_digest = self.bodies_digest.wrapping_add(*bodies_digest);
        self.told.merge(told);
        self.abandoned += abandoned;
        for (tokens, count) in abandoned_after {
            *self.abandoned_after.entry(*tokens).or_default() += count;
        }
        self.refused += refused;
        for (name, count) in faults {
            *self.faults.entry(name.clone()).or_default() += count;
        }
        for (name, count) in left_before_fault {
            *self.left_before_fault.entry(name.clone()).or_default() += count;
        }
        self.ttft.merge(ttft);
        self.gap.merge(gap);
        self.latency.merge(latency);
        self.late.merge(late);
        self.account.merge(account);
    }

    pub fn to_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "arrivals_per_second": self.arrivals_per_second(),
            "streams": self.streams,
            "light": self.light,
            "ok": self.ok,
            "tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "connections": self.connections,
            "bodies_digest": format!("{:016x}", self.bodies_digest),
            "answers_repeated": self.told.answers,
            "answers_repeated_wrong": self.told.wrong,
            "abandoned": self.abandoned,
            "abandoned_after": self.abandoned_after,
            "refused": self.refused,
            "faults": self.faults,
            "left_before_fault": self.left_before_fault,
            "ttft_ms": summary(&self.ttft),
            "gap_ms": summary(&self.gap),
            "latency_ms": summary(&self.latency),
            "late_ms": summary(&self.late),
        })
    }
}

/// Returns the span that holds both, each from a first to a last instant.
fn around(a: Option<(Nanos, Nanos)>, b: Option<(Nanos, Nanos)>) -> Option<(Nanos, Nanos)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        _ => a.or(b),
    }
}

fn summary(d: &Distribution) -> Value {
    let ms = |ns: Option<Nanos>| ns.map(crate::units::millis);
    json!({
        "count": d.offered(),
        "min": ms(d.min()),
        "p50": ms(d.quantile(0.5)),
        "p90": ms(d.quantile(0.9)),
        "p99": ms(d.quantile(0.99)),
        "p999": ms(d.quantile(0.999)),
        "max": ms(d.max()),
    })
}
