//! Options of the mock server.

use crate::cli::FaultSpec;
use crate::cli::values::listen::listen_address;
use crate::cli::values::number::{count, seed, short_time};
use crate::cli::values::share::share;
use crate::error::{Mistake, Mistakes, Reason};
use crate::host::{CpuList, IoChoice};
use crate::mock::capacity::CapacityOptions;
use crate::mock::exposition::MetricsForm;
use crate::mock::tokens::TokenizeForm;
use crate::units::{MINUTE, Nanos};
use crate::units::{check_duration, within};
use clap::Args;
use std::net::SocketAddr;

const WAIT_MAX: Nanos = 60 * MINUTE;
const TOKEN_RATE_MAX: u32 = 1_000_000_000;
const LISTENERS_MAX: u64 = 16;
const TOKENS_MAX: u32 = 1_000_000;
const EVENTS_PER_WRITE_MAX: u32 = 256;
/// The largest size of an event, padding included.
const EVENT_BYTES_MAX: u32 = 16 << 10;
const FAULT_CYCLE_MAX: u32 = 1_000_000;
const PLACES_MAX: u32 = 1_000_000;
/// The most requests that are kept.
const RECORD_MAX: u32 = 1_000_000;
const SECONDS_MAX: u64 = 24 * 3_600;

#[derive(Clone, Debug, Args)]
pub struct MockArgs {
    /// Address to listen on; port 0 takes any free port, which is printed; repeatable. All share one --token-rate
    #[arg(long, value_name = "ADDR", value_parser = listen_address, default_value = "127.0.0.1:0")]
    pub listen: Vec<SocketAddr>,

    /// Time from the request to the first token
    #[arg(long, value_name = "DURATION", value_parser = short_time(0..=WAIT_MAX), default_value = "50ms")]
    pub ttft: Nanos,

    /// Time between two tokens
    #[arg(long, value_name = "DURATION", value_parser = short_time(0..=WAIT_MAX), default_value = "10ms")]
    pub gap: Nanos,

    /// Number of tokens in a response
    #[arg(long, value_name = "N", value_parser = count(1..=TOKENS_MAX), default_value_t = 100)]
    pub tokens: u32,

    /// Number of events sent in one write
    #[arg(long, value_name = "N", value_parser = count(1..=EVENTS_PER_WRITE_MAX), default_value_t = 1)]
    pub events_per_write: u32,

    /// Tokens per second for all streams together, which take turns, as on one GPU
    #[arg(long, value_name = "N", value_parser = count(1..=TOKEN_RATE_MAX))]
    pub token_rate: Option<u32>,

    /// Number of requests served at once; further ones wait for a place, first in, first out
    #[arg(long, value_name = "N", value_parser = count(1..=PLACES_MAX))]
    pub concurrency: Option<u32>,

    /// Number of requests that may wait for a place; further ones get a 503 [any number]
    #[arg(long, value_name = "N", value_parser = count(0..=PLACES_MAX))]
    pub queue: Option<u32>,

    /// Take ten times as long for the first token of a request that comes while N others are there
    #[arg(long, value_name = "N", value_parser = count(1..=PLACES_MAX))]
    pub cliff: Option<u32>,

    /// Take this much longer for the first token for each other request that is there
    #[arg(long, value_name = "DURATION", value_parser = short_time(0..=WAIT_MAX), default_value = "0")]
    pub slope: Nanos,

    /// Vary the time to the first token by up to this much, all values equally likely: 20%
    #[arg(long, value_name = "PERCENT", value_parser = share(0.0..=1.0), default_value = "0%")]
    pub jitter: f64,

    /// Go on with a request for this long after its client has gone, as a server does that notices late
    #[arg(long, value_name = "DURATION", value_parser = short_time(0..=WAIT_MAX), default_value = "0")]
    pub goes_on: Nanos,

    /// Send tokens as fast as possible, without --ttft and --gap
    #[arg(long)]
    pub unpaced: bool,

    /// Put the send time into each event, in CLOCK_MONOTONIC nanoseconds
    #[arg(long)]
    pub stamp: bool,

    /// Pad events to this size; 0 leaves them as they are
    #[arg(long, value_name = "N", value_parser = count(0..=EVENT_BYTES_MAX), default_value_t = 0)]
    pub event_bytes: u32,

    /// How many requests of each cycle fail, and how: 503=37,429=5,reset=11,cut=5,hang=2,error_event=3
    #[arg(long, value_name = "SPEC")]
    pub faults: Option<FaultSpec>,

    /// Number of requests in a cycle of faults
    #[arg(long, value_name = "N", value_parser = count(1..=FAULT_CYCLE_MAX), default_value_t = 1_000)]
    pub fault_cycle: u32,

    /// Seed that decides which requests of a cycle get which fault, and of --jitter
    #[arg(long, value_name = "N", value_parser = seed, default_value_t = 1)]
    pub seed: u64,

    /// Delay each connection's tokens by a phase of its own, so that they do not all arrive at once
    #[arg(long)]
    pub spread: bool,

    /// Close after each stream without announcing it, as llama.cpp does
    #[arg(long)]
    pub close_after_stream: bool,

    /// Leave Nagle's algorithm enabled, as some servers do
    #[arg(long)]
    pub nagle: bool,

    /// Keep the last N requests, head and body, for `GET /mock/requests`
    #[arg(long, value_name = "N", value_parser = count(0..=RECORD_MAX), default_value_t = 0)]
    pub record: u32,

    /// Count the tokens of prompts (words, or ids) and keep them as a prefix cache does, in blocks of 16, so that
    /// answers state prompt and cached tokens
    #[arg(long)]
    pub prefix_cache: bool,

    /// State that N tokens of each answer are thoughts
    #[arg(long, value_name = "N", value_parser = count(0..=TOKENS_MAX))]
    pub reasoning_tokens: Option<u32>,

    /// Have a /tokenize like this server's, and count the tokens of prompts with it: words are one to three tokens
    /// [none; prompts count as 8 tokens]
    #[arg(long, value_name = "SERVER", value_enum)]
    pub tokenize: Option<TokenizeForm>,

    /// What `GET /metrics` shows: the mock's own two gauges, what vLLM shows (with its histograms), or no such path
    #[arg(long, value_name = "FORM", value_enum, default_value = "mock")]
    pub metrics: MetricsForm,

    /// Leave this share of requests and tokens out of what --metrics vllm counts, as a server that counts wrongly
    #[arg(long, value_name = "PERCENT", value_parser = share(0.0..=1.0), default_value = "0%")]
    pub miscount: f64,

    /// CPUs to run on: 1-3,5
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<CpuList>,

    /// What drives the sockets
    #[arg(long, env = "LLMLOAD_IO", hide_env = true, value_enum, default_value_t = IoChoice::Auto)]
    pub io: IoChoice,

    /// Stop after this many seconds
    #[arg(long, value_name = "N", value_parser = count(1..=SECONDS_MAX), default_value_t = 3_600)]
    pub max_seconds: u64,
}

impl MockArgs {
    /// Checks every value against its limits, and reports all that are outside at once.
    pub fn check(&self) -> Result<(), Mistakes> {
        let mut mistakes: Vec<Mistake> = Vec::new();
        for (option, nanos) in [
            ("--ttft", self.ttft),
            ("--gap", self.gap),
            ("--slope", self.slope),
            ("--goes-on", self.goes_on),
        ] {
            if let Err(reason) = check_duration(nanos, &(0..=WAIT_MAX)) {
                mistakes.push(reason.at(option, 0));
            }
        }
        let counts = [
            ("--tokens", u64::from(self.tokens), 1, u64::from(TOKENS_MAX)),
            (
                "--events-per-write",
                u64::from(self.events_per_write),
                1,
                u64::from(EVENTS_PER_WRITE_MAX),
            ),
            (
                "--event-bytes",
                u64::from(self.event_bytes),
                0,
                u64::from(EVENT_BYTES_MAX),
            ),
            (
                "--fault-cycle",
                u64::from(self.fault_cycle),
                1,
                u64::from(FAULT_CYCLE_MAX),
            ),
            (
                "--token-rate",
                u64::from(self.token_rate.unwrap_or(1)),
                1,
                u64::from(TOKEN_RATE_MAX),
            ),
            ("--record", u64::from(self.record), 0, u64::from(RECORD_MAX)),
            places("--concurrency", self.concurrency, 1),
            places("--queue", self.queue, 0),
            places("--cliff", self.cliff, 1),
            ("--listen", self.listen.len() as u64, 1, LISTENERS_MAX),
            ("--max-seconds", self.max_seconds, 1, SECONDS_MAX),
        ];
        for (option, count, least, most) in counts {
            if let Err(reason) = within(Some(count), &count.to_string(), &(least..=most)) {
                mistakes.push(reason.at(option, 0));
            }
        }
        let faulty = self.faults.as_ref().map_or(0, FaultSpec::total);
        if faulty > u64::from(self.fault_cycle) {
            let what = format!(
                "{faulty} faulty requests do not fit into a cycle of {}",
                self.fault_cycle
            );
            let hint = "use fewer faults or a longer `--fault-cycle`";
            mistakes.push(Reason::new(what).hint(hint).at("--faults", 0));
        }
        self.check_together(&mut mistakes);
        if let Some(thoughts) = self.reasoning_tokens.filter(|thoughts| *thoughts > self.tokens) {
            let what = format!("{thoughts} are more than the {} tokens of an answer", self.tokens);
            let hint = "raise `--tokens`, or state fewer";
            mistakes.push(Reason::new(what).hint(hint).at("--reasoning-tokens", 0));
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Mistakes::new(mistakes))
        }
    }

    /// Reports options that contradict others, or have no effect.
    fn check_together(&self, mistakes: &mut Vec<Mistake>) {
        let mut wrong = |option: &str, what: &str, hint: &str| {
            mistakes.push(Reason::new(what).hint(hint).at(option, 0));
        };
        if self.concurrency.is_some() && self.token_rate.is_some() {
            let what = "contradicts `--token-rate`: how long a place is taken is known only without a budget";
            wrong("--concurrency", what, "remove one of them");
        }
        if self.queue.is_some() && self.concurrency.is_none() {
            let what = "has no effect: without `--concurrency` nobody waits for a place";
            wrong("--queue", what, "add `--concurrency N`");
        }
        if self.miscount > 0.0 && self.metrics != MetricsForm::Vllm {
            let what = "has no effect: only `--metrics vllm` counts requests and tokens";
            wrong("--miscount", what, "add `--metrics vllm`");
        }
        for (option, given) in [
            ("--concurrency", self.concurrency.is_some()),
            ("--cliff", self.cliff.is_some()),
            ("--slope", self.slope > 0),
            ("--jitter", self.jitter > 0.0),
        ] {
            if given && self.unpaced {
                let what = "contradicts `--unpaced`: it changes times that there are none of";
                wrong(option, what, "remove one of them");
            }
        }
    }

    /// Returns what the number of requests does to answers.
    pub fn capacity(&self) -> CapacityOptions {
        CapacityOptions {
            concurrency: self.concurrency,
            queue: self.queue,
            cliff: self.cliff,
            slope: self.slope,
            jitter: (self.jitter * 1e6).round() as u32,
            seed: self.seed,
            goes_on: self.goes_on,
        }
    }
}

/// Returns the row of a number of requests, which is within its limits if it was not given.
fn places(option: &'static str, given: Option<u32>, least: u32) -> (&'static str, u64, u64, u64) {
    let number = given.unwrap_or(least);
    (option, number.into(), least.into(), PLACES_MAX.into())
}
